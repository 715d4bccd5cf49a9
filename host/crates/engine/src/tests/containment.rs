//! Failure that stays contained: quarantine of keys, stopped deployments, probes, and what waits meanwhile.

use model::guest::Stop;
use model::limits;

use super::*;
use crate::TransitionKind;

/// Traps at 100 and above, cannot work at 50 and above, else tells.
fn fragile(event: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    let Cause::Observation(observation) = &event.cause else { return Ok(Vec::new()) };
    match observation.readings[0].value {
        Value::Number(n) if n >= 100.0 => Err(Failure::Stopped(Stop::Trap, "boom".into())),
        Value::Number(n) if n >= 50.0 => Err(Failure::Permanent("no".into())),
        _ => tell(event, host),
    }
}

/// Devices 1 to 8 in one site, all bound by deployment `d`, and by `other`, which never fails.
fn many() -> Vec<(Deployment, Rule)> {
    ["d", "other"].into_iter().zip([fragile as Rule, tell as Rule]).map(|(name, rule)| (members(name), rule)).collect()
}

fn members(name: &str) -> Deployment {
    let mut spec = deployment(name, vec![each_reading()]);
    spec.roles[0].members = (1..=8).map(DeviceNo).collect();
    spec
}

fn eight(partitions: u16, deployments: Vec<(Deployment, Rule)>) -> Setup {
    let devices = (1..=8).map(|number| device(number, &format!("d{number}"), "hall"));
    Setup { devices: Arc::new(Devices::new(devices)), ..setup(partitions, deployments) }
}

fn bench(deployments: Vec<(Deployment, Rule)>) -> Bench {
    let engine = Engine::new(eight(1, deployments), Persistence::Store).expect("a setup");
    Bench { engine, number: 0, decisions: Vec::new(), turns: Vec::new() }
}

fn input_of(body: Body) -> Input {
    Input {
        id: "x".into(),
        source: "test".into(),
        own_id: false,
        occurred_at: None,
        body,
        attributes: Vec::new(),
        redelivery: None,
    }
}

fn tenth(n: i64) -> Instant {
    Instant(1_000_000_000 + n * 100_000)
}

impl Bench {
    fn hear(&mut self, tenths: i64, device: u32, value: f64) -> &mut Self {
        let input = self.input(reading(DeviceNo(device), value), None);
        self.engine.take(&input, tenth(tenths));
        self.collect();
        self
    }

    fn run_to(&mut self, tenths: i64) -> &mut Self {
        self.engine.advance(tenth(tenths));
        self.collect();
        self
    }

    fn transitions(&self) -> Vec<(TransitionKind, String)> {
        let all = self.turns.iter().flat_map(|turn| &turn.transitions);
        all.map(|t| (t.kind, t.key.as_deref().unwrap_or("").to_owned())).collect()
    }

    fn effects_of(&self, deployment: &str) -> usize {
        self.decisions.iter().filter(|d| d.effect.is_some() && &*d.deployment == deployment).count()
    }

    fn cases(&self) -> Vec<crate::Case> {
        let letters = self.turns.iter().flat_map(|turn| &turn.commits).flat_map(|commit| &commit.dead_letters);
        letters.map(|letter| crate::rows::decode("dead letter", &letter.case).expect("a case")).collect()
    }

    fn letters(&self) -> Vec<String> {
        let letters = self.turns.iter().flat_map(|turn| &turn.commits).flat_map(|commit| &commit.dead_letters);
        letters.map(|letter| letter.reason.to_string()).collect()
    }
}

