//! What a rule proposes, with a builder for each kind. Guards decide what becomes of it.

mod command;
mod emission;
mod notification;
mod publication;
mod timer;

pub use command::{Check, Command, Comparison, Relinquishment, Target};
pub use emission::Emission;
pub use notification::{Audience, Notification, Urgency};
pub use publication::Publication;
pub use timer::{Overdue, Timer};

use crate::event::Custom;
use crate::value::{Attributes, Value};

/// One proposal: an effect, what the rule calls it, and why it wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    pub effect: Effect,
    /// The rule's own name for it; comes back in completions and names it in [`Effect::Cancel`]. At most 256 bytes.
    pub tag: Option<String>,
    /// One line for people.
    pub because: Option<String>,
    pub attributes: Attributes,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    Command(Command),
    Relinquish(Relinquishment),
    Notification(Notification),
    SetTimer(Timer),
    CancelTimer(String),
    /// Withdraws what this rule proposed for this key under that tag and is not yet sent.
    Cancel(String),
    Publish(Publication),
    Emit(Emission),
    Other(Custom),
}

/// Gives a proposal its reason and its tag, whatever the effect.
pub trait Explain: Into<Proposal> {
    /// One line for people: why the rule wants this.
    fn because(self, why: impl Into<String>) -> Proposal {
        let mut proposal = self.into();
        proposal.because = Some(why.into());
        proposal
    }

    /// The rule's own name for it, which comes back in completions. At most 256 bytes.
    fn tag(self, tag: impl Into<String>) -> Proposal {
        let mut proposal = self.into();
        proposal.tag = Some(tag.into());
        proposal
    }
}

impl<T: Into<Proposal>> Explain for T {}

impl From<Effect> for Proposal {
    fn from(effect: Effect) -> Self {
        Self { effect, tag: None, because: None, attributes: Attributes::new() }
    }
}

macro_rules! proposal_from {
    ($($type:ty => $case:ident),*) => {$(
        impl From<$type> for Proposal {
            fn from(effect: $type) -> Self {
                Effect::$case(effect).into()
            }
        }
    )*};
}
proposal_from!(
    Command => Command, Relinquishment => Relinquish, Notification => Notification, Timer => SetTimer,
    Publication => Publish, Emission => Emit
);

/// Adds a named value, replacing one of the same name.
pub(crate) fn put(attributes: &mut Attributes, name: impl Into<String>, value: impl Into<Value>) {
    let (name, value) = (name.into(), value.into());
    match attributes.iter_mut().find(|(known, _)| *known == name) {
        Some((_, old)) => *old = value,
        None => attributes.push((name, value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_and_tag_go_on_in_any_order() {
        let one = Command::to_role("lamp", "on").because("dark").tag("light");
        let other = Command::to_role("lamp", "on").tag("light").because("dark");
        assert_eq!(one, other);
        assert_eq!(one.because.as_deref(), Some("dark"));
    }

    #[test]
    fn an_argument_given_twice_keeps_the_last_value() {
        let command = Command::to_device("siren", "on").argument("volume", 10).argument("volume", 30);
        assert_eq!(command.arguments, [("volume".to_owned(), Value::Integer(30))]);
    }
}
