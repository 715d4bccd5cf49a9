//! The keys of `[[trigger]]`, one table for each kind.

use crate::schema::{DURATION, Form, KEBAB, Key, Kind, Shape, default, optional, otherwise, required};

pub(crate) const TRIGGER: Kind = Kind::Variant(&[
    ("reading", &READING),
    ("change", &CHANGE),
    ("threshold", &THRESHOLD),
    ("held", &HELD),
    ("silence", &SILENCE),
    ("availability", &AVAILABILITY),
    ("zone", &ZONE),
    ("window", &WINDOW),
    ("schedule", &SCHEDULE),
    ("sun", &SUN),
    ("message", &MESSAGE),
    ("custom", &CUSTOM),
]);

const NAME: Key = required("name", KEBAB, "unique in the manifest; stands in the event");
const KIND: Key = required("kind", KEBAB, "which of these tables it is");
const ROLE: Key = required("role", KEBAB, "whose devices it watches");
const SNAPSHOT: Key =
    default("snapshot", Kind::Boolean, "false", "whether retained or polled state may begin something");
const KEEP: Key = default(
    "keep",
    Kind::Boolean,
    "false",
    "a level rule: told again what holds at a start, after a gap and after an upgrade",
);
const CAPABILITY: Kind = Kind::Text(Form::Capability);
const WHEN: Key = required("when", Kind::Table(&PREDICATE), "the condition");
const AMOUNT: Kind = Kind::Either(&[Kind::Text(Form::Quantity), Kind::Number(f64::MIN, f64::MAX)]);
const BAND: Kind = Kind::List(&AMOUNT);

static READING: Shape = Shape {
    keys: &[
        NAME,
        KIND,
        ROLE,
        otherwise("capability", CAPABILITY, "any of the role", "which readings"),
        SNAPSHOT,
        default("late", Kind::Boolean, "false", "whether readings older than the lateness wake the rule too"),
    ],
};

static CHANGE: Shape = Shape {
    keys: &[
        NAME,
        KIND,
        ROLE,
        required("capability", CAPABILITY, "which value"),
        optional("from", Kind::Scalar, "only changes from this value"),
        optional("to", Kind::Scalar, "only changes to this value"),
        optional("deadband", AMOUNT, "the least difference from the value last reported to the rule"),
        SNAPSHOT,
    ],
};

static THRESHOLD: Shape = Shape {
    keys: &[
        NAME,
        KIND,
        ROLE,
        WHEN,
        otherwise(
            "clear",
            Kind::Table(&PREDICATE),
            "the opposite of `when`",
            "ends it; takes the capability of `when` where it names none",
        ),
        SNAPSHOT,
        KEEP,
    ],
};

static HELD: Shape = Shape {
    keys: &[
        NAME,
        KIND,
        ROLE,
        WHEN,
        required("for", DURATION, "how long it must be true without a break"),
        optional("stale", DURATION, "the condition is unknown this long after the last reading"),
        default(
            "gap",
            Kind::Word(&["continue", "pause", "reset"]),
            "\"continue\"",
            "what unknown time means: it counts up to `gap-max`, does not count, or ends the run",
        ),
        otherwise("gap-max", DURATION, "`stale`, else 5m", "the longest unknown time that counts"),
        SNAPSHOT,
        KEEP,
    ],
};

static SILENCE: Shape =
    Shape { keys: &[NAME, KIND, ROLE, required("for", DURATION, "how long nothing was heard; more than nothing")] };

static AVAILABILITY: Shape =
    Shape { keys: &[NAME, KIND, ROLE, default("outage-min", DURATION, "\"30s\"", "shorter outages cause no event")] };

static ZONE: Shape = Shape {
    keys: &[
        NAME,
        KIND,
        ROLE,
        default("capability", CAPABILITY, "\"position\"", "whose values are positions"),
        required("area", Kind::Table(&AREA), "the place: a circle or a polygon; its edge belongs to it"),
        default("dwell", DURATION, "\"0s\"", "how long a device must be in it, by its own time, before it has entered"),
        optional("accuracy-max", AMOUNT, "fixes that may be further off than this are passed over, such as \"100 m\""),
        default("margin", AMOUNT, "\"0 m\"", "how far outside a device that is in it must be to have left it"),
        SNAPSHOT,
        KEEP,
    ],
};

static AREA: Shape = Shape {
    keys: &[
        optional("circle", Kind::Table(&CIRCLE), "everything near a point"),
        optional(
            "polygon",
            Kind::List(&Kind::List(&Kind::Number(-180.0, 180.0))),
            "3 to 256 corners in order, each a latitude and a longitude in degrees",
        ),
    ],
};

static CIRCLE: Shape = Shape {
    keys: &[
        required("latitude", Kind::Number(-90.0, 90.0), "of its centre, in degrees, WGS 84"),
        required("longitude", Kind::Number(-180.0, 180.0), "of its centre, in degrees, WGS 84"),
        required("radius", AMOUNT, "such as \"150 m\"; at most 100 km"),
    ],
};