thread_local! {
    /// How often [`passing`] fails from here on.
    static FAILS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

fn passing(event: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    match FAILS.get() {
        0 => tell(event, host),
        left => {
            FAILS.set(left - 1);
            Err(Failure::Transient("not now".into()))
        }
    }
}

#[test]
fn an_event_is_tried_up_to_the_limit_and_then_given_up_for_those_behind_it() {
    for (fails, letters) in [(limits::TRIES - 1, 0), (limits::TRIES, 1)] {
        FAILS.set(fails);
        let mut bench = bench(vec![(members("d"), passing)]);
        bench.hear(0, 1, 1.0).hear(1, 1, 2.0).run_to(20_000);
        let failed = bench.decisions.iter().filter(|d| d.verdict == model::Verdict::Failed).count();
        assert_eq!(failed, fails as usize, "each try is a decision");
        assert_eq!(bench.letters(), vec!["transient"; letters]);
        assert_eq!(bench.effects_of("d"), 2 - letters, "the one behind it is not given up with it");
        let accounts = bench.engine.accounts();
        assert_eq!((accounts.pending, accounts.dead_lettered), (0, letters as u64));
    }
}

#[test]
fn a_key_that_traps_three_times_waits_for_its_probe_and_nobody_else_does() {
    let mut bench = bench(many());
    bench.hear(0, 1, 100.0).hear(1, 1, 100.0).hear(2, 1, 100.0);
    assert_eq!(bench.transitions(), [(TransitionKind::Quarantined, "d1".into())]);
    bench.hear(3, 1, 1.0).hear(3, 1, 2.0).hear(4, 2, 1.0);
    assert_eq!((bench.effects_of("d"), bench.effects_of("other")), (1, 6), "d2 and the other deployment go on");
    assert_eq!(bench.engine.accounts().pending, 2);
    bench.run_to(30);
    assert_eq!(bench.transitions().last(), Some(&(TransitionKind::Released, "d1".into())));
    assert_eq!((bench.effects_of("d"), bench.engine.accounts().pending), (3, 0));
    let kinds: Vec<_> =
        bench.turns.iter().flat_map(|t| &t.commits).flat_map(|c| &c.journal).map(|row| row.kind).collect();
    for kind in ["quarantined", "released"] {
        assert_eq!(kinds.iter().filter(|found| **found == kind).count(), 1, "{kinds:?}");
    }
}

#[test]
fn two_traps_and_a_success_hold_nobody() {
    let mut bench = bench(many());
    for round in 0..5 {
        bench.hear(round * 600, 1, 100.0).hear(round * 600 + 1, 1, 100.0).hear(round * 600 + 2, 1, 1.0);
    }
    assert_eq!(bench.transitions(), []);
}

#[test]
fn five_dead_letters_in_a_minute_hold_a_key_and_four_do_not() {
    let mut bench = bench(many());
    for n in 0..4 {
        bench.hear(n, 1, 50.0);
    }
    assert_eq!(bench.transitions(), []);
    bench.hear(4, 1, 50.0);
    assert_eq!(bench.transitions(), [(TransitionKind::Quarantined, "d1".into())]);
}

#[test]
fn a_probe_that_fails_makes_the_next_wait_longer() {
    let mut bench = bench(many());
    for _ in 0..8 {
        bench.hear(0, 1, 100.0);
    }
    bench.run_to(10_000);
    let held: Vec<_> = bench.turns.iter().flat_map(|t| &t.transitions).map(|t| t.probe_at.expect("held")).collect();
    assert_eq!(held.len(), 6, "three stops, then five probes");
    let waits: Vec<_> = held.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    assert!(waits.windows(2).all(|pair| pair[1].0 >= pair[0].0 * 3 / 2), "{waits:?}");
    assert_eq!(bench.engine.accounts().dead_lettered, 8);
}

/// After its time the next event is itself the probe: a key that hears nothing is not held for ever.
#[test]
fn an_event_that_comes_after_the_back_off_is_the_probe() {
    let mut bench = bench(many());
    bench.hear(0, 1, 100.0).hear(1, 1, 100.0).hear(2, 1, 100.0).hear(100, 1, 1.0);
    assert_eq!(bench.transitions().last(), Some(&(TransitionKind::Released, "d1".into())));
    assert_eq!((bench.effects_of("d"), bench.engine.accounts().pending), (1, 0));
}

#[test]
fn events_wait_up_to_the_limit_and_one_past_it_is_dead_lettered() {
    let mut bench = bench(many());
    bench.hear(0, 1, 100.0).hear(0, 1, 100.0).hear(0, 1, 100.0);
    for _ in 0..limits::PENDING_PER_KEY {
        bench.hear(1, 1, 1.0);
    }
    assert_eq!(bench.letters(), ["trap"; 3]);
    bench.hear(1, 1, 1.0);
    assert_eq!(bench.letters(), ["trap", "trap", "trap", "quarantined"]);
    let cases = bench.cases();
    assert_eq!((cases[0].devices.len(), cases[0].devices_left_out), (8, 0));
    // It never ran: its event is all that is kept of it.
    assert_eq!((cases[3].devices.len(), cases[3].twins.len(), cases[3].devices_left_out), (0, 0, 8));
    assert_eq!(&*cases[3].event.key, "d1");
    assert_eq!((bench.engine.accounts().overflowed, bench.engine.accounts().pending), (1, 1_000));
    bench.run_to(100);
    assert_eq!(bench.effects_of("d"), limits::PENDING_PER_KEY);
}

#[test]
fn what_waits_of_a_deployment_has_a_limit_of_its_own() {
    fn never(_: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
        Err(Failure::Transient("not now".into()))
    }
    let keys = u32::try_from(limits::PENDING_PER_DEPLOYMENT / limits::PENDING_PER_KEY).expect("small") + 1;
    let mut spec = deployment("d", vec![each_reading()]);
    spec.roles[0].members = (1..=keys).map(DeviceNo).collect();
    let devices = (1..=keys).map(|number| device(number, &format!("d{number}"), "hall"));
    let setup = Setup { devices: Arc::new(Devices::new(devices)), ..setup(1, vec![(spec, never)]) };
    let mut engine = Engine::new(setup, Persistence::DecisionsOnly).expect("a setup");
    let mut number = 0;
    let mut hear = |device: u32| {
        number += 1;
        let input = Input { id: format!("line:{number}").into(), ..input_of(reading(DeviceNo(device), 1.0)) };
        engine.take(&input, tenth(0));
        (engine.accounts().pending, engine.accounts().overflowed)
    };
    let full = u64::try_from(limits::PENDING_PER_DEPLOYMENT).expect("small");
    for n in 0..u32::try_from(full).expect("small") {
        hear(n % keys + 1);
    }
    assert_eq!(hear(1), (full, 1), "no key has its own limit's worth");
}

#[test]
fn a_deployment_stops_when_five_of_its_keys_are_held_and_goes_on_after_its_probe() {
    let mut bench = bench(many());
    for device in 1..=4 {
        bench.hear(0, device, 100.0).hear(0, device, 100.0).hear(0, device, 100.0);
    }
    bench.hear(1, 8, 1.0);
    assert_eq!(bench.effects_of("d"), 1, "four held keys stop nothing");
    bench.hear(2, 5, 100.0).hear(2, 5, 100.0).hear(2, 5, 100.0);
    assert_eq!(bench.transitions().last(), Some(&(TransitionKind::Stopped, String::new())));
    bench.hear(3, 8, 2.0).hear(3, 7, 2.0).hear(3, 1, 3.0);
    assert_eq!((bench.effects_of("d"), bench.engine.accounts().pending), (1, 3));
    assert_eq!(bench.effects_of("other"), 19, "others go on");
    bench.run_to(200);
    let resumed = bench.transitions().iter().position(|t| t.0 == TransitionKind::Resumed).expect("it goes on");
    assert_eq!(bench.transitions()[resumed + 1..], [(TransitionKind::Released, "d1".into())]);
    assert_eq!((bench.effects_of("d"), bench.engine.accounts().pending), (4, 0));
}

#[test]
fn keys_held_long_apart_stop_no_deployment() {
    let mut bench = bench(many());
    for device in 1..=5 {
        let at = i64::from(device) * 200;
        bench.hear(at, device, 100.0).hear(at, device, 100.0).hear(at, device, 100.0);
    }
    assert!(bench.transitions().iter().all(|t| t.0 == TransitionKind::Quarantined), "{:?}", bench.transitions());
}

#[test]
fn a_rule_that_cannot_work_with_its_settings_stops_its_deployment_and_new_settings_are_tried_at_once() {
    fn hopeless(_: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
        if host.settings() == "{}" { Err(Failure::Configuration("no zone".into())) } else { Ok(Vec::new()) }
    }
    let mut bench = bench(vec![(members("d"), hopeless)]);
    bench.hear(0, 1, 1.0).hear(1, 2, 1.0);
    assert_eq!(bench.transitions(), [(TransitionKind::Stopped, String::new())]);
    assert_eq!(bench.engine.accounts().pending, 1);
    let changed = Deployment { settings: "{\"zone\":\"UTC\"}".into(), ..members("d") };
    bench.engine.reconfigure(eight(1, vec![(changed, hopeless)]), "switch".into(), tenth(2)).expect("a setup");
    bench.run_to(2);
    assert_eq!(bench.transitions().last(), Some(&(TransitionKind::Resumed, String::new())));
    assert_eq!(bench.engine.accounts().pending, 0);
}

#[test]
fn a_mended_package_is_tried_at_once_after_a_restart() {
    let mut bench = bench(many());
    bench.hear(0, 1, 100.0).hear(0, 1, 100.0).hear(0, 1, 100.0).hear(1, 1, 100.0);
    let mut mended = many();
    mended[0].0.package.digest = PackageDigest([8; 32]);
    mended[0].1 = tell;
    bench.crash_into(eight(1, mended));
    let input = bench.input(started(), None);
    bench.engine.take(&input, tenth(2));
    bench.run_to(3);
    assert_eq!(bench.transitions().last(), Some(&(TransitionKind::Released, "d1".into())));
    assert_eq!(bench.engine.accounts().pending, 0);
}

/// Feeds a storm of failures in turns of `batch`, stopping at the given inputs.
fn storm(batch: usize, crashes: &[usize]) -> Bench {
    let mut bench = bench(many());
    for n in 0..600_usize {
        let device = u32::try_from(n % 8).expect("small") + 1;
        let bad = n % 40 < 24 && device < 7;
        let input = bench.input(reading(DeviceNo(device), if bad { 100.0 } else { 1.0 }), None);
        bench.engine.take(&input, tenth(i64::try_from(n).expect("small")));
        if n % batch == 0 || crashes.contains(&n) {
            bench.collect();
        }
        if crashes.contains(&n) {
            bench.crash_into(eight(1, many()));
        }
    }
    bench.run_to(20_000);
    bench
}

/// Everything that was decided, held and counted.
fn outcome(bench: &Bench) -> (String, Vec<(TransitionKind, String)>, crate::Accounts) {
    let mut digest = crate::digest::RunDigest::default();
    bench.decisions.iter().for_each(|decision| digest.add(decision));
    (digest.finish(), bench.transitions(), bench.engine.accounts())
}

#[test]
fn holds_are_the_same_whatever_the_turns_and_after_any_crash() {
    let alone = outcome(&storm(1, &[]));
    for kind in
        [TransitionKind::Quarantined, TransitionKind::Released, TransitionKind::Stopped, TransitionKind::Resumed]
    {
        assert!(alone.1.iter().any(|t| t.0 == kind), "the storm holds and releases: {:?}", alone.1);
    }
    assert_eq!(outcome(&storm(7, &[])), alone);
    assert_eq!(outcome(&storm(256, &[])), alone);
    assert_eq!(outcome(&storm(1, &[30, 31, 77, 150, 299, 300, 471])), alone);
}

#[test]
fn a_replay_holds_and_releases_at_the_same_records() {
    let recorded = super::exact::journal(&storm(7, &[]), 0);
    let mut exact = crate::Exact::new(0, eight(1, many())).expect("a setup");
    let decisions = super::exact::feed(&mut exact, &recorded.rows).unwrap_or_else(|difference| panic!("{difference}"));
    assert_eq!(decisions, recorded.decisions);
}

#[test]
fn steps_that_waited_keep_their_order_over_a_crash() {
    fn not_yet(event: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
        if event.received_at < tenth(100) { Err(Failure::Transient("not now".into())) } else { tell(event, host) }
    }
    let mut bench = bench(vec![(members("d"), not_yet)]);
    for n in 0..3 {
        bench.hear(n, 1, 1.0);
    }
    // The first is tried again and goes back in front of the others.
    bench.run_to(50);
    bench.crash_into(eight(1, vec![(members("d"), not_yet)]));
    bench.run_to(2_000);
    let told: Vec<_> = bench.decisions.iter().filter(|d| d.effect.is_some()).map(|d| d.at).collect();
    assert_eq!(told, [tenth(0), tenth(1), tenth(2)]);
}

/// Reads a state value and a twin, and traps where both say so.
fn looks_around(event: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    let Cause::Observation(observation) = &event.cause else { return Ok(Vec::new()) };
    let seen = host.get("seen").and_then(|value| value.as_f64()).unwrap_or_default();
    host.set("seen", Value::Number(seen + 1.0), None).expect("room");
    let neighbour = host.last("d2", "temperature").and_then(|known| known.value.as_f64());
    match (&observation.readings[0].value, neighbour) {
        (Value::Number(n), Some(other)) if *n > 50.0 => {
            Err(Failure::Stopped(Stop::Trap, format!("seen {seen}, {} beside {other}", host.settings())))
        }
        _ => Ok(Vec::new()),
    }
}

#[test]
fn a_dead_letter_holds_all_that_is_needed_to_fail_the_same_way_elsewhere() {
    let mut spec = members("d");
    spec.settings = "{\"limit\":8}".into();
    let mut bench = bench(vec![(spec, looks_around)]);
    bench.hear(0, 1, 1.0).hear(1, 2, 7.5).hear(2, 1, 2.0).hear(3, 1, 60.0);
    let letter =
        bench.turns.iter().flat_map(|t| &t.commits).flat_map(|c| &c.dead_letters).next().expect("a letter").clone();
    let case: crate::Case = crate::rows::decode("dead letter", &letter.case).expect("a case");
    // As a file in somebody's hands.
    let text = serde_json::to_string(&case).expect("JSON");
    let read: crate::Case = serde_json::from_str(&text).expect("the same case");
    assert_eq!(read, case);
    let program = |rule: Rule| Arc::new(Native(rule)) as Arc<dyn Program>;
    let again = read.run(&program(looks_around)).expect("it runs");
    let failure = again.result.expect_err("it fails again");
    assert_eq!((failure.reason(), failure.message()), ("trap", "seen 2, {\"limit\":8} beside 7.5"));
    assert_eq!((&*letter.reason, &*letter.message), (failure.reason(), failure.message()));
    assert_eq!(again.writes, BTreeMap::new(), "a failed step writes nothing");
    let mended = read.run(&program(tell)).expect("it runs");
    assert_eq!(mended.result.map(|proposals| proposals.len()), Ok(1));
    let newer = crate::Case { case: crate::CASE_VERSION + 1, ..read };
    assert!(newer.run(&program(tell)).is_err());
}

fn over(over: bool) -> Body {
    Body::Host(HostEvent::Budget { deployment: "d".into(), over })
}

impl Bench {
    fn tell_budget(&mut self, tenths: i64, is_over: bool) -> &mut Self {
        let input = self.input(over(is_over), None);
        self.engine.take(&input, tenth(tenths));
        self.collect();
        self
    }
}

#[test]
fn a_deployment_over_its_budget_waits_in_order_and_others_do_not() {
    let mut bench = bench(many());
    bench.tell_budget(0, true).hear(1, 1, 1.0).hear(2, 2, 2.0);
    assert_eq!((bench.effects_of("d"), bench.effects_of("other")), (0, 2));
    bench.tell_budget(50, false).run_to(51);
    assert_eq!((bench.effects_of("d"), bench.engine.accounts().pending), (2, 0));
    bench.hear(700, 1, 1.0).run_to(800);
    assert_eq!((bench.effects_of("d"), bench.transitions()), (3, vec![]), "it has made up for it");
}

#[test]
fn a_deployment_over_its_budget_for_a_minute_is_stopped_and_probed() {
    let mut bench = bench(many());
    bench.tell_budget(0, true).hear(1, 1, 1.0).hear(1, 1, 2.0).run_to(599);
    assert_eq!(bench.transitions(), []);
    bench.run_to(601);
    let stopped = bench.turns.iter().flat_map(|turn| &turn.transitions).next().expect("it is stopped");
    assert_eq!((stopped.kind, stopped.reason.as_deref()), (TransitionKind::Stopped, Some("over-budget")));
    bench.run_to(620);
    assert_eq!(bench.transitions().last(), Some(&(TransitionKind::Resumed, String::new())));
    assert_eq!(
        (bench.effects_of("d"), bench.engine.accounts().pending),
        (1, 1),
        "the probe ran, the rest is over it yet"
    );
}

#[test]
fn budgets_are_kept_over_a_crash_and_forgotten_at_a_start() {
    let mut bench = bench(many());
    bench.tell_budget(0, true).hear(1, 1, 1.0);
    bench.crash_into(eight(1, many()));
    bench.hear(2, 1, 1.0);
    assert_eq!(bench.engine.accounts().pending, 2);
    let input = bench.input(started(), None);
    bench.engine.take(&input, tenth(3));
    bench.run_to(4);
    assert_eq!((bench.effects_of("d"), bench.engine.accounts().pending), (2, 0));
}

#[test]
fn a_case_holds_as_many_devices_as_its_limit_and_says_how_many_it_leaves_out() {
    for (count, left_out) in [(limits::CASE_DEVICES, 0), (limits::CASE_DEVICES + 1, 1)] {
        let count = u32::try_from(count).expect("small");
        let mut spec = deployment("d", vec![each_reading()]);
        spec.roles[0].members = (1..=count).map(DeviceNo).collect();
        let devices = (1..=count).map(|number| device(number, &format!("d{number}"), "hall"));
        let setup = Setup { devices: Arc::new(Devices::new(devices)), ..setup(1, vec![(spec, fragile)]) };
        let engine = Engine::new(setup, Persistence::Store).expect("a setup");
        let mut bench = Bench { engine, number: 0, decisions: Vec::new(), turns: Vec::new() };
        bench.hear(0, count, 100.0);
        let letter =
            bench.turns.iter().flat_map(|t| &t.commits).flat_map(|c| &c.dead_letters).next().expect("a letter");
        let case: crate::Case = crate::rows::decode("dead letter", &letter.case).expect("a case");
        assert_eq!((case.devices.len(), case.devices_left_out), (limits::CASE_DEVICES, left_out));
        assert_eq!(case.devices[0].number, DeviceNo(count), "the event's own device comes first");
    }
}

/// Keeps one more value as large as values may be, until it traps.
fn hoarding(event: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    let Cause::Observation(observation) = &event.cause else { return Ok(Vec::new()) };
    let n = observation.readings[0].value.as_f64().unwrap_or_default();
    if n >= 100.0 {
        return Err(Failure::Stopped(Stop::Trap, "boom".into()));
    }
    let value = Value::Bytes(vec![7; limits::STATE_VALUE_BYTES - 1_024].into());
    host.set(&format!("value-{n}"), value, None).expect("room");
    Ok(Vec::new())
}

#[test]
fn a_case_that_would_be_too_large_leaves_the_state_out_and_says_so() {
    let fitting = u32::try_from(limits::CASE_BYTES / limits::STATE_VALUE_BYTES).expect("small");
    for (count, left_out) in [(fitting, 0), (fitting + 1, fitting as usize + 1)] {
        let mut bench = bench(vec![(members("d"), hoarding as Rule)]);
        for n in 0..count {
            bench.hear(i64::from(n), 1, f64::from(n));
        }
        bench.hear(1_000, 1, 100.0);
        let letters = bench.turns.iter().flat_map(|turn| &turn.commits).flat_map(|commit| &commit.dead_letters);
        assert!(letters.map(|letter| letter.case.len()).all(|bytes| bytes <= limits::CASE_BYTES));
        let case = bench.cases().remove(0);
        assert_eq!((case.state.len(), case.state_left_out), (count as usize - left_out, left_out));
        assert_eq!((case.devices.len(), case.devices_left_out), (8, 0), "what fits is kept");
    }
}

/// Cannot do its work in the first minute.
fn hesitant(event: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    if event.received_at <= minute(1) { Err(Failure::Transient("not yet".into())) } else { Ok(Vec::new()) }
}

#[test]
fn as_many_waiting_steps_of_a_key_run_at_once_as_the_limit_says_and_the_rest_after_a_pause() {
    for left in [0, 1] {
        let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), hesitant)]);
        for _ in 0..limits::PENDING_AT_ONCE + left {
            let input = bench.input(reading(DeviceNo(1), 1.0), None);
            bench.engine.take(&input, minute(1));
        }
        let due = bench.engine.next_due().expect("a try");
        bench.engine.advance(due);
        bench.collect();
        assert_eq!(bench.engine.accounts().pending, left as u64);
        let after = bench.engine.next_due();
        assert_eq!(after, (left > 0).then_some(due + limits::PENDING_PAUSE));
        bench.engine.advance(due + limits::PENDING_PAUSE);
        bench.collect();
        assert_eq!(bench.engine.accounts().pending, 0);
    }
}
