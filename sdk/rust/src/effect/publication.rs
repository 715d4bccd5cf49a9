//! Publications: a message of the rule's own on a granted topic.

use serde::Serialize;

use crate::failure::Failure;

#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    /// A topic name within the granted filters; never one that commands a device.
    pub topic: String,
    pub payload: Vec<u8>,
    pub content_type: Option<String>,
    pub retained: bool,
}

impl Publication {
    #[must_use]
    pub fn bytes(topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Self { topic: topic.into(), payload: payload.into(), content_type: None, retained: false }
    }

    #[must_use]
    pub fn text(topic: impl Into<String>, payload: impl Into<String>) -> Self {
        let mut publication = Self::bytes(topic, payload.into());
        publication.content_type = Some("text/plain; charset=utf-8".to_owned());
        publication
    }

    /// # Errors
    /// [`Failure::Permanent`] when `payload` cannot be written as JSON, such as a map whose keys are no texts.
    pub fn json(topic: impl Into<String>, payload: &impl Serialize) -> Result<Self, Failure> {
        let mut publication = Self::bytes(topic, serde_json::to_vec(payload).map_err(Failure::permanent)?);
        publication.content_type = Some("application/json".to_owned());
        Ok(publication)
    }

    /// The broker keeps it as the topic's last message.
    #[must_use]
    pub fn retained(mut self) -> Self {
        self.retained = true;
        self
    }
}
