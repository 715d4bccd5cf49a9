//! The seam between a rule and what runs it: the functions of the imported WIT interfaces as one trait.
//!
//! In a component the bindings implement it; natively whoever runs the rule does, such as the test kit.

use crate::host::{Civil, HistoryProblem, Known, Level, Pass, StateProblem, Summary};
use crate::time::{Instant, Span};
use crate::value::{Attributes, Value};

/// What a rule may ask and write while it handles one event. Nothing in it waits.
pub trait Platform {
    /// Twin of a device that the deployment binds.
    fn last(&self, device: &str, capability: &str) -> Option<Known>;
    /// Available or not, and since when; none for a device not bound here.
    fn available(&self, device: &str) -> Option<(bool, Instant)>;
    /// # Errors
    /// When the manifest does not declare the window, or the capability is not numeric.
    fn summarise(&self, device: &str, capability: &str, window: Span) -> Result<Option<Summary>, HistoryProblem>;
    fn members(&self, role: &str) -> Vec<String>;
    fn about(&self, device: &str) -> Attributes;

    fn get(&self, name: &str) -> Option<Value>;
    /// # Errors
    /// When the value or the key's whole state would be too large.
    fn set(&mut self, name: &str, value: Value, expires_at: Option<Instant>) -> Result<(), StateProblem>;
    fn remove(&mut self, name: &str);
    /// Names with this prefix behind `after`, in byte order, at most `limit`.
    fn names(&self, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String>;

    /// Civil time of an instant in an IANA zone; none for an unknown zone.
    fn local(&self, at: Instant, zone: &str) -> Option<Civil>;
    /// None for an unknown zone or a time that the zone skips.
    fn instant_of(&self, local: Civil, zone: &str, pass: Pass) -> Option<Instant>;

    /// Repeatable: seeded by the event and the deployment.
    fn chance(&mut self) -> u32;

    fn log(&mut self, level: Level, message: &str, fields: Attributes);
    fn count(&mut self, name: &str, by: u64);
    fn observe(&mut self, name: &str, sample: f64);

    /// Who is linked to a device.
    #[cfg(feature = "engagement")]
    fn links_of(&self, device: &str) -> Vec<crate::people::Link>;
    /// # Errors
    /// [`crate::people::Denial`] where consent or grant is missing, or the subject is unknown.
    #[cfg(feature = "engagement")]
    fn trait_of(&self, subject: &str, name: &str, purpose: &str) -> Result<Option<Value>, crate::people::Denial>;
    /// # Errors
    /// [`crate::people::Denial`] where consent or grant is missing, or the subject is unknown.
    #[cfg(feature = "engagement")]
    fn in_segment(&self, subject: &str, segment: &str, purpose: &str) -> Result<bool, crate::people::Denial>;
}
