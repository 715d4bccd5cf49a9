//! The ids of events that wake rules, from what they follow from: the same live, in a replay, and for who asks why.

use model::{Id, Name};

use crate::partition::inner_id;

/// The event by which an observation wakes a trigger of a deployment.
#[must_use]
pub fn observation_event(input: &str, deployment: &str, trigger: &str) -> Name {
    inner_id(&["observation", input, deployment, trigger].map(str::as_bytes))
}

/// The event by which a raw message wakes a trigger of a deployment.
#[must_use]
pub fn message_event(input: &str, deployment: &str, trigger: &str) -> Name {
    inner_id(&["message", input, deployment, trigger].map(str::as_bytes))
}

/// The event by which another rule's emission wakes a trigger of a deployment.
#[must_use]
pub fn custom_event(emission: Id, deployment: &str, trigger: &str) -> Name {
    inner_id(&["custom", &emission.to_string(), deployment, trigger].map(str::as_bytes))
}

/// The event by which a rule is told what became of its effect.
#[must_use]
pub fn completion_event(effect: Id, outcome: &str, attempt: u32) -> Name {
    inner_id(&[b"completion", &effect.0, outcome.as_bytes(), attempt.to_string().as_bytes()])
}
