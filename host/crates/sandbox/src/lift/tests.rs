//! What passes the border and what does not, each limit at the limit and one past it.

use super::*;

fn cancel(name: String) -> wit::Proposal {
    wit::Proposal { effect: wit::Effect::Cancel(name), tag: None, because: None, attributes: Vec::new() }
}

fn with(value: wit::ValueResult) -> wit::Proposal {
    wit::Proposal { attributes: vec![("x".to_owned(), value)], ..cancel("t".to_owned()) }
}

fn check(proposal: wit::Proposal) -> Result<Proposal, String> {
    let mut lifted = proposals(vec![proposal], 1).map_err(|refused| refused.to_string())?;
    Ok(lifted.remove(0))
}

#[test]
fn effects_pass_up_to_the_limit() {
    let many = |count| vec![cancel("t".to_owned()); count];
    assert_eq!(proposals(many(64), 64).map(|all| all.len()), Ok(64));
    let refused = proposals(many(65), 64).expect_err("one past the limit");
    assert_eq!(refused.to_string(), "65 effects from one event, at most 64");
}

#[test]
fn names_pass_up_to_the_limit() {
    assert!(check(cancel("n".repeat(limits::NAME_BYTES))).is_ok());
    let refused = check(cancel("n".repeat(limits::NAME_BYTES + 1))).expect_err("one past the limit");
    assert_eq!(refused, "effect 1: `tag` has a name of 257 bytes, at most 256");
}

#[test]
fn one_event_writes_up_to_the_limit() {
    let rest = limits::WRITES_PER_EVENT - "t".len() - "x".len();
    assert!(check(with(wit::ValueResult::Bytes(vec![0; rest]))).is_ok());
    assert!(check(with(wit::ValueResult::Bytes(vec![0; rest + 1]))).is_err());
}

#[test]
fn only_exact_integers_pass() {
    for integer in [INTEGER_MAX, -INTEGER_MAX] {
        let lifted = check(with(wit::ValueResult::Integer(integer))).expect("within the range");
        assert_eq!(lifted.attributes[0].1, Value::Integer(integer));
    }
    for integer in [INTEGER_MAX + 1, -INTEGER_MAX - 1, i64::MIN] {
        let refused = check(with(wit::ValueResult::Integer(integer))).expect_err("beyond the range");
        assert!(refused.contains(&integer.to_string()), "{refused}");
    }
}

#[test]
fn only_finite_numbers_pass() {
    assert!(check(with(wit::ValueResult::Number(f64::MAX))).is_ok());
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let refused = check(with(wit::ValueResult::Number(number))).expect_err("not finite");
        assert!(refused.ends_with("which is no finite number"), "{refused}");
    }
}

#[test]
fn only_positions_on_earth_pass() {
    let at = |latitude| wit::ValueResult::Position(wit::Position { latitude, longitude: 180.0, accuracy: None });
    assert!(check(with(at(90.0))).is_ok());
    assert!(check(with(at(90.000_001))).is_err());
}

#[test]
fn only_priorities_from_1_to_16_pass() {
    let command = |priority| wit::Proposal {
        effect: wit::Effect::Command(wit::Command {
            target: wit::TargetResult::Role("lamp".to_owned()),
            action: "on".to_owned(),
            arguments: Vec::new(),
            priority: Some(priority),
            hold: None,
            expires_at: None,
            only_if: Vec::new(),
            attributes: Vec::new(),
        }),
        ..cancel(String::new())
    };
    for (priority, passes) in [(0, false), (1, true), (16, true), (17, false)] {
        assert_eq!(check(command(priority)).is_ok(), passes, "{priority}");
    }
}

#[test]
fn only_instants_that_can_be_written_pass() {
    for (at, passes) in [(Instant::MAX.0, true), (Instant::MAX.0 + 1, false), (Instant::MIN.0, true), (i64::MIN, false)]
    {
        assert_eq!(instant("due", at).is_ok(), passes, "{at}");
    }
    assert_eq!(exact_span("hold", INTEGER_MAX as u64), Ok(Span(INTEGER_MAX as u64)));
    assert!(exact_span("hold", INTEGER_MAX as u64 + 1).is_err());
}

#[test]
fn a_log_shows_unsound_numbers_as_text() {
    let logged = fields(vec![("x".to_owned(), wit::ValueResult::Number(f64::NAN))]);
    assert_eq!(logged, vec![(Name::from("x"), Value::text("NaN"))]);
}
