//! Readings whose value could not be read: the device has spoken, and nothing is known of what it meant.

use model::Quality;

use super::*;

fn unread_of(name: &str, value: Value) -> Body {
    let reading = Reading {
        capability: capability(name),
        value,
        unit: None,
        previous: None,
        quality: Quality::Bad,
        attributes: Vec::new(),
    };
    Body::Observation { device: DeviceNo(1), freshness: Freshness::Live, readings: vec![reading] }
}

impl Bench {
    fn unread(&mut self, at: i64) -> &mut Self {
        self.take(unread_of("temperature", Value::nothing()), at, Some(at))
    }
}

fn threshold(test: Test) -> Kind {
    Kind::Threshold { when: when(test), clear: None, snapshot: false, keep: false }
}

#[test]
fn no_band_is_entered_or_left_by_it() {
    let mut bench = Bench::one(threshold(Test::Above(8.0)));
    bench.unread(1).live(2, 9.0).unread(3).unread(4).live(5, 7.0);
    bench.check(&[("began", 2), ("ended", 5)]);
    // It differs from every value, and is none all the same.
    let mut bench = Bench::one(threshold(Test::NotEquals(Value::Number(9.0))));
    bench.unread(1).live(2, 9.0).unread(3);
    bench.check(&[]);
}

#[test]
fn a_change_is_seen_between_good_values_alone() {
    let capability = capability("temperature");
    let mut bench = Bench::one(Kind::Change { capability, from: None, to: None, deadband: None, snapshot: false });
    bench.live(1, 9.0).unread(2).live(3, 9.0).unread(4).live(5, 7.0);
    let told = bench.told().into_iter().map(|(_, at)| at).filter(|at| *at > 1).collect::<Vec<_>>();
    assert_eq!(told, [5]);
}

#[test]
fn a_hold_does_not_know_the_time_after_it() {
    let mut bench = Bench::one(held(Span::from_mins(30), None, Gap::Reset));
    bench.live(0, 9.0).unread(10).live(20, 9.0).advance(60);
    bench.check(&[("began", 50)]);
}

#[test]
fn its_device_is_not_silent() {
    let mut bench = Bench::one(Kind::Silence { duration: Span::from_mins(30) });
    bench.live(1, 9.0).unread(20).advance(49);
    bench.check(&[]);
    bench.advance(50).unread(60);
    bench.check(&[("began", 50), ("ended", 60)]);
}

#[test]
fn who_wants_each_reading_sees_it_and_what_was_known_before() {
    fn checks(event: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
        let Cause::Observation(observation) = &event.cause else { return Err(Failure::Permanent("no".into())) };
        let [reading] = &observation.readings[..] else { return Err(Failure::Permanent("no".into())) };
        let known = host.last("fridge", "temperature").expect("it has reported");
        let good = event.received_at >= minute(2);
        let before = if good { Value::Number(9.0) } else { Value::nothing() };
        assert_eq!((&known.value, known.reported), (&before, event.received_at));
        assert_eq!(known.quality, reading.quality);
        if reading.quality == Quality::Bad {
            assert_eq!((reading.value.is_nothing(), reading.previous.is_some()), (true, good));
        }
        tell(event, host)
    }
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), checks)]);
    bench.unread(1).live(2, 9.0).unread(3);
    bench.check(&[("observation", 1), ("observation", 2), ("observation", 3)]);
}

#[test]
fn no_command_is_confirmed_by_a_value_that_is_not_to_be_trusted() {
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), effects::command_rule)]);
    bench.live(1, 20.0);
    let row = bench.turns.iter().flat_map(|t| &t.commits).flat_map(|c| &c.outbox).next().expect("a command");
    let settled = Settled {
        effect: row.outgoing.effect,
        sink: "mqtt".into(),
        outcome: Outcome::Accepted,
        reason: None,
        attempt: 1,
        due: None,
    };
    bench.take(Body::Settled(settled), 1, None);
    bench.take(unread_of("switch", Value::Boolean(true)), 1, None);
    assert_eq!(bench.engine.accounts().confirmed, 0);
}
