//! Why: what led to an effect, what kept a device's events from leading to one, and what a change would have made of it.

mod chain;
mod device;
mod effect;
mod node;
mod past;
mod what_if;
mod words;

pub(crate) use device::device;
pub(crate) use effect::effect;
pub(crate) use past::Past;
pub(crate) use what_if::{Asked, Change, what_if};

/// What was asked for is not in the store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswerable {
    #[error("`{0}` is not an effect's id: expected up to 32 hexadecimal digits")]
    NotAnId(String),
    #[error("no effect begins with `{given}`{}", nearest.as_ref().map(|id| format!("; the nearest is {id}")).unwrap_or_default())]
    UnknownEffect { given: String, nearest: Option<String> },
    #[error("`{given}` is the beginning of several effects: {}", among.join(", "))]
    Ambiguous { given: String, among: Vec<String> },
    #[error("there is no device `{given}`{}", nearest.as_ref().map(|id| format!("; the nearest is `{id}`")).unwrap_or_default())]
    UnknownDevice { given: String, nearest: Option<String> },
    #[error("`{device}` does not report `{given}`{}", nearest.as_ref().map(|name| format!("; the nearest is `{name}`")).unwrap_or_default())]
    UnknownCapability { device: String, given: String, nearest: Option<String> },
    #[error("the journal holds no report of `{0}` up to then")]
    NeverReported(String),
    #[error("nothing reported by a device led to this effect, so that there is nothing to change")]
    NoReport,
}
