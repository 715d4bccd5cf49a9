//! What a rule proposes: the same shapes as the WIT variant `effect`.

use serde::{Deserialize, Serialize};

use crate::event::{Custom, Message};
use crate::{Attributes, Capability, Instant, Name, Span, Value};

/// One proposal of a rule, before any guard has seen it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    pub effect: Effect,
    /// The rule's own name for it; comes back in completions.
    pub tag: Option<Name>,
    /// One line for people: why the rule wants this.
    pub because: Option<Name>,
    pub attributes: Attributes,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    Command(Command),
    Relinquish(Relinquishment),
    Notification(Notification),
    SetTimer(Timer),
    CancelTimer(Name),
    /// Withdraws what this rule proposed for this key under that tag and is not yet sent.
    Cancel(Name),
    Publish(Message),
    Emit(Emission),
    Other(Custom),
}

impl Effect {
    /// The word for this kind of effect in decisions.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Command(_) => "command",
            Self::Relinquish(_) => "relinquish",
            Self::Notification(_) => "notification",
            Self::SetTimer(_) => "set-timer",
            Self::CancelTimer(_) => "cancel-timer",
            Self::Cancel(_) => "cancel",
            Self::Publish(_) => "publish",
            Self::Emit(_) => "emit",
            Self::Other(_) => "other",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// Each member of the role.
    Role(Name),
    /// Must be a member of a granted role.
    Device(Name),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// A condition on the target's twin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    pub capability: Name,
    pub comparison: Comparison,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Command {
    pub target: Target,
    pub action: Name,
    pub arguments: Attributes,
    /// 1 to 16, lower wins; the grant's default without it.
    pub priority: Option<u8>,
    /// How long the command stays in its priority slot.
    pub hold: Option<Span>,
    /// Not sent after this.
    pub expires_at: Option<Instant>,
    /// Sent only while all of these hold at the target.
    pub only_if: Vec<Check>,
    pub attributes: Attributes,
}

impl Command {
    /// A command that says no more than what is to be done where.
    #[must_use]
    pub fn new(target: Target, action: impl Into<Name>) -> Self {
        Self {
            target,
            action: action.into(),
            arguments: Vec::new(),
            priority: None,
            hold: None,
            expires_at: None,
            only_if: Vec::new(),
            attributes: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Relinquishment {
    pub target: Target,
    pub capability: Name,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Urgency {
    Background,
    Normal,
    Urgent,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Audience {
    Subject(Name),
    OwnerOf(Name),
    Segment(Name),
    /// People on duty, as the operator has named them.
    Group(Name),
    Other(Name),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    pub template: Name,
    pub to: Audience,
    pub parameters: Attributes,
    pub urgency: Urgency,
    /// Two notifications to one person with the same key are one.
    pub dedupe: Option<Name>,
    pub not_before: Option<Instant>,
    pub expires_at: Option<Instant>,
    pub attributes: Attributes,
}

/// What happens to a timer that came due while the host was down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overdue {
    Fire,
    /// Fires when it is at most this late.
    FireWithin(Span),
    Skip,
}

impl Default for Overdue {
    fn default() -> Self {
        Self::FireWithin(crate::limits::OVERDUE)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timer {
    /// Unique per rule and key: setting it again moves it.
    pub name: Name,
    pub due: Instant,
    pub overdue: Overdue,
    pub payload: Option<Value>,
    pub attributes: Attributes,
}

/// An event for other rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Emission {
    pub name: Name,
    pub key: Option<Name>,
    pub device: Option<Name>,
    pub attributes: Attributes,
}

/// An action that sets a capability, as a device declares it: what a confirmation looks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Desired {
    pub capability: Capability,
    pub value: Value,
}
