//! The keys of `rule.toml`, but for its triggers and settings.

use super::settings::PROPERTY;
use super::trigger_shape::TRIGGER;
use crate::schema::{COUNT, FREE, Form, KEBAB, Kind, Shape, default, otherwise, required};

pub(crate) static MANIFEST: Shape = Shape {
    keys: &[
        required("rule", Kind::Table(&RULE), "what the rule is"),
        default(
            "roles",
            Kind::Map(Form::Kebab, &Kind::Table(&ROLE)),
            "{}",
            "what the rule needs, by the name it uses; the deployment binds devices to it; a role that only a command names needs no entry",
        ),
        default(
            "trigger",
            Kind::List(&Kind::Open(&TRIGGER)),
            "[]",
            "conditions that wake the rule, in this order; `${name}` in a text stands for that setting",
        ),
        default("requests", Kind::Table(&REQUESTS), "{}", "powers that it asks for; nothing else is possible"),
        default("history", Kind::List(&Kind::Table(&HISTORY)), "[]", "windows that the rule may ask for summaries of"),
        default(
            "settings",
            Kind::Map(Form::Field, &Kind::Table(&PROPERTY)),
            "{}",
            "the deployment's settings, each a JSON Schema",
        ),
        default("limits", Kind::Table(&LIMITS), "{}", "limits, tightened against the host's"),
    ],
};

pub(crate) static RULE: Shape = Shape {
    keys: &[
        required("id", KEBAB, "the rule's name, the same in all its versions"),
        required("version", Kind::Text(Form::Version), "semantic version, compared as one"),
        default(
            "world",
            Kind::Word(&["rule", "engagement", "codec", "interlock"]),
            "\"rule\"",
            "which world of the contract the component targets",
        ),
        default("description", FREE, "\"\"", "one line for people"),
        default(
            "key",
            Kind::Word(&["device", "site", "person", "one"]),
            "\"device\"",
            "the unit of order and of state; \"person\" is refused until there are persons and consent",
        ),
        default("lifecycle", Kind::Word(&["event", "turn", "warm"]), "\"turn\"", "how long an instance lives"),
        default(
            "state-version",
            Kind::Integer(1, u32::MAX as i64),
            "1",
            "raised when the form of the rule's state changes",
        ),
        default(
            "completions",
            Kind::List(&Kind::Word(&[
                "accepted",
                "confirmed",
                "delivered",
                "refused",
                "expired",
                "superseded",
                "failed",
            ])),
            "[\"refused\", \"failed\", \"expired\", \"superseded\"]",
            "which outcomes of its effects wake the rule",
        ),
        default("metrics", Kind::List(&KEBAB), "[]", "names that the rule may count and observe, at most 32"),
    ],
};

pub(crate) static ROLE: Shape = Shape {
    keys: &[
        default(
            "capabilities",
            Kind::List(&Kind::Text(Form::Capability)),
            "[]",
            "what each bound device must be able to report; empty for any",
        ),
        default(
            "many",
            Kind::Boolean,
            "false",
            "whether several devices may be bound; with key \"site\", one a site is not several",
        ),
    ],
};

pub(crate) static REQUESTS: Shape = Shape {
    keys: &[
        default(
            "commands",
            Kind::List(&Kind::Either(&[Kind::Text(Form::RoleAction), COMMAND])),
            "[]",
            "ROLE:ACTION, or { \"ROLE:ACTION\" = { ARGUMENT = \"0..50\" } } with the allowed range, or list of values, of an argument",
        ),
        default("notifications", Kind::List(&Kind::Table(&NOTIFICATION)), "[]", "templates that it may send"),
        default(
            "publish",
            Kind::List(&Kind::Text(Form::Filter)),
            "[]",
            "topics that it may publish to; never those of a device",
        ),
        default("emit", Kind::List(&KEBAB), "[]", "names of events for other rules"),
        default("traits", Kind::List(&KEBAB), "[]", "traits of persons that it reads, in world \"engagement\" only"),
    ],
};

/// A command with the ranges of its arguments.
pub(crate) const COMMAND: Kind = Kind::Map(Form::RoleAction, &Kind::Map(Form::Field, &ARGUMENT));
const ARGUMENT: Kind = Kind::Either(&[Kind::Text(Form::Range), Kind::List(&Kind::Scalar)]);

static NOTIFICATION: Shape = Shape {
    keys: &[
        required("template", KEBAB, "a template's name"),
        required("purpose", KEBAB, "what it is for; must be the template's own purpose"),
    ],
};

static HISTORY: Shape = Shape {
    keys: &[
        required("role", KEBAB, "whose devices"),
        required("capability", Kind::Text(Form::Capability), "which readings"),
        required("window", Kind::Text(Form::Duration), "how far back, at most 31d"),
        default(
            "buckets",
            Kind::Integer(1, super::BUCKETS_MAX as i64),
            "60",
            "parts in which the window is kept; summaries are rounded to them",
        ),
    ],
};

static LIMITS: Shape = Shape {
    keys: &[
        otherwise(
            "effects-per-minute",
            COUNT,
            "the host's, 6000",
            "effects of one deployment and partition in a minute",
        ),
        otherwise("effects-per-event", COUNT, "the host's, 64", "effects of one event"),
        otherwise("fuel-per-event", COUNT, "the host's, 20000000", "fuel of one event"),
        otherwise("memory", Kind::Text(Form::Size), "the host's, 64 MiB", "linear memory of one instance"),
    ],
};
