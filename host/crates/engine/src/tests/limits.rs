//! Limits of time and number: what holds at the limit, and what one step past it changes.

use model::limits;

use super::effects::command_rule;
use super::*;
use crate::rows;

impl Bench {
    fn read_at(&mut self, received: Instant, occurred: Instant) -> &mut Self {
        let input = self.input(reading(DeviceNo(1), 7.0), Some(occurred));
        self.engine.take(&input, received);
        self.collect();
        self
    }
}

#[test]
fn what_is_older_by_the_lateness_is_out_of_order_and_by_more_is_late() {
    let mut bench = Bench::one(each_reading());
    bench.live(30, 7.0).read_at(minute(31), minute(30).before(limits::LATENESS));
    let counted = |bench: &Bench| (bench.engine.accounts().out_of_order, bench.engine.accounts().late);
    assert_eq!(counted(&bench), (1, 0));
    bench.read_at(minute(32), minute(30).before(Span(limits::LATENESS.0 + 1)));
    assert_eq!(counted(&bench), (1, 1));
}

#[test]
fn what_can_never_become_an_input_is_counted_by_its_reason_also_after_a_restart() {
    let deployments = || vec![(deployment("d", vec![each_reading()]), tell as Rule)];
    let mut bench = Bench::new(1, deployments());
    let reject = |bench: &mut Bench, code: &str| {
        bench.engine.reject(code);
        bench.collect();
        let accounts = bench.engine.accounts();
        (accounts.received, accounts.rejected)
    };
    assert_eq!(reject(&mut bench, "too-deep"), (1, 1));
    assert_eq!(reject(&mut bench, "not-utf8"), (2, 2));
    bench.crash_into(setup(1, deployments()));
    assert_eq!(reject(&mut bench, "too-deep"), (3, 3));
    let commit = bench.turns.last().and_then(|turn| turn.commits.last()).expect("a count is kept");
    let value = commit.changes[0].value.as_ref().expect("a row");
    let row: rows::PartitionRow = rows::decode("partition", value).expect("the partition's row");
    assert_eq!(row.rejected, [("not-utf8".into(), 1), ("too-deep".into(), 2)].into());
}

#[test]
fn an_id_is_a_duplicate_for_a_day() {
    let mut bench = Bench::one(each_reading());
    let mut again = |after: Span| {
        let mut input = bench.input(reading(DeviceNo(1), 7.0), None);
        (input.id, input.own_id) = ("same".into(), true);
        bench.engine.take(&input, minute(1) + after);
        bench.collect();
        bench.engine.accounts().duplicate
    };
    assert_eq!(again(Span::ZERO), 0);
    assert_eq!(again(Span(limits::DUPLICATE_AGE.0 - 1)), 1);
    assert_eq!(again(limits::DUPLICATE_AGE), 1, "a day later it is new");
}

#[test]
fn a_command_that_names_no_end_has_one() {
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), command_rule)]);
    bench.live(1, 20.0);
    let sent = bench.turns.iter().flat_map(|t| &t.commits).flat_map(|c| &c.outbox).next().expect("a command");
    assert_eq!(sent.outgoing.expires_at, Some(minute(1) + limits::COMMAND_EXPIRY));
}

#[test]
fn a_target_takes_so_many_commands_a_minute_and_not_one_more() {
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), command_rule)]);
    let wanted = limits::COMMANDS_PER_TARGET_PER_MINUTE;
    for n in 0..=u64::from(wanted) {
        let at = minute(1) + Span(n);
        let input = bench.input(reading(DeviceNo(1), 20.0), Some(at));
        bench.engine.take(&input, at);
        bench.collect();
    }
    let (refused, allowed) = verdicts(&bench);
    assert_eq!((refused.len(), allowed), (1, usize::try_from(wanted).expect("small")), "{refused:?}");
}

fn set_again(event: &Event, wait: Span) -> Result<Vec<Proposal>, Failure> {
    Ok(vec![propose(Effect::SetTimer(Timer {
        name: "again".into(),
        due: event.received_at + wait,
        overdue: Overdue::Fire,
        payload: None,
        attributes: Vec::new(),
    }))])
}

#[test]
fn a_timer_of_a_second_is_a_root_and_a_shorter_one_is_not() {
    let run = |rule: Rule| {
        let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), rule)]);
        bench.live(0, 7.0);
        for second in 1..=40 {
            bench.engine.advance(Instant(second * 1_000_000));
            bench.collect();
        }
        verdicts(&bench).0
    };
    assert!(run(|event, _| set_again(event, limits::TIMER_ROOT_AFTER)).is_empty());
    assert_eq!(run(|event, _| set_again(event, Span(limits::TIMER_ROOT_AFTER.0 - 1))), ["too-deep"]);
}