static WINDOW: Shape = Shape {
    keys: &[
        NAME,
        KIND,
        ROLE,
        required(
            "window",
            Kind::Word(&["tumbling", "sliding", "session", "count", "state"]),
            "which readings belong together: one stretch after another, overlapping ones, until nothing came for a while, so many, or as long as a condition is true",
        ),
        required("capability", CAPABILITY, "which readings it gathers"),
        required(
            "aggregate",
            Kind::Word(&["count", "sum", "mean", "min", "max", "range", "change"]),
            "what is told of them; range is the greatest less the smallest, change the last less the first",
        ),
        otherwise(
            "when",
            Kind::Table(&AGGREGATE),
            "every window that holds a reading is told",
            "what the aggregate must satisfy: begins with the first window that does, ends with the next that does not",
        ),
        optional(
            "size",
            Kind::Either(&[DURATION, Kind::Integer(1, 1_000_000)]),
            "of a tumbling or sliding window, at most 31d, counted from 1970-01-01 UTC; or how many readings a count window holds",
        ),
        optional("advance", DURATION, "how often a sliding window starts; a part of its size, at most 60 of them"),
        optional("idle", DURATION, "a session ends when nothing came for this long"),
        optional("while", Kind::Table(&PREDICATE), "the condition of a state window"),
        default(
            "lateness",
            DURATION,
            "\"0s\"",
            "how long after its end a window still takes readings that come late; at most its size or idle time",
        ),
        default(
            "by",
            Kind::Word(&["device", "role"]),
            "\"device\"",
            "a window for each device, or one for all devices of the role that have one key",
        ),
        default("snapshot", Kind::Boolean, "false", "whether retained or polled state counts as a reading"),
    ],
};

/// Exactly one test.
static AGGREGATE: Shape = Shape {
    keys: &[
        optional("above", AMOUNT, "greater than this"),
        optional("at-least", AMOUNT, "this or greater"),
        optional("below", AMOUNT, "less than this"),
        optional("at-most", AMOUNT, "this or less"),
        optional("within", BAND, "between two values; both ends belong to it"),
        optional("outside", BAND, "beyond either of two values"),
    ],
};

const POLICY: Kind = Kind::Either(&[Kind::Word(&["fire", "fire-within", "skip"]), Kind::Table(&OVERDUE)]);
const OVERDUE_POLICY: Key = default(
    "overdue",
    POLICY,
    "\"fire-within\"",
    "what happens to one that came due while the host was down; \"fire-within\" alone means 1h",
);

static SCHEDULE: Shape = Shape {
    keys: &[
        NAME,
        KIND,
        required(
            "cron",
            Kind::Text(Form::Cron),
            "five fields, or six with seconds first; days of the week 0 to 7, 1 is Monday",
        ),
        otherwise("zone", Kind::Text(Form::Zone), "the host's", "whose civil time it means"),
        OVERDUE_POLICY,
        default(
            "spring",
            Kind::Word(&["after", "skip"]),
            "\"after\"",
            "a civil time that the clocks skip: once at the end of the gap, or not at all",
        ),
        otherwise(
            "autumn",
            Kind::Word(&["first", "last", "both"]),
            "a fixed hour first, a wildcard hour both",
            "a civil time that comes twice",
        ),
    ],
};

static SUN: Shape = Shape {
    keys: &[
        NAME,
        KIND,
        required(
            "event",
            Kind::Word(&["sunrise", "sunset", "dawn", "dusk"]),
            "at the host's site, which needs its latitude and longitude; dawn and dusk are civil. On a day without it the rule is told at solar noon, with `polar-day` or `polar-night`",
        ),
        optional("offset", Kind::Text(Form::Offset), "comes this much later, or earlier with a `-`; at most 12h"),
        OVERDUE_POLICY,
    ],
};

static OVERDUE: Shape = Shape { keys: &[required("fire-within", DURATION, "fires when it is at most this late")] };

static MESSAGE: Shape = Shape {
    keys: &[
        NAME,
        KIND,
        required("filter", Kind::Text(Form::Filter), "topics whose messages wake the rule"),
        optional(
            "key-from",
            Kind::Text(Form::Pointer),
            "JSON pointer into the payload that gives the key; required unless the rule's key is \"one\"",
        ),
        default("snapshot", Kind::Boolean, "false", "whether messages that the broker had retained wake the rule too"),
    ],
};

static CUSTOM: Shape = Shape {
    keys: &[
        NAME,
        KIND,
        otherwise("emission", KEBAB, "the trigger's name", "the name under which the other rule emits"),
    ],
};

/// Exactly one test, `all` or `any`.
pub(crate) static PREDICATE: Shape = Shape {
    keys: &[
        otherwise("role", KEBAB, "the device that the trigger watches", "another role: its device of the same site"),
        optional("capability", CAPABILITY, "which value is tested"),
        optional("above", AMOUNT, "greater than this"),
        optional("at-least", AMOUNT, "this or greater"),
        optional("below", AMOUNT, "less than this"),
        optional("at-most", AMOUNT, "this or less"),
        optional("equals", Kind::Scalar, "this value"),
        optional("not-equals", Kind::Scalar, "any other value"),
        optional("within", BAND, "between two values; both ends belong to it"),
        optional("outside", BAND, "beyond either of two values"),
        optional("all", Kind::List(&Kind::Table(&PREDICATE)), "conditions that must all be true"),
        optional("any", Kind::List(&Kind::Table(&PREDICATE)), "conditions of which one must be true"),
    ],
};
