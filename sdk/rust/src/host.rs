//! What a rule may ask its host: devices, state, calendar, chance, telemetry.

use std::cell::RefCell;

use crate::event::{Freshness, Quality};
use crate::platform::Platform;
use crate::time::{Instant, Span, TimeOfDay};
use crate::value::{Attributes, Position, Value};

/// What a host is made of. In a component there is only one platform, and calling it directly lets the linker leave
/// out the imports that a rule does not use.
#[cfg(target_arch = "wasm32")]
pub(crate) type Lent<'a> = crate::component::Component<'a>;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) type Lent<'a> = &'a mut dyn Platform;

/// The host, lent to the rule for one event. [`crate::Context`] gives all of it too.
pub struct Host<'a> {
    platform: RefCell<Lent<'a>>,
}

/// What is known of one capability of a device, as of the event.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// The last good one; the JSON text `null`, of quality bad, where there has been none.
    pub value: Value,
    /// UCUM code.
    pub unit: Option<String>,
    /// What was last asked of it, where it is an actuator.
    pub desired: Option<Value>,
    /// When it took this value.
    pub since: Instant,
    /// When it was last reported.
    pub reported: Instant,
    pub quality: Quality,
    pub freshness: Freshness,
    pub attributes: Attributes,
}

/// A window of readings, summed up.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    pub count: u64,
    pub first: f64,
    pub last: f64,
    pub min: f64,
    pub max: f64,
    pub mean: f64,
    /// Weighted by how long each value lasted.
    pub time_mean: f64,
    pub attributes: Attributes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HistoryProblem {
    #[error("the manifest declares no such history")]
    NotDeclared,
    #[error("the capability is not numeric")]
    NotNumeric,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StateProblem {
    #[error("the value is too large for the state")]
    TooLarge,
    #[error("the key's state is full")]
    OverQuota,
}

/// Civil time in a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    /// 1 Monday to 7 Sunday; ignored by [`Host::instant_of`].
    pub weekday: u8,
    /// East of UTC; ignored by [`Host::instant_of`].
    pub offset_minutes: i32,
}

/// Which of two instants with the same civil time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    First,
    Last,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Civil {
    #[must_use]
    pub fn time(&self) -> TimeOfDay {
        TimeOfDay { hour: self.hour, minute: self.minute }
    }
}

impl<'a> Host<'a> {
    pub(crate) fn new(platform: Lent<'a>) -> Self {
        Self { platform: RefCell::new(platform) }
    }

    /// No function of a platform calls back into the rule, so the borrow is never taken twice.
    pub(crate) fn platform<T>(&self, call: impl FnOnce(&mut Lent<'a>) -> T) -> T {
        call(&mut self.platform.borrow_mut())
    }

    /// The last known state of a device that the deployment binds, this event included.
    #[must_use]
    pub fn last(&self, device: &str, capability: &str) -> Option<Known> {
        self.platform(|platform| platform.last(device, capability))
    }

    /// The last known value, unless its quality is bad.
    #[must_use]
    pub fn value(&self, device: &str, capability: &str) -> Option<Value> {
        self.last(device, capability).filter(|known| known.quality != Quality::Bad).map(|known| known.value)
    }

    /// The last known number, in the capability's canonical unit.
    #[must_use]
    pub fn number(&self, device: &str, capability: &str) -> Option<f64> {
        self.value(device, capability)?.number()
    }

    /// The last known boolean.
    #[must_use]
    pub fn boolean(&self, device: &str, capability: &str) -> Option<bool> {
        self.value(device, capability)?.boolean()
    }

    /// The last known position.
    #[must_use]
    pub fn position(&self, device: &str, capability: &str) -> Option<Position> {
        self.value(device, capability)?.position()
    }

    /// Available or not, and since when; none for a device not bound here.
    #[must_use]
    pub fn available(&self, device: &str) -> Option<(bool, Instant)> {
        self.platform(|platform| platform.available(device))
    }

    /// A window that the manifest declares as a history and that ends at the event; none where nothing was reported.
    ///
    /// # Errors
    /// When the window is not declared, or the capability is not numeric.
    pub fn summarise(&self, device: &str, capability: &str, window: Span) -> Result<Option<Summary>, HistoryProblem> {
        self.platform(|platform| platform.summarise(device, capability, window))
    }

    /// The devices that the deployment binds to a role.
    #[must_use]
    pub fn members(&self, role: &str) -> Vec<String> {
        self.platform(|platform| platform.members(role))
    }

    /// Whether any member of a role reports this boolean as true.
    #[must_use]
    pub fn any(&self, role: &str, capability: &str) -> bool {
        self.members(role).iter().any(|device| self.boolean(device, capability) == Some(true))
    }

    /// What the operator says of a device: room, model, position.
    #[must_use]
    pub fn about(&self, device: &str) -> Attributes {
        self.platform(|platform| platform.about(device))
    }

    /// What people call the device: the operator's `name` for it, else its id.
    #[must_use]
    pub fn name_of(&self, device: &str) -> String {
        let name = self.about(device).into_iter().find(|(name, _)| name == "name");
        name.and_then(|(_, value)| value.text().map(str::to_owned)).unwrap_or_else(|| device.to_owned())
    }

    /// The raw value of a state name; [`crate::Slot`] gives a typed one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value> {
        self.platform(|platform| platform.get(name))
    }

    /// Writes a raw value, which is gone after `expires_at`.
    ///
    /// # Errors
    /// When the value is over 64 KiB or the key's state is full.
    pub fn set(&self, name: &str, value: Value, expires_at: Option<Instant>) -> Result<(), StateProblem> {
        self.platform(|platform| platform.set(name, value, expires_at))
    }

    pub fn remove(&self, name: &str) {
        self.platform(|platform| platform.remove(name));
    }

    /// State names with this prefix behind `after`, in byte order, at most `limit`.
    #[must_use]
    pub fn names(&self, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
        self.platform(|platform| platform.names(prefix, after, limit))
    }

    /// Civil time of an instant in an IANA zone; none for an unknown zone.
    #[must_use]
    pub fn local(&self, at: Instant, zone: &str) -> Option<Civil> {
        self.platform(|platform| platform.local(at, zone))
    }

    /// The instant of a civil time; none for an unknown zone or a time that the zone skips.
    #[must_use]
    pub fn instant_of(&self, local: Civil, zone: &str, pass: Pass) -> Option<Instant> {
        self.platform(|platform| platform.instant_of(local, zone, pass))
    }

    /// A number that looks random and is the same in every replay.
    #[must_use]
    pub fn chance(&self) -> u32 {
        self.platform(|platform| platform.chance())
    }

    /// As [`Host::chance`], from 0 up to but not including `end`; 0 where `end` is 0.
    #[must_use]
    pub fn chance_below(&self, end: u32) -> u32 {
        u32::try_from((u64::from(self.chance()) * u64::from(end)) >> 32).expect("a product with a u32, shifted by 32")
    }

    pub fn log(&self, level: Level, message: &str, fields: Attributes) {
        self.platform(|platform| platform.log(level, message, fields));
    }

    pub fn info(&self, message: &str) {
        self.log(Level::Info, message, Attributes::new());
    }

    pub fn warn(&self, message: &str) {
        self.log(Level::Warn, message, Attributes::new());
    }

    /// Adds to a counter that the manifest declares.
    pub fn count(&self, name: &str, by: u64) {
        self.platform(|platform| platform.count(name, by));
    }

    /// Adds a sample to a metric that the manifest declares.
    pub fn observe(&self, name: &str, sample: f64) {
        self.platform(|platform| platform.observe(name, sample));
    }
}
