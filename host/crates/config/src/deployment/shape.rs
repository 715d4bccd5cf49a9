//! The keys of `deployments/NAME.toml`.

use crate::manifest::COMMAND;
use crate::schema::{Form, KEBAB, Key, Kind, Shape, default, otherwise, required};

pub(crate) static DEPLOYMENT: Shape = Shape {
    keys: &[
        required("deployment", Kind::Table(&DECISION), "which package"),
        default(
            "roles",
            ROLES,
            "{}",
            "devices by role: a list of ids, or a selector over id, kind, site and about.NAME with `=`, `!=`, `and`, `or`, `not`; a selector takes only devices that have the role's capabilities",
        ),
        default("settings", SETTINGS, "{}", "the rule's settings; those left out take the manifest's default"),
        default("grants", Kind::Table(&GRANTS), "{}", "powers that the rule gets of those that it asks for"),
    ],
};

pub(crate) const ROLES: Kind =
    Kind::Map(Form::Kebab, &Kind::Either(&[Kind::List(&Kind::Text(Form::DeviceId)), Kind::Text(Form::Selector)]));
pub(crate) const SETTINGS: Kind = Kind::Map(Form::Field, &Kind::Any);

static DECISION: Shape = Shape {
    keys: &[
        required("package", Kind::Text(Form::File), "the package's file, relative to the folder of `pointsman.toml`"),
        otherwise(
            "digest",
            Kind::Text(Form::Digest),
            "none; required outside development mode",
            "SHA-256 of that file; another file is refused",
        ),
        default("shadow", Kind::Boolean, "false", "must be false for now"),
        COMPATIBILITY,
        default(
            "accept-loops",
            Kind::Boolean,
            "false",
            "whether it may be one of several deployments of which each can wake the next and the last the first",
        ),
    ],
};

/// Of a deployment, and of the one in which a rule's scenarios run.
pub(crate) const COMPATIBILITY: Key = default(
    "compatibility",
    Kind::Boolean,
    "false",
    "whether the package may import WASI, which is then virtual and denies everything",
);

pub(crate) static GRANTS: Shape = Shape {
    keys: &[
        default(
            "commands",
            Kind::List(&Kind::Either(&[Kind::Text(Form::RoleAction), COMMAND])),
            "[]",
            "ROLE:ACTION, or { \"ROLE:ACTION\" = { ARGUMENT = \"0..50\" } } to narrow its arguments",
        ),
        default("notifications", Kind::List(&KEBAB), "[]", "templates that it may send"),
        default(
            "publish",
            Kind::List(&Kind::Text(Form::Filter)),
            "[]",
            "topics that it may publish to; never those of a device",
        ),
        default("emit", Kind::List(&KEBAB), "[]", "names of events for other rules"),
        default(
            "priority",
            Kind::Text(Form::Range),
            "\"9..16\"",
            "priorities of its commands, whole numbers within 1..16; the lower wins, the upper end is used where the rule names none",
        ),
        default(
            "hours",
            Kind::Map(Form::RoleAction, &Kind::Text(Form::Hours)),
            "{}",
            "when a granted command may be given, by ROLE:ACTION: from the first minute on, before the second; commands that are not listed may be given at any time",
        ),
        otherwise("zone", Kind::Text(Form::Zone), "the host's", "civil time of `hours`"),
    ],
};
