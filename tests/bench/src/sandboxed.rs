//! A live instance behind the engine's seam, called with one event: a package in the sandbox, or native code.

use std::sync::Arc;

use engine::Nowhere;
use model::deployment::{Limits, World};
use model::guest::{Host, Instance, Program};
use model::{Effect, Event, Proposal};
use sandbox::{LoadOptions, Options, Pooling, Sandbox};

use crate::guest::{self, Answer};
use crate::native;

/// A caller with its event and the host that it lends.
pub struct Caller {
    instance: Box<dyn Instance>,
    host: Option<Box<dyn Host>>,
    event: Event,
}

impl Caller {
    /// Of a package.
    ///
    /// # Errors
    /// When it cannot be loaded or started.
    pub fn sandboxed(component: &[u8], answer: Answer) -> anyhow::Result<Self> {
        // A live instance's calls are the same with and without a pool.
        let sandbox = Sandbox::new(Options { cache: None, pooling: Pooling::Off })?;
        let options = LoadOptions { world: World::Rule, compatibility: false, limits: Limits::default() };
        Self::of(&sandbox.load(component, &options)?, answer)
    }

    /// Of native code that does what the guest does.
    ///
    /// # Errors
    /// None.
    pub fn native(answer: Answer) -> anyhow::Result<Self> {
        Self::of(&native::program(by_trigger), answer)
    }

    fn of(program: &Arc<dyn Program>, answer: Answer) -> anyhow::Result<Self> {
        let instance = program.instantiate().map_err(|failure| anyhow::anyhow!("{failure}"))?;
        Ok(Self { instance, host: Some(Box::new(Nowhere::new("{}"))), event: guest::event(answer) })
    }

    /// One call. Returns how many effects came back.
    ///
    /// # Panics
    /// When the guest fails, which it does not.
    pub fn call(&mut self) -> usize {
        let host = self.host.take().expect("every call gives its host back");
        let handled = self.instance.handle(&self.event, host);
        self.host = Some(handled.host);
        handled.result.expect("the guest does not fail").len()
    }
}

/// What the probe does for the two triggers that are measured.
fn by_trigger(event: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, model::guest::Failure> {
    let model::Cause::Observation(observation) = &event.cause else { return Ok(Vec::new()) };
    if &*event.trigger == "nothing" {
        return Ok(Vec::new());
    }
    let own = |reading: &model::Reading| {
        let previous = reading.previous.clone().map(|value| (model::Name::from("previous"), value));
        std::iter::once((model::Name::from(reading.capability.name()), reading.value.clone())).chain(previous)
    };
    let timer = model::effect::Timer {
        name: observation.device.clone(),
        due: event.received_at,
        overdue: model::effect::Overdue::FireWithin(model::Span(1)),
        payload: Some(model::Value::Text(event.id.clone())),
        attributes: observation.readings.iter().flat_map(own).collect(),
    };
    Ok(vec![Proposal {
        effect: Effect::SetTimer(timer),
        tag: Some(event.key.clone()),
        because: Some(event.trigger.clone()),
        attributes: event.attributes.clone(),
    }])
}
