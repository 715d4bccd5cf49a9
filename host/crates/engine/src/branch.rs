//! A branch: partitions that have left their journals together, to be told something else than what happened.
//!
//! What one of them sends reaches the other as it would live. A branch answers with decisions and nothing else: no row
//! of it is ever committed, and nothing of it reaches a sink.

use model::input::{Body, HostEvent};
use model::{Configuration, ConfigurationDigest, Decision, Input, Instant, Span};

use crate::engine::Engine;
use crate::exact::{self, Exact};
use crate::plan::{Setup, SetupError};
use crate::seen::OwnIds;

/// All partitions of a host from an instant of their journals on.
pub struct Branch {
    engine: Engine,
    decisions: Vec<Decision>,
}

impl Branch {
    /// Partitions that stand before one instant; one that is not among them has no past. None where there is none at
    /// all, or where they do not have one configuration in force.
    #[must_use]
    pub fn of(partitions: Vec<Exact>) -> Option<Self> {
        let mut engine = Engine::departed(partitions.into_iter().map(Exact::into_partition).collect())?;
        // What a journal holds was no duplicate when it was taken.
        engine.remember_own_ids(OwnIds { age: Span::default(), count: 1 });
        Some(Self { engine, decisions: Vec::new() })
    }

    /// The configuration that an input puts in force, by its digest, where it is another than the one in force.
    #[must_use]
    pub fn wanted(&self, input: &Input) -> Option<ConfigurationDigest> {
        exact::wanted(self.engine.configuration(), input)
    }

    /// The configuration in force.
    #[must_use]
    pub fn configuration(&self) -> &Configuration {
        self.engine.in_force()
    }

    /// Takes an input as if it had been received at this instant, in every partition that it concerns; what is due by
    /// then comes first. What partitions send each other follows from the rest and is not given.
    ///
    /// # Errors
    /// When `setup`, what the input puts in force, cannot run.
    pub fn feed(&mut self, input: &Input, at: Instant, setup: Option<Setup>) -> Result<(), SetupError> {
        match (setup, &input.body) {
            (_, Body::Transfer(_)) => {}
            (Some(setup), Body::Host(HostEvent::Started { alive, .. })) => {
                // What was due while the host still ran is of the old configuration.
                if let Some(alive) = alive {
                    self.engine.advance(at.min(*alive));
                }
                self.engine.switch(setup)?;
                self.engine.take(input, at);
            }
            (Some(setup), _) => self.engine.reconfigure(setup, input.id.clone(), at)?,
            (None, _) => {
                self.engine.take(input, at);
            }
        }
        Ok(())
    }

    /// Lets the clock run on.
    pub fn advance(&mut self, to: Instant) {
        self.engine.advance(to);
    }

    /// Ends the turn, as a journal did here.
    pub fn end_turn(&mut self) {
        self.decisions.extend(self.engine.finish().decisions);
    }

    /// The decisions of ended turns since the last call.
    pub fn decisions(&mut self) -> impl Iterator<Item = Decision> {
        self.decisions.drain(..)
    }
}
