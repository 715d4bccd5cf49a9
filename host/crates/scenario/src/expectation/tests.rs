//! Expectations against decisions, without an engine.

use super::*;

fn fields(json: Json) -> Map<String, Json> {
    json.as_object().cloned().expect("a table")
}

/// The paths in which `decision` is not what is expected.
fn check(expected: Json, decision: Json) -> Vec<String> {
    differences(&fields(expected), &fields(decision)).into_iter().map(|difference| difference.path).collect()
}

const NONE: Vec<String> = Vec::new();

#[test]
fn fields_that_are_not_given_are_not_looked_at() {
    let decision = json!({"key": "a", "effect": {"kind": "command", "action": "on"}, "verdict": "allowed"});
    assert_eq!(check(json!({}), decision.clone()), NONE);
    assert_eq!(check(json!({"effect": {"action": "on"}}), decision.clone()), NONE);
    assert_eq!(check(json!({"effect": {"action": "off"}, "key": "b"}), decision.clone()), ["effect.action", "key"]);
    assert_eq!(check(json!({"effect": {"actoin": "on"}}), decision.clone()), ["effect.actoin"]);
    assert_eq!(check(json!({"effect": "command"}), decision), ["effect"]);
}

#[test]
fn numbers_are_compared_by_value_to_a_billionth() {
    assert_eq!(check(json!({"value": 3}), json!({"value": 3.0})), NONE);
    assert_eq!(check(json!({"value": 0.3}), json!({"value": 0.1 + 0.2})), NONE);
    assert_eq!(check(json!({"value": 1_000_000_000.0}), json!({"value": 1_000_000_000.9})), NONE);
    assert_eq!(check(json!({"value": 1_000_000_000.0}), json!({"value": 1_000_000_002.5})), ["value"]);
    assert_eq!(check(json!({"value": 0}), json!({"value": 1e-12})), ["value"]);
    assert_eq!(check(json!({"value": 3}), json!({"value": "3"})), ["value"]);
}

#[test]
fn lists_are_compared_as_a_whole() {
    assert_eq!(check(json!({"list": [1, 2]}), json!({"list": [1.0, 2]})), NONE);
    assert_eq!(check(json!({"list": [1]}), json!({"list": [1, 2]})), ["list"]);
    assert_eq!(check(json!({"list": [{"a": 1}]}), json!({"list": [{"a": 1, "b": 2}]})), ["list"]);
}

#[test]
fn housekeeping_is_passed_over_unless_it_is_named() {
    let timer = fields(json!({"effect": {"kind": "set-timer", "name": "off"}}));
    let command = fields(json!({"effect": {"kind": "command"}}));
    let failed = fields(json!({"verdict": "failed"}));
    let named = Expectation::Decision(fields(json!({"effect": {"kind": "set-timer"}})));
    let other = Expectation::Decision(fields(json!({"effect": {"kind": "cancel-timer"}})));
    assert!(Expectation::Nothing.passes_over(&timer));
    assert!(other.passes_over(&timer));
    assert!(!named.passes_over(&timer));
    assert!(!Expectation::Nothing.passes_over(&command) && !named.passes_over(&command));
    assert!(!Expectation::Nothing.passes_over(&failed));
}

#[test]
fn anything_but_nothing_and_a_table_is_refused() {
    assert_eq!(Expectation::parse("\"nothing\""), Ok(Expectation::Nothing));
    assert_eq!(Expectation::parse("{}"), Ok(Expectation::Decision(Map::new())));
    for wrong in ["\"noting\"", "true", "[]", "null"] {
        assert!(Expectation::parse(wrong).expect_err(wrong).contains("\"nothing\" or the fields"), "{wrong}");
    }
}
