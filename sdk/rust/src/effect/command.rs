//! Commands to actuators.

use super::put;
use crate::time::{Instant, Span};
use crate::value::{Attributes, Value};

/// An action for the devices of a role, or for one device.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    pub target: Target,
    pub action: String,
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Each member of the role.
    Role(String),
    /// Must be a member of a granted role.
    Device(String),
}

/// Gives back what this rule holds of a capability.
#[derive(Debug, Clone, PartialEq)]
pub struct Relinquishment {
    pub target: Target,
    pub capability: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// A condition on the last known state of the target.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    pub capability: String,
    pub comparison: Comparison,
    /// In the capability's canonical unit.
    pub value: Value,
}

impl Command {
    /// An action for each member of a role.
    #[must_use]
    pub fn to_role(role: impl Into<String>, action: impl Into<String>) -> Self {
        Self::new(Target::Role(role.into()), action.into())
    }

    /// An action for one device, which must be a member of a granted role.
    #[must_use]
    pub fn to_device(device: impl Into<String>, action: impl Into<String>) -> Self {
        Self::new(Target::Device(device.into()), action.into())
    }

    fn new(target: Target, action: String) -> Self {
        Self {
            target,
            action,
            arguments: Attributes::new(),
            priority: None,
            hold: None,
            expires_at: None,
            only_if: Vec::new(),
            attributes: Attributes::new(),
        }
    }

    /// An argument of the action; numbers are in the unit that the device's profile says.
    #[must_use]
    pub fn argument(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        put(&mut self.arguments, name, value);
        self
    }

    /// 1 to 16, lower wins, within the granted range.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = Some(priority);
        self
    }

    /// How long the command stays in its priority slot; without it, until it is relinquished or replaced.
    #[must_use]
    pub fn hold(mut self, span: Span) -> Self {
        self.hold = Some(span);
        self
    }

    /// The command is not sent after this.
    #[must_use]
    pub fn expires_at(mut self, at: Instant) -> Self {
        self.expires_at = Some(at);
        self
    }

    /// The command is sent only while this holds at the target.
    #[must_use]
    pub fn only_if(mut self, check: Check) -> Self {
        self.only_if.push(check);
        self
    }
}

impl Relinquishment {
    #[must_use]
    pub fn of_role(role: impl Into<String>, capability: impl Into<String>) -> Self {
        Self { target: Target::Role(role.into()), capability: capability.into() }
    }

    #[must_use]
    pub fn of_device(device: impl Into<String>, capability: impl Into<String>) -> Self {
        Self { target: Target::Device(device.into()), capability: capability.into() }
    }
}

macro_rules! checks {
    ($($name:ident => $comparison:ident),*) => {
        impl Check {
            $(#[must_use]
            pub fn $name(capability: impl Into<String>, value: impl Into<Value>) -> Self {
                Self { capability: capability.into(), comparison: Comparison::$comparison, value: value.into() }
            })*
        }
    };
}
checks!(
    equal => Equal, not_equal => NotEqual, less => Less, at_most => AtMost, greater => Greater, at_least => AtLeast
);
