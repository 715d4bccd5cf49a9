//! Runs that are broken on purpose: each checker finds what it is there for, and nothing where nothing is broken.

use pointsman_sim::{Faults, Plan, Sabotage, checks, run};

/// Many lives, and much under way when each of them ends.
fn restless(seed: u64) -> Plan {
    let faults = Faults { crashes: 30, late_commits: 500, cuts: 30, sinks: 200, traps: 100, ..Faults::default() };
    Plan {
        sites: 2,
        sensors: 3,
        messages: 300,
        seconds: 120,
        partitions: 1,
        window: 20,
        packets: 100,
        faults,
        ..Plan::of(seed)
    }
}

/// The checkers that find something.
fn found(plan: &Plan, sabotage: Option<Sabotage>) -> Vec<&'static str> {
    let violations = checks::all(&run(plan, sabotage), &run(&plan.calm(), None));
    let mut names: Vec<_> = violations.iter().map(|violation| violation.check).collect();
    names.dedup();
    names
}

#[track_caller]
fn finds(sabotage: Sabotage, check: &str) {
    // A run that is not broken is found fault with by nobody; of the broken ones, at least one of a few.
    let plans = [1, 2, 3].map(restless);
    assert_eq!(found(&plans[0], None), [""; 0]);
    let names: Vec<_> = plans.iter().flat_map(|plan| found(plan, Some(sabotage))).collect();
    assert!(names.contains(&check), "{sabotage:?} is found by {names:?}");
}

#[test]
fn a_message_that_the_broker_forgot_too_early_is_missed() {
    finds(Sabotage::AcknowledgedTooEarly, "acknowledged");
}

#[test]
fn an_answer_under_two_ids_is_noticed() {
    finds(Sabotage::SilentAboutRedelivery, "identity");
}

#[test]
fn an_effect_without_a_decision_is_noticed() {
    finds(Sabotage::Sql("DELETE FROM decisions"), "committed");
}

#[test]
fn an_effect_that_a_sink_says_it_has_and_never_got_is_noticed() {
    finds(Sabotage::SinksForgetful, "delivered");
}

#[test]
fn an_effect_that_vanished_from_the_outbox_is_missed() {
    finds(Sabotage::Sql("DELETE FROM outbox"), "delivered");
}

#[test]
fn a_pulse_whose_mark_was_lost_is_noticed() {
    finds(Sabotage::Sql("UPDATE outbox SET attempts = 0"), "momentary");
}

#[test]
fn effects_in_the_wrong_order_are_noticed() {
    finds(Sabotage::OutboxReversed, "order");
}

#[test]
fn messages_of_a_device_in_the_wrong_order_are_noticed() {
    finds(Sabotage::MessagesSwapped, "oracle");
}

#[test]
fn a_schedule_that_was_forgotten_is_missed() {
    finds(Sabotage::Sql("DELETE FROM state WHERE kind = 3"), "schedules");
}

#[test]
fn a_condition_that_was_forgotten_is_told_again_and_noticed() {
    finds(Sabotage::Sql("DELETE FROM state WHERE kind = 3"), "conditions");
}

#[test]
fn a_timer_that_was_forgotten_is_missed() {
    finds(Sabotage::Sql("DELETE FROM state WHERE kind = 5"), "timers");
}

#[test]
fn a_journal_that_does_not_follow_from_itself_is_noticed() {
    finds(Sabotage::Sql("DELETE FROM state WHERE kind = 5"), "replay");
}

#[test]
fn rule_state_that_was_lost_is_missed() {
    finds(Sabotage::Sql("DELETE FROM state WHERE kind = 4"), "oracle");
}

#[test]
fn an_outbox_that_never_empties_is_noticed() {
    finds(Sabotage::SinksClosed, "outbox");
}

#[test]
fn accounts_that_count_what_is_not_there_are_noticed() {
    finds(Sabotage::Sql("DELETE FROM dead_letters"), "accounts");
}
