//! What an edit, an upgrade and a restart leave as it was: what others wait for, timers that are set, schedules.

use model::window::{Aggregate, By, Frame, Window};

use super::*;

/// How another set is put in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit {
    None,
    /// While the host runs.
    Live,
    /// By a restart that takes no time.
    Restart,
}

impl Bench {
    fn edit_by(&mut self, edit: Edit, deployments: Vec<(Deployment, Rule)>, at: i64) -> &mut Self {
        match edit {
            Edit::None => self,
            Edit::Live => {
                let id = Name::from(format!("edit:{at}"));
                self.engine.reconfigure(setup(1, deployments), id, minute(at)).expect("a setup");
                self.advance(at)
            }
            Edit::Restart => {
                self.advance(at).crash(1, deployments);
                let started = started_after(Some(minute(at)));
                self.take(started, at, None).take(Body::Host(HostEvent::CaughtUp), at, None)
            }
        }
    }
}

fn publish(topic: &str) -> Proposal {
    propose(Effect::Publish(model::event::Message {
        topic: format!("out/{topic}").into(),
        payload: Box::default(),
        content_type: None,
        retained: false,
        attributes: Vec::new(),
    }))
}

fn published(bench: &Bench) -> Vec<(String, i64)> {
    let topic = |decision: &Decision| match &decision.effect.as_ref()?.effect {
        Effect::Publish(message) => Some((message.topic.strip_prefix("out/")?.to_owned(), decision.at.0 / 60_000_000)),
        _ => None,
    };
    bench.decisions.iter().filter_map(topic).collect()
}

/// Sets a timer for twenty minutes after a reading above 50.
fn reminds(event: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    let hot =
        |observation: &model::event::Observation| matches!(observation.readings[0].value, Value::Number(n) if n > 50.0);
    match &event.cause {
        Cause::Observation(observation) if hot(observation) => Ok(vec![propose(Effect::SetTimer(Timer {
            name: "later".into(),
            due: event.received_at + Span::from_mins(20),
            overdue: Overdue::Skip,
            payload: None,
            attributes: Vec::new(),
        }))]),
        Cause::Observation(_) => Ok(Vec::new()),
        _ => tell(event, host),
    }
}

fn says_settings(_: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    Ok(vec![publish(host.settings())])
}

/// Deployment `a`, which waits for all that there is to wait for, and `b`, which is edited.
fn both(settings: &str) -> Vec<(Deployment, Rule)> {
    let half_an_hour = |gap| held(Span::from_mins(30), None, gap);
    let window = Window {
        capability: capability("temperature"),
        aggregate: Aggregate::Mean,
        frame: Frame::Count { size: 4 },
        when: None,
        lateness: Span::ZERO,
        by: By::Device,
        snapshot: false,
    };
    let mut kinds: Vec<_> = [Gap::Continue, Gap::Pause, Gap::Reset].map(half_an_hour).into();
    kinds.push(Kind::Silence { duration: Span::from_mins(25) });
    kinds.push(Kind::Window(Box::new(window)));
    kinds.push(each_reading());
    let edited = Deployment { settings: settings.into(), ..deployment("b", vec![each_reading()]) };
    vec![(deployment("a", kinds), reminds as Rule), (edited, says_settings)]
}

#[test]
fn an_edit_or_restart_of_another_deployment_changes_nothing_that_one_waits_for() {
    let run = |edit| {
        let mut bench = Bench::new(1, both("1"));
        bench.live(10, 9.0).live(12, 60.0).live(15, 9.0);
        bench.edit_by(edit, both("2"), 20);
        bench.live(22, 9.0).advance(49).live(50, 5.0);
        let last = if edit == Edit::None { "1" } else { "2" };
        assert_eq!(published(&bench).last(), Some(&(last.to_owned(), 50)), "{edit:?} has edited the other one");
        let told = bench.decisions.into_iter().filter(|d| &*d.deployment == "a" && d.effect.is_some());
        let told = told.map(|d| (d.cause.name.to_string(), d.cause.phase, d.at.0 / 60_000_000));
        told.collect::<Vec<_>>()
    };
    let alone = run(Edit::None);
    let at = |name: &str| alone.iter().filter(|told| told.0 == name).map(|told| told.2).collect::<Vec<_>>();
    for hold in ["t0", "t1", "t2"] {
        assert_eq!(at(hold), [40, 50], "{hold} begins and ends");
    }
    assert_eq!((at("t3"), at("later")), (vec![47, 50], vec![32]), "silence and timer");
    assert_eq!(at("t4"), [22], "the window holds readings from before and after");
    for edit in [Edit::Live, Edit::Restart] {
        assert_eq!(run(edit), alone, "{edit:?}");
    }
}

