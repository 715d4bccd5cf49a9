//! Commands and notifications on their way through the gates and beyond.

use model::outgoing::OutgoingBody;

use super::*;

pub(super) fn command_rule(event: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    let Cause::Observation(observation) = &event.cause else { return Ok(Vec::new()) };
    let Value::Number(temperature) = observation.readings[0].value else { return Ok(Vec::new()) };
    let target = if temperature > 50.0 { Target::Device("oven".into()) } else { Target::Role("probe".into()) };
    let action = if temperature > 40.0 && temperature <= 50.0 { "off" } else { "on" };
    let priority = (temperature > 30.0 && temperature <= 40.0).then_some(10);
    let command = Command { priority, ..Command::new(target, action) };
    Ok(vec![propose(Effect::Command(command))])
}

#[test]
fn a_command_needs_a_granted_action_on_a_member_and_no_gate_that_is_missing() {
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), command_rule)]);
    bench.live(1, 20.0).live(2, 35.0).live(3, 45.0).live(4, 55.0);
    assert_eq!(verdicts(&bench), (["no-priority-array", "not-granted", "not-granted"].map(String::from).to_vec(), 1));
}

#[test]
fn a_command_is_confirmed_by_what_the_device_reports() {
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), command_rule)]);
    bench.live(1, 20.0);
    let effect =
        bench.turns.iter().flat_map(|t| &t.commits).flat_map(|c| &c.outbox).next().expect("a command").outgoing.effect;
    let settled =
        Settled { effect, sink: "mqtt".into(), outcome: Outcome::Accepted, reason: None, attempt: 1, due: None };
    bench.take(Body::Settled(settled), 1, None);
    let switch = Reading {
        capability: capability("switch"),
        value: Value::Boolean(true),
        unit: None,
        previous: None,
        quality: model::Quality::Good,
        attributes: Vec::new(),
    };
    bench.take(Body::Observation { device: DeviceNo(1), freshness: Freshness::Live, readings: vec![switch] }, 1, None);
    assert_eq!(bench.engine.accounts().confirmed, 1);
}

#[test]
fn a_command_that_nobody_confirms_is_sent_again_and_then_fails() {
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), command_rule)]);
    bench.live(1, 20.0);
    for at in [1, 2] {
        let rows: Vec<_> = bench.turns.iter().flat_map(|t| &t.commits).flat_map(|c| &c.outbox).collect();
        assert_eq!(rows.len(), usize::try_from(at).expect("small"), "the same effect each time");
        assert_eq!(rows[0].outgoing.effect, rows[rows.len() - 1].outgoing.effect);
        let settled = Settled {
            effect: rows[0].outgoing.effect,
            sink: "mqtt".into(),
            outcome: Outcome::Accepted,
            reason: None,
            attempt: 1,
            due: None,
        };
        bench.take(Body::Settled(settled), at, None).advance(at + 1);
        let journal = bench.turns.iter().flat_map(|t| &t.commits).flat_map(|c| &c.journal);
        let unconfirmed = journal.filter(|row| row.kind == "unconfirmed").count();
        assert_eq!(unconfirmed, usize::try_from(at).expect("small"), "what the clock decides is in the journal");
    }
    assert_eq!(bench.engine.accounts().failed, 1);
}

/// A blind that tells nobody where it is: that the broker took the command is all that can be known.
#[test]
fn a_command_whose_effect_is_never_reported_ends_when_it_was_taken() {
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), command_rule)]);
    let mut setup = setup(1, vec![(deployment("d", vec![each_reading()]), command_rule)]);
    setup.devices = Arc::new(Devices::new([Device { source: None, ..device(1, "fridge", "kitchen") }]));
    bench.engine.reconfigure(setup, "switch".into(), minute(0)).expect("a setup");
    bench.live(1, 20.0);
    let effect =
        bench.turns.iter().flat_map(|t| &t.commits).flat_map(|c| &c.outbox).next().expect("a command").outgoing.effect;
    let settled =
        Settled { effect, sink: "mqtt".into(), outcome: Outcome::Accepted, reason: None, attempt: 1, due: None };
    bench.take(Body::Settled(settled), 1, None).advance(60);
    let accounts = bench.engine.accounts();
    assert_eq!((accounts.accepted, accounts.failed, accounts.waiting), (1, 0, 0));
}

