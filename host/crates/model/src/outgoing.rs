//! Outgoing: an allowed effect on its way to a sink. What an outbox row holds.

use serde::{Deserialize, Serialize};

use crate::effect::{Check, Urgency};
use crate::notification::Class;
use crate::{Attributes, DeviceNo, Id, Instant, Name};

/// One effect for one sink. Its id is the same on every attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outgoing {
    pub effect: Id,
    /// `mqtt:NAME` for a broker, else the name of a `[[sink]]`.
    pub sink: Name,
    /// What order is kept by: the device, topic or group.
    pub target: Name,
    pub committed_at: Instant,
    /// Not sent after this.
    pub expires_at: Option<Instant>,
    pub body: OutgoingBody,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutgoingBody {
    Command {
        device: DeviceNo,
        action: Name,
        arguments: Attributes,
        only_if: Vec<Check>,
        /// Sent at most once, marked before sending: an action that is momentary and not idempotent.
        momentary: bool,
    },
    Notification {
        template: Name,
        class: Class,
        group: Name,
        parameters: Attributes,
        urgency: Urgency,
        /// What the sender may show beside the text.
        because: Option<Name>,
    },
    Publish {
        topic: Name,
        payload: Box<[u8]>,
        content_type: Option<Name>,
        retained: bool,
    },
}
