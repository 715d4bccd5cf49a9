//! Guards: every effect passes its gates in a fixed order, and each answer is recorded. A gate that is not built yet
//! refuses what would need it.
//!
//! Commands: `capability → rate → loop` where they are proposed, `precondition → priority → interlock` at the actuator.
//! Notifications: `capability → rate → loop → precondition → duplicate → consent`, the fourth and fifth where the
//! notification names a time or a key. Everything else: `capability → rate → loop`.

pub(crate) mod actuator;
pub(crate) mod capability;
pub(crate) mod causal;
pub(crate) mod consent;
pub(crate) mod planned;
pub(crate) mod rate;

use std::sync::LazyLock;

use model::{GateResult, Name, Verdict};

/// The answers of the gates that an effect has passed so far.
#[derive(Debug, Default)]
pub(crate) struct Passage {
    gates: Vec<GateResult>,
    refused: Option<Name>,
}

/// A refusal: its reason code.
pub(crate) type Answer = Result<(), &'static str>;

/// The names of the gates, made once.
pub(crate) struct Gates {
    pub(crate) capability: Name,
    pub(crate) rate: Name,
    pub(crate) causal: Name,
    pub(crate) precondition: Name,
    pub(crate) priority: Name,
    pub(crate) duplicate: Name,
    pub(crate) consent: Name,
}

pub(crate) static GATES: LazyLock<Gates> = LazyLock::new(|| Gates {
    capability: Name::from("capability"),
    rate: Name::from("rate"),
    causal: Name::from("loop"),
    precondition: Name::from("precondition"),
    priority: Name::from("priority"),
    duplicate: Name::from("duplicate"),
    consent: Name::from("consent"),
});

impl Passage {
    /// The passage of an effect that was allowed so far.
    pub(crate) fn after(gates: Vec<GateResult>) -> Self {
        Self { gates, refused: None }
    }

    /// Asks a gate unless one before it refused.
    pub(crate) fn ask(&mut self, gate: &Name, answer: impl FnOnce() -> Answer) -> &mut Self {
        if self.refused.is_none() {
            let reason = answer().err().map(Name::from);
            let verdict = if reason.is_some() { Verdict::Refused } else { Verdict::Allowed };
            self.refused.clone_from(&reason);
            self.gates.push(GateResult { gate: gate.clone(), verdict, reason });
        }
        self
    }

    pub(crate) fn is_allowed(&self) -> bool {
        self.refused.is_none()
    }

    /// The verdict, the reason of a refusal, and every answer.
    pub(crate) fn finish(self) -> (Verdict, Option<Name>, Vec<GateResult>) {
        let verdict = if self.refused.is_some() { Verdict::Refused } else { Verdict::Allowed };
        (verdict, self.refused, self.gates)
    }
}
