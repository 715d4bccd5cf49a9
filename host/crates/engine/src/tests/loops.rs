//! Loops: no chain of causes grows without end, not even one that runs through a broker, and many roots are no chain.

use model::event::Message;
use model::limits;

use super::*;

/// Publishes to the topic that it listens to: with a broker between, each message causes the next.
fn republishes(event: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    match &event.cause {
        Cause::Message(message) => Ok(vec![propose(Effect::Publish(message.clone()))]),
        _ => Ok(Vec::new()),
    }
}

fn quiet(_: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    Ok(Vec::new())
}

fn message(topic: &str) -> Message {
    Message {
        topic: topic.into(),
        payload: Box::from(*b"{}"),
        content_type: None,
        retained: false,
        attributes: Vec::new(),
    }
}

fn republishing(name: &str) -> Deployment {
    Deployment {
        key: KeyKind::One,
        ..deployment(name, vec![Kind::Message { filter: "out/+".into(), key_from: None, snapshot: false }])
    }
}

/// Plays the broker: gives what was published back, each message `wait` milliseconds after the one before.
fn play(partitions: u16, wait: i64, crash: bool) -> (usize, Vec<String>) {
    let deployments = || vec![(republishing("a"), republishes as Rule), (republishing("b"), quiet as Rule)];
    let mut bench = Bench::new(partitions, deployments());
    let mut sent = 0;
    let mut published = 1;
    for n in 0..60_i64 {
        if sent == published {
            break;
        }
        sent += 1;
        let input = bench.input(Body::Message(message("out/x")), None);
        bench.engine.take(&input, Instant(1_000_000_000 + n * wait * 1_000));
        bench.collect();
        published = 1 + bench.turns.iter().flat_map(|t| &t.commits).map(|commit| commit.outbox.len()).sum::<usize>();
        if crash {
            bench.crash(partitions, deployments());
        }
    }
    (sent, verdicts(&bench).0)
}

#[test]
fn a_loop_over_a_broker_ends_at_the_causal_depth() {
    let (sent, refused) = play(1, 100, false);
    assert_eq!(refused, ["too-deep"]);
    // Each round is two deeper: the publication, and the message that follows from it.
    assert_eq!(sent, usize::from(limits::CAUSAL_DEPTH) / 2 + 1);
    assert_eq!(play(16, 100, false), (sent, refused.clone()), "rules that live in another partition are told");
    assert_eq!(play(3, 100, true), (sent, refused), "it is kept over a crash");
}

#[test]
fn a_message_that_comes_long_after_what_was_published_is_a_root() {
    let within = i64::try_from(limits::PUBLISHED_WITHIN.0 / 1_000).expect("some seconds");
    assert_eq!(play(1, within, false).1, ["too-deep"]);
    assert_eq!(play(1, within + 1, false), (60, Vec::new()));
}

#[test]
fn a_topic_lends_its_depth_to_its_own_messages_alone() {
    let mut bench = Bench::new(1, vec![(republishing("a"), republishes)]);
    for n in 0..40 {
        let input = bench.input(Body::Message(message(&format!("out/{n}"))), None);
        bench.engine.take(&input, Instant(1_000_000_000 + n));
        bench.collect();
    }
    assert_eq!(verdicts(&bench), (Vec::new(), 40), "forty topics, none of which came back");
}

#[test]
fn each_key_of_a_schedule_is_a_root_of_its_own() {
    let keys = limits::EFFECTS_PER_ROOT + 1;
    let schedule = Schedule {
        cron: "* * * * *".into(),
        zone: "UTC".into(),
        overdue: Overdue::Fire,
        spring: Spring::After,
        autumn: None,
    };
    let mut spec = deployment("d", vec![Kind::Schedule(schedule)]);
    spec.roles[0].members = (1..=keys).map(DeviceNo).collect();
    let devices = (1..=keys).map(|number| device(number, &format!("d{number}"), "hall"));
    let setup = Setup { devices: Arc::new(Devices::new(devices)), ..setup(1, vec![(spec, tell)]) };
    let engine = Engine::new(setup, Persistence::Store).expect("a setup");
    let mut bench = Bench { engine, number: 0, decisions: Vec::new(), turns: Vec::new() };
    bench.take(started(), 1, None).take(Body::Host(HostEvent::CaughtUp), 1, None).advance(2);
    let (refused, allowed) = verdicts(&bench);
    assert_eq!((refused.len(), allowed), (0, usize::try_from(keys).expect("small")));
}

#[test]
fn cycles_are_found_before_anything_runs_over_emissions_topics_and_devices() {
    let named = |bench: &Bench| bench.engine.cycles().iter().map(ToString::to_string).collect::<Vec<_>>();
    // A rule that wakes itself by what it emits, and two that do so together over a topic and a device.
    let own = deployment("a", vec![Kind::Custom { name: "told".into() }]);
    let bench = Bench::new(4, vec![(own, tell as Rule)]);
    assert_eq!(named(&bench), ["a -(told)-> a"]);
    let mut publishing =
        deployment("a", vec![Kind::Reading { capability: Some(capability("switch")), snapshot: false, late: false }]);
    publishing.grants.emit.clear();
    publishing.grants.commands.clear();
    let mut commanding = republishing("b");
    commanding.grants.emit.clear();
    commanding.grants.publish.clear();
    let bench = Bench::new(4, vec![(publishing.clone(), tell as Rule), (commanding.clone(), tell)]);
    assert_eq!(named(&bench), ["a -(out/+)-> b -(switch)-> a"]);
    // That one of them may also wake itself hides nothing.
    let mut both = commanding.clone();
    both.grants.emit = vec!["told".into()];
    both.triggers.extend(deployment("x", vec![Kind::Custom { name: "told".into() }]).triggers);
    let mut selfish = publishing.clone();
    selfish.grants.emit = vec!["own".into()];
    selfish.triggers.extend(deployment("x", vec![Kind::Custom { name: "own".into() }]).triggers);
    let bench = Bench::new(4, vec![(selfish, tell as Rule), (both, tell)]);
    assert_eq!(named(&bench), ["a -(own)-> a", "a -(out/+)-> b -(switch)-> a", "b -(told)-> b"]);
    // Looking at another capability than the one that is commanded is no loop.
    publishing.triggers[0].kind =
        Kind::Reading { capability: Some(capability("temperature")), snapshot: false, late: false };
    let bench = Bench::new(4, vec![(publishing, tell as Rule), (commanding, tell)]);
    assert_eq!(named(&bench), Vec::<String>::new());
}
