//! Decisions: what was decided about one step or one effect, by which gates, and why.

use serde::{Deserialize, Serialize};

use crate::deployment::PackageDigest;
use crate::{Effect, Id, Instant, Name, Phase};

/// The record of one evaluation: one for each effect, or one for a step that proposed none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The event's `occurred-at`.
    pub at: Instant,
    pub deployment: Name,
    /// `id@version`.
    pub rule: Name,
    pub digest: PackageDigest,
    pub key: Name,
    pub cause: CauseRef,
    /// The effect's place among those of its step; 0 for a step without any.
    pub index: u32,
    pub effect: Option<EffectRecord>,
    /// The rule's own line for people, or the engine's for a step that failed.
    pub because: Option<Name>,
    pub verdict: Verdict,
    /// The first reason that was not `allowed`.
    pub reason: Option<Name>,
    /// In the order in which they were asked.
    pub gates: Vec<GateResult>,
}

impl Decision {
    /// Whether it holds an effect, a refusal or a failure: what is kept, and what the digest of a run is over.
    #[must_use]
    pub fn is_notable(&self) -> bool {
        self.effect.is_some() || self.reason.is_some()
    }
}

/// What woke the rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseRef {
    pub event: Name,
    /// `observation`, `condition`, `timer`, …
    pub kind: Name,
    /// The trigger's or timer's name.
    pub name: Name,
    pub phase: Option<Phase>,
    pub device: Option<Name>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EffectRecord {
    pub id: Id,
    pub effect: Effect,
    /// The role member that a command was fanned out to.
    pub member: Option<Name>,
    pub tag: Option<Name>,
}

/// A guard's answer, and the sum of all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Allowed,
    Deferred,
    Refused,
    /// No effect was proposed.
    Nothing,
    /// The rule failed; its writes and effects were rolled back.
    Failed,
}

impl Verdict {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Deferred => "deferred",
            Self::Refused => "refused",
            Self::Nothing => "nothing",
            Self::Failed => "failed",
        }
    }
}

/// One gate's answer with its reason code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateResult {
    pub gate: Name,
    pub verdict: Verdict,
    /// Kebab-case code, such as `not-granted`; none where allowed.
    pub reason: Option<Name>,
}
