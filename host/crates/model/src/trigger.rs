//! Triggers: durable conditions that the host evaluates. Here they are already resolved, with numbers in the canonical
//! unit of their capability; the manifest's own spelling is the business of the configuration.

use serde::{Deserialize, Serialize};

use crate::area::Area;
use crate::effect::Overdue;
use crate::window::Window;
use crate::{Capability, Name, Span, Value};

/// One trigger of a deployment. Its state belongs to (deployment, trigger, device).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    /// Unique in its manifest; stands in the event that it causes.
    pub name: Name,
    /// The role whose devices it watches; none for `schedule`, `message` and `custom`.
    pub role: Option<Name>,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Each matching reading.
    Reading {
        /// None: any capability of the role.
        capability: Option<Capability>,
        snapshot: bool,
        late: bool,
    },
    /// The value differs from the last good one.
    Change {
        capability: Capability,
        from: Option<Value>,
        to: Option<Value>,
        /// In the canonical unit, against the last *reported* value, so that slow drift fires.
        deadband: Option<f64>,
        snapshot: bool,
    },
    /// Entering and leaving a band.
    Threshold {
        when: Predicate,
        /// Left out: the opposite of `when`.
        clear: Option<Predicate>,
        snapshot: bool,
        keep: bool,
    },
    /// A predicate has been true for a time.
    Held {
        when: Predicate,
        /// `for` in the manifest.
        duration: Span,
        /// The predicate is unknown this long after the last reading.
        stale: Option<Span>,
        gap: Gap,
        /// The longest unknown time that `Gap::Continue` counts.
        gap_max: Span,
        snapshot: bool,
        keep: bool,
    },
    /// Nothing heard for a time, also from a device that never spoke.
    Silence {
        duration: Span,
    },
    /// Device or gateway gone and back; outages shorter than this cause no event.
    Availability {
        outage_min: Span,
    },
    /// Entering and leaving an area.
    Zone(Zone),
    /// An aggregate over a stretch of readings.
    Window(Box<Window>),
    Schedule(Schedule),
    /// Sunrise, sunset, dawn or dusk.
    Sun(Sun),
    /// A raw message on a topic.
    Message {
        filter: Name,
        /// JSON pointer into the payload that gives the key.
        key_from: Option<Name>,
        /// Also messages that the broker had retained.
        #[serde(default)]
        snapshot: bool,
    },
    /// Another rule's `emit`.
    Custom {
        name: Name,
    },
}

impl Kind {
    /// A level rule: told again what holds at a start, after a gap and after an upgrade.
    #[must_use]
    pub fn keep(&self) -> bool {
        match self {
            Self::Threshold { keep, .. } | Self::Held { keep, .. } | Self::Zone(Zone { keep, .. }) => *keep,
            _ => false,
        }
    }

    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Reading { .. } => "reading",
            Self::Change { .. } => "change",
            Self::Threshold { .. } => "threshold",
            Self::Held { .. } => "held",
            Self::Silence { .. } => "silence",
            Self::Availability { .. } => "availability",
            Self::Zone(_) => "zone",
            Self::Window(_) => "window",
            Self::Schedule(_) => "schedule",
            Self::Sun(_) => "sun",
            Self::Message { .. } => "message",
            Self::Custom { .. } => "custom",
        }
    }
}

/// What unknown time means to a `held` trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gap {
    /// Counts up to `gap_max`, then the run ends.
    #[default]
    Continue,
    /// Does not count.
    Pause,
    /// Ends the run.
    Reset,
}

/// An area and what counts as being in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Zone {
    /// Whose values are positions.
    pub capability: Capability,
    pub area: Area,
    /// How long the device must be in it before it has entered.
    pub dwell: Span,
    /// Fixes that may be further off than this, in metres, are passed over; one that does not say counts.
    pub accuracy_max: Option<f64>,
    /// How far outside, in metres, a device that is in it must be to have left it.
    pub margin: f64,
    pub snapshot: bool,
    pub keep: bool,
}

/// A condition over the twins of one device, or of the devices of one or two roles of one site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Predicate {
    Test {
        /// None: the device that the trigger watches. Another role: that role's device of the same site.
        role: Option<Name>,
        capability: Capability,
        test: Test,
    },
    All(Vec<Predicate>),
    Any(Vec<Predicate>),
}