/// The rule of this version: sets a timer at a reading, and says its version when that fires.
fn version(new: bool) -> Vec<(Deployment, Rule)> {
    fn old_rule(event: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
        match event.cause {
            Cause::Observation(_) => Ok(vec![propose(Effect::SetTimer(Timer {
                name: "later".into(),
                due: event.received_at + Span::from_mins(10),
                overdue: Overdue::FireWithin(Span::from_mins(30)),
                payload: None,
                attributes: Vec::new(),
            }))]),
            _ => Ok(vec![publish("old")]),
        }
    }
    fn new_rule(_: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
        Ok(vec![publish("new")])
    }
    let mut spec = deployment("d", vec![each_reading()]);
    if new {
        spec.package = PackageRef { version: "2.0.0".into(), digest: PackageDigest([8; 32]), ..spec.package };
    }
    vec![(spec, if new { new_rule } else { old_rule })]
}

#[test]
fn a_timer_fires_once_and_in_the_version_that_is_in_force_then() {
    for edit in [Edit::Live, Edit::Restart] {
        let mut bench = Bench::new(1, version(false));
        bench.live(1, 5.0).edit_by(edit, version(true), 5).advance(60);
        assert_eq!(published(&bench), [("new".to_owned(), 11)], "{edit:?}");
        assert_eq!(bench.engine.timers(), 0);
    }
    // It came due while the host was down for the upgrade.
    let mut bench = Bench::new(1, version(false));
    bench.live(1, 5.0).crash(1, version(true));
    bench.take(started_after(Some(minute(5))), 20, None).advance(60);
    assert_eq!(published(&bench), [("new".to_owned(), 11)]);
}

#[test]
fn a_step_that_waits_runs_once_and_in_the_version_that_is_in_force_then() {
    fn not_now(_: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
        Err(Failure::Transient("not now".into()))
    }
    for edit in [Edit::Live, Edit::Restart] {
        let old = (version(false).remove(0).0, not_now as Rule);
        let mut bench = Bench::new(1, vec![old]);
        bench.live(1, 5.0);
        assert_eq!(bench.engine.accounts().pending, 1);
        bench.edit_by(edit, version(true), 2).advance(60);
        assert_eq!(published(&bench), [("new".to_owned(), 1)], "{edit:?}");
        assert_eq!((bench.engine.accounts().pending, bench.engine.accounts().done), (0, 1), "{edit:?}");
    }
}

#[test]
fn a_schedule_comes_once_however_often_the_set_was_put_in_force() {
    let every_ten = |settings: i64| {
        let kind = Kind::Schedule(Schedule {
            cron: "*/10 * * * *".into(),
            zone: "UTC".into(),
            overdue: Overdue::Fire,
            spring: Spring::After,
            autumn: None,
        });
        let spec = Deployment { settings: settings.to_string().into(), ..deployment("d", vec![kind]) };
        vec![(spec, tell as Rule)]
    };
    let mut bench = Bench::new(1, every_ten(0));
    bench.take(started(), 1, None);
    for at in 2..=55 {
        // Some of them at the very minute at which it comes.
        bench.edit_by(if at % 3 == 0 { Edit::Restart } else { Edit::Live }, every_ten(at), at);
    }
    bench.check(&[10, 20, 30, 40, 50].map(|at| ("schedule", at)));
    assert_eq!(bench.engine.accounts().missed_schedules, 0);
}
