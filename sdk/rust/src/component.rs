//! The component side: bindings, and the functions that the macros export. Present on wasm only.

#[cfg(feature = "allocator")]
mod allocator;
pub mod bindings;
mod lift;
mod lower;
mod platform;

use std::cell::OnceCell;
use std::rc::Rc;

pub use bindings::types::Event;

use crate::context::Context;
use crate::host::{Host, Level};
use crate::platform::Platform as _;
use crate::rule::{Migrate, Rule};
use crate::value::Attributes;
use bindings::types;
pub(crate) use platform::Component;

/// The answer of the exported `handle`.
pub type Handled = Result<Vec<types::Proposal>, types::Failure>;

/// The settings of an instance, read at its first event.
pub struct Settings<R: Rule>(OnceCell<Rc<R::Settings>>);

impl<R: Rule> Settings<R> {
    #[must_use]
    pub const fn new() -> Self {
        Self(OnceCell::new())
    }

    fn get(&self) -> Result<Rc<R::Settings>, types::Failure> {
        if let Some(settings) = self.0.get() {
            return Ok(Rc::clone(settings));
        }
        let json = bindings::rule::pointsman::rules::settings::json();
        let settings = Rc::new(crate::rule_settings(&json).map_err(types::Failure::Configuration)?);
        Ok(Rc::clone(self.0.get_or_init(|| settings)))
    }
}

impl<R: Rule> Default for Settings<R> {
    fn default() -> Self {
        Self::new()
    }
}

/// # Errors
/// When the settings are not of the rule's shape, or its own check refuses them.
pub fn validate<R: Rule>(settings: &str) -> Result<(), String> {
    log_panics();
    R::validate(&crate::rule_settings(settings)?)
}

/// # Errors
/// The rule's own failure.
pub fn handle<R: Rule>(settings: &Settings<R>, event: Event) -> Handled {
    log_panics();
    let settings = settings.get()?;
    let event = lift::event(event);
    let context = Context::new(settings, &event, Component::new());
    R::handle(&context, &event).map_err(lower::failure)?;
    Ok(context.into_proposals().into_iter().map(lower::proposal).collect())
}

/// # Errors
/// The rule's own sentence.
pub fn upgrade<R: Migrate>(old_version: u32) -> Result<(), String> {
    log_panics();
    R::upgrade(&Host::new(Component::new()), old_version)
}

/// A trap says only where; the rule's log then says what. An instance that lives on sets the hook again, unharmed.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        Component::new().log(Level::Error, &panic.to_string(), Attributes::new());
    }));
}
