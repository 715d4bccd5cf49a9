//! What a guest hands over asks the border: its answers, single values, instants and fields of the log.

use super::*;

fn with(value: wit::ValueResult) -> wit::Proposal {
    let attributes = vec![("x".to_owned(), value)];
    wit::Proposal { effect: wit::Effect::Cancel("t".to_owned()), tag: None, because: None, attributes }
}

#[test]
fn an_answer_passes_the_border_or_says_why_not() {
    let lifted = proposals(vec![with(wit::ValueResult::Integer(7))], 1).expect("a sound answer");
    assert_eq!(lifted[0].attributes, [(Name::from("x"), Value::Integer(7))]);
    let refused = |answer, most| match proposals(answer, most) {
        Err(Refused::Output(why)) => why,
        other => panic!("{other:?}"),
    };
    let why = refused(vec![with(wit::ValueResult::Number(f64::NAN))], 1);
    assert_eq!(why, "effect 1: attributes: `x` is NaN, which is no finite number");
    assert_eq!(refused(vec![with(wit::ValueResult::Integer(7)); 2], 1), "2 effects from one event, at most 1");
}

#[test]
fn values_instants_and_fields_pass_the_border() {
    assert_eq!(value("x", wit::ValueResult::Boolean(true)), Ok(Value::Boolean(true)));
    assert!(value("x", wit::ValueResult::Integer(i64::MAX)).is_err());
    assert_eq!(instant("due", 7), Ok(Instant(7)));
    assert!(instant("due", i64::MAX).is_err());
    let logged = fields(vec![("x".to_owned(), wit::ValueResult::Number(f64::NAN))]);
    assert_eq!(logged, vec![(Name::from("x"), Value::text("NaN"))]);
}