/// Where the operator names a topic for it, an action that the device does not declare leaves as well.
#[test]
fn an_action_that_is_not_declared_leaves_only_where_there_is_a_way_for_it() {
    fn dim(event: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
        let mut proposals = command_rule(event, host)?;
        for proposal in &mut proposals {
            if let Effect::Command(command) = &mut proposal.effect {
                command.action = "dim".into();
            }
        }
        Ok(proposals)
    }
    let deployments = || {
        let mut deployment = deployment("d", vec![each_reading()]);
        deployment.grants.commands[0].action = "dim".into();
        vec![(deployment, dim as Rule)]
    };
    let mut bench = Bench::new(1, deployments());
    bench.live(1, 20.0);
    assert_eq!(verdicts(&bench), (vec!["no-such-action".to_owned()], 0));
    let mut fridge = device(1, "fridge", "kitchen");
    let any = Action {
        sets: None,
        momentary: false,
        idempotent: false,
        expires: model::limits::COMMAND_EXPIRY,
        topic: "any/fridge".into(),
        payload: "{{ command }}".into(),
    };
    fridge.commands.insert(model::device::ANY_ACTION.into(), any);
    let mut setup = setup(1, deployments());
    setup.devices = Arc::new(Devices::new([fridge]));
    bench.engine.reconfigure(setup, "switch".into(), minute(1)).expect("a setup");
    bench.live(2, 20.0);
    assert_eq!(verdicts(&bench), (vec!["no-such-action".to_owned()], 1));
    let row = bench.turns.iter().flat_map(|t| &t.commits).flat_map(|c| &c.outbox).next().expect("a command");
    let OutgoingBody::Command { action, momentary, .. } = &row.outgoing.body else { panic!("a command") };
    assert_eq!((&**action, *momentary), ("dim", false));
}

#[test]
fn an_attempt_that_is_followed_by_another_keeps_its_number_in_the_outbox() {
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), command_rule)]);
    bench.live(1, 20.0);
    let effect =
        bench.turns.iter().flat_map(|t| &t.commits).flat_map(|c| &c.outbox).next().expect("a command").outgoing.effect;
    let tried = |effect| Settled {
        effect,
        sink: "mqtt".into(),
        outcome: Outcome::Other(model::input::RETRYING.into()),
        reason: Some("busy".into()),
        attempt: 3,
        due: Some(minute(7)),
    };
    bench.take(Body::Settled(tried(effect)), 1, None).take(Body::Settled(tried(model::Id([9; 16]))), 1, None);
    let retried: Vec<_> = bench.turns.iter().flat_map(|t| &t.commits).flat_map(|c| &c.retried).collect();
    assert_eq!(retried.len(), 1, "one that nobody waits for is not kept");
    assert_eq!((retried[0].effect, retried[0].attempts, retried[0].due), (effect, 3, minute(7)));
    assert_eq!(bench.engine.accounts().waiting, 1);
}

#[test]
fn a_newer_command_supersedes_one_that_has_not_arrived() {
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), command_rule)]);
    bench.live(1, 20.0).live(2, 21.0);
    let accounts = bench.engine.accounts();
    assert_eq!((accounts.superseded, accounts.waiting), (1, 1));
}

#[test]
fn a_command_that_is_superseded_in_its_own_turn_never_reaches_the_outbox() {
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), command_rule)]);
    for at in [1, 2] {
        let input = bench.input(reading(DeviceNo(1), 19.0 + at as f64), Some(minute(at)));
        bench.engine.take(&input, minute(at));
    }
    bench.collect();
    let commit = &bench.turns[0].commits[0];
    assert_eq!((commit.outbox.len(), commit.settled.len()), (1, 1));
    assert_ne!(commit.outbox[0].outgoing.effect, commit.settled[0].0, "the second one waits, the first one is done");
    assert_eq!(bench.engine.accounts().waiting, 1);
}

#[test]
fn marketing_is_refused_until_consent_exists() {
    fn offer(event: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
        if !matches!(event.cause, Cause::Observation(_)) {
            return Ok(Vec::new());
        }
        Ok(vec![propose(Effect::Notification(Notification {
            template: "offer".into(),
            to: Audience::Group("staff".into()),
            parameters: Vec::new(),
            urgency: Urgency::Normal,
            dedupe: None,
            not_before: None,
            expires_at: None,
            attributes: Vec::new(),
        }))])
    }
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), offer)]);
    bench.live(1, 20.0);
    assert_eq!(verdicts(&bench), (vec!["no-consent".to_owned()], 0));
    let mut service = deployment("d", vec![each_reading()]);
    service.grants.notifications[0].class = Class::Service;
    let mut bench = Bench::new(1, vec![(service, offer)]);
    bench.live(1, 20.0);
    assert_eq!(verdicts(&bench), (Vec::new(), 1));
}

