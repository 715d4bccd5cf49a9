//! `rule.toml` as it is written, defaults filled in, nothing resolved.

use std::collections::BTreeMap;

use model::deployment::{KeyKind, Lifecycle, World};
use model::trigger::{Autumn, Gap, Spring, SunEvent};
use model::window::{Aggregate, By};
use model::{Capability, Name, Span};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) rule: Rule,
    pub(crate) roles: BTreeMap<Name, Role>,
    /// Still with placeholders.
    pub(crate) trigger: Vec<Json>,
    pub(crate) requests: Requests,
    pub(crate) history: Vec<History>,
    pub(crate) settings: Map<String, Json>,
    pub(crate) limits: Limits,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Rule {
    pub(crate) id: Name,
    pub(crate) version: String,
    pub(crate) world: World,
    pub(crate) description: Name,
    pub(crate) key: KeyKind,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) state_version: u32,
    pub(crate) completions: Vec<Name>,
    pub(crate) metrics: Vec<Name>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Role {
    pub(crate) capabilities: Vec<Capability>,
    pub(crate) many: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Requests {
    /// Each a text, or a table from it to the ranges of its arguments.
    pub(crate) commands: Vec<Json>,
    pub(crate) notifications: Vec<Notification>,
    pub(crate) publish: Vec<Name>,
    pub(crate) emit: Vec<Name>,
    pub(crate) traits: Vec<Name>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Notification {
    pub(crate) template: Name,
    pub(crate) purpose: Name,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct History {
    pub(crate) role: Name,
    pub(crate) capability: Capability,
    pub(crate) window: Span,
    pub(crate) buckets: u16,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) effects_per_minute: Option<u64>,
    pub(crate) effects_per_event: Option<u64>,
    pub(crate) fuel_per_event: Option<u64>,
    pub(crate) memory: Option<String>,
}

/// One trigger, its placeholders filled.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub(crate) enum Trigger {
    Reading {
        name: Name,
        role: Name,
        capability: Option<Capability>,
        snapshot: bool,
        late: bool,
    },
    Change {
        name: Name,
        role: Name,
        capability: Capability,
        from: Option<Json>,
        to: Option<Json>,
        deadband: Option<Json>,
        snapshot: bool,
    },
    Threshold {
        name: Name,
        role: Name,
        when: Box<Predicate>,
        clear: Option<Box<Predicate>>,
        snapshot: bool,
        keep: bool,
    },
    Held {
        name: Name,
        role: Name,
        when: Box<Predicate>,
        r#for: Span,
        stale: Option<Span>,
        gap: Gap,
        gap_max: Option<Span>,
        snapshot: bool,
        keep: bool,
    },
    Silence {
        name: Name,
        role: Name,
        r#for: Span,
    },
    Availability {
        name: Name,
        role: Name,
        outage_min: Span,
    },
    Zone(Box<Zone>),
    Window(Box<Window>),
    Schedule {
        name: Name,
        cron: Name,
        zone: Option<Name>,
        overdue: Json,
        spring: Spring,
        autumn: Option<Autumn>,
    },
    Sun {
        name: Name,
        event: SunEvent,
        offset: Option<Name>,
        overdue: Json,
    },
    Message {
        name: Name,
        filter: Name,
        key_from: Option<Name>,
        snapshot: bool,
    },
    Custom {
        name: Name,
        emission: Option<Name>,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Predicate {
    pub(crate) role: Option<Name>,
    pub(crate) capability: Option<Capability>,
    pub(crate) above: Option<Json>,
    pub(crate) at_least: Option<Json>,
    pub(crate) below: Option<Json>,
    pub(crate) at_most: Option<Json>,
    pub(crate) equals: Option<Json>,
    pub(crate) not_equals: Option<Json>,
    pub(crate) within: Option<Vec<Json>>,
    pub(crate) outside: Option<Vec<Json>>,
    pub(crate) all: Option<Vec<Predicate>>,
    pub(crate) any: Option<Vec<Predicate>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Zone {
    pub(crate) name: Name,
    pub(crate) role: Name,
    pub(crate) capability: Capability,
    pub(crate) area: Area,
    pub(crate) dwell: Span,
    pub(crate) accuracy_max: Option<Json>,
    pub(crate) margin: Json,
    pub(crate) snapshot: bool,
    pub(crate) keep: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Area {
    pub(crate) circle: Option<Circle>,
    /// Latitude and longitude of each corner.
    pub(crate) polygon: Option<Vec<Vec<f64>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Circle {
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
    pub(crate) radius: Json,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Window {
    pub(crate) name: Name,
    pub(crate) role: Name,
    pub(crate) window: Frame,
    pub(crate) capability: Capability,
    pub(crate) aggregate: Aggregate,
    pub(crate) when: Option<Box<Predicate>>,
    /// A duration or a number of readings.
    pub(crate) size: Option<Json>,
    pub(crate) advance: Option<Span>,
    pub(crate) idle: Option<Span>,
    pub(crate) r#while: Option<Box<Predicate>>,
    pub(crate) lateness: Span,
    pub(crate) by: By,
    pub(crate) snapshot: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Frame {
    Tumbling,
    Sliding,
    Session,
    Count,
    State,
}

impl Frame {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Tumbling => "tumbling",
            Self::Sliding => "sliding",
            Self::Session => "session",
            Self::Count => "count",
            Self::State => "state",
        }
    }
}