impl Predicate {
    /// The tests in it, in writing order.
    pub fn tests(&self) -> Vec<(Option<&Name>, Capability, &Test)> {
        match self {
            Self::Test { role, capability, test } => vec![(role.as_ref(), *capability, test)],
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::tests).collect(),
        }
    }
}

/// A test of one value. Numbers are in the canonical unit; a value of another kind fails every ordering.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Test {
    Above(f64),
    AtLeast(f64),
    Below(f64),
    AtMost(f64),
    Equals(Value),
    NotEquals(Value),
    /// Both ends belong to it.
    Within(f64, f64),
    /// Beyond either end.
    Outside(f64, f64),
}

impl Test {
    #[must_use]
    pub fn passes(&self, value: &Value) -> bool {
        let number = || match value {
            Value::Boolean(_) => None,
            other => other.as_f64(),
        };
        match self {
            Self::Above(limit) => number().is_some_and(|n| n > *limit),
            Self::AtLeast(limit) => number().is_some_and(|n| n >= *limit),
            Self::Below(limit) => number().is_some_and(|n| n < *limit),
            Self::AtMost(limit) => number().is_some_and(|n| n <= *limit),
            Self::Equals(wanted) => value.same(wanted),
            Self::NotEquals(unwanted) => !value.same(unwanted),
            Self::Within(low, high) => number().is_some_and(|n| *low <= n && n <= *high),
            Self::Outside(low, high) => number().is_some_and(|n| n < *low || *high < n),
        }
    }

    /// The test in words for people, without the unit.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Above(limit) => format!("above {limit}"),
            Self::AtLeast(limit) => format!("at least {limit}"),
            Self::Below(limit) => format!("below {limit}"),
            Self::AtMost(limit) => format!("at most {limit}"),
            Self::Equals(value) => format!("equals {value}"),
            Self::NotEquals(value) => format!("is not {value}"),
            Self::Within(low, high) => format!("within {low} and {high}"),
            Self::Outside(low, high) => format!("outside {low} and {high}"),
        }
    }
}

/// Civil time: a cron expression in a zone, with a stated policy for downtime and for both DST changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Five (Unix) or six fields.
    pub cron: Name,
    /// IANA name.
    pub zone: Name,
    pub overdue: Overdue,
    pub spring: Spring,
    /// None: a fixed hour runs once, a wildcard hour on both passes.
    pub autumn: Option<Autumn>,
}

/// The sun at a place, on the horizon or six degrees below it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sun {
    pub event: SunEvent,
    /// Microseconds that it comes later than the event, or earlier where negative; at most [`crate::limits::SUN_OFFSET`].
    pub offset: i64,
    /// Degrees, WGS 84.
    pub latitude: f64,
    pub longitude: f64,
    pub overdue: Overdue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SunEvent {
    Sunrise,
    Sunset,
    /// The centre of the sun is six degrees below the horizon and rises: civil dawn.
    Dawn,
    Dusk,
}

impl SunEvent {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Sunrise => "sunrise",
            Self::Sunset => "sunset",
            Self::Dawn => "dawn",
            Self::Dusk => "dusk",
        }
    }
}

/// A civil time that the clocks skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spring {
    /// Runs once, at the end of the gap.
    #[default]
    After,
    Skip,
}

/// A civil time that comes twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Autumn {
    First,
    Last,
    Both,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_belong_to_within_and_not_to_outside() {
        let value = Value::Number(8.0);
        assert!(!Test::Above(8.0).passes(&value));
        assert!(Test::AtLeast(8.0).passes(&value));
        assert!(Test::Within(2.0, 8.0).passes(&value));
        assert!(!Test::Outside(2.0, 8.0).passes(&value));
        assert!(Test::Outside(2.0, 8.0).passes(&Value::Number(8.1)));
    }

    #[test]
    fn a_value_of_another_kind_fails_every_ordering() {
        for test in [Test::Above(-1e9), Test::Below(1e9), Test::Within(-1e9, 1e9)] {
            assert!(!test.passes(&Value::text("warm")));
            assert!(!test.passes(&Value::Boolean(true)));
        }
    }
}