#[test]
fn rules_that_wake_each_other_stop_at_the_causal_limits() {
    let echo = |name: &str| deployment(name, vec![Kind::Custom { name: "told".into() }, each_reading()]);
    let mut bench = Bench::new(1, vec![(echo("a"), tell), (echo("b"), tell)]);
    bench.live(1, 20.0);
    let (refused, allowed) = verdicts(&bench);
    assert!(allowed <= model::limits::EFFECTS_PER_ROOT as usize, "{allowed}");
    assert!(refused.iter().any(|reason| reason == "too-many-effects" || reason == "too-deep"));
}

/// Presses the toggle at each observation.
fn toggles(event: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    let Cause::Observation(_) = &event.cause else { return Ok(Vec::new()) };
    Ok(vec![propose(Effect::Command(Command::new(Target::Role("probe".into()), "toggle")))])
}

/// A bench whose probe is toggled, with this change to the action.
fn toggled(change: fn(&mut Action)) -> Bench {
    let mut spec = deployment("d", vec![each_reading()]);
    spec.grants.commands[0].action = "toggle".into();
    let mut probe = device(1, "probe", "home");
    change(probe.commands.get_mut("toggle").expect("it has one"));
    let mut setup = setup(1, vec![(spec, toggles)]);
    setup.devices = Arc::new(Devices::new([probe]));
    let mut bench = Bench::of(setup);
    bench.live(1, 20.0);
    bench
}

fn last_row(bench: &Bench) -> store::OutboxRow {
    bench.turns.iter().flat_map(|t| &t.commits).flat_map(|c| &c.outbox).last().cloned().expect("a command")
}

#[test]
fn the_profile_says_how_long_a_command_waits_and_whether_it_may_be_sent_twice() {
    let row = last_row(&toggled(|_| ()));
    assert_eq!(row.outgoing.expires_at, Some(row.outgoing.committed_at + model::limits::COMMAND_EXPIRY));
    assert!(matches!(row.outgoing.body, OutgoingBody::Command { momentary: true, .. }));
    let row = last_row(&toggled(|toggle| (toggle.idempotent, toggle.expires) = (true, Span::from_secs(7))));
    assert_eq!(row.outgoing.expires_at, Some(row.outgoing.committed_at + Span::from_secs(7)));
    assert!(matches!(row.outgoing.body, OutgoingBody::Command { momentary: false, .. }));
}

#[test]
fn a_momentary_command_is_marked_before_it_is_sent() {
    let mut bench = toggled(|_| ());
    let first = last_row(&bench);
    assert_eq!(first.attempts, 0);
    let sending = Outcome::Other("sending".into());
    let marked = Settled {
        effect: first.outgoing.effect,
        sink: "mqtt".into(),
        outcome: sending,
        reason: None,
        attempt: 1,
        due: None,
    };
    bench.take(Body::Settled(marked), 1, None);
    let second = last_row(&bench);
    assert_eq!((second.attempts, second.outgoing.effect), (1, first.outgoing.effect));
    assert_eq!(bench.engine.accounts().waiting, 1);
}

#[test]
fn a_command_that_expired_or_was_refused_by_its_sink_is_counted_and_told_once() {
    for outcome in [Outcome::Expired, Outcome::Refused, Outcome::Failed] {
        let mut spec = deployment("d", vec![each_reading()]);
        spec.completions = vec![Name::from(outcome.word())];
        let mut bench = Bench::new(1, vec![(spec, command_rule)]);
        bench.live(1, 20.0);
        let sent = bench.turns.iter().flat_map(|t| &t.commits).flat_map(|c| &c.outbox).next().expect("a command");
        let settled = Settled {
            effect: sent.outgoing.effect,
            sink: "mqtt".into(),
            outcome: outcome.clone(),
            reason: None,
            attempt: 1,
            due: None,
        };
        bench.take(Body::Settled(settled.clone()), 2, None).take(Body::Settled(settled), 3, None);
        let accounts = bench.engine.accounts();
        assert_eq!((accounts.expired + accounts.refused + accounts.failed, accounts.waiting), (1, 0));
        let told = bench.decisions.iter().filter(|decision| &*decision.cause.kind == "completion");
        let told: Vec<&str> = told.map(|decision| &*decision.cause.name).collect();
        assert_eq!(told, [outcome.word()]);
    }
}
