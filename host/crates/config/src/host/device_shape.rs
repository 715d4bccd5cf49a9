//! The keys of `[[device]]`.

use crate::schema::{DURATION, FREE, Form, KEBAB, Kind, Shape, default, optional, otherwise, required};

pub(crate) static DEVICE: Shape = Shape {
    keys: &[
        required("id", Kind::Text(Form::DeviceId), "its name; with parts such as `{n}` it is the pattern of a fleet"),
        required("kind", KEBAB, "what it is, such as thermometer; selectors compare it"),
        otherwise("site", Kind::Text(Form::DeviceId), "the host's", "the place whose devices belong together"),
        optional("source", Kind::Table(&SOURCE), "where its readings come from"),
        optional("availability", Kind::Table(&AVAILABILITY), "where it says that it is there"),
        default("commands", Kind::Map(Form::Kebab, &Kind::Table(&ACTION)), "{}", "what it can be told, by action"),
        default("confirm", Kind::Table(&CONFIRM), "{}", "how it confirms what it was told"),
        default(
            "about",
            Kind::Map(Form::Field, &Kind::Scalar),
            "{}",
            "what else is to be said of it; rules read it and selectors compare it as about.NAME",
        ),
    ],
};

static SOURCE: Shape = Shape {
    keys: &[
        otherwise("connection", KEBAB, "whichever it comes by", "the `[[mqtt]]` by name, or \"broker\""),
        required("topic", Kind::Text(Form::Topic), "the MQTT topic of its messages"),
        default(
            "readings",
            Kind::Map(Form::Capability, &Kind::Table(&READING)),
            "{}",
            "what its payload holds, by capability",
        ),
        optional(
            "time",
            Kind::Text(Form::Pointer),
            "JSON pointer to its own time: RFC 3339, or Unix seconds, milliseconds or microseconds",
        ),
        optional("id", Kind::Text(Form::Pointer), "JSON pointer to its own message id or counter"),
    ],
};

static READING: Shape = Shape {
    keys: &[
        default(
            "path",
            Kind::Text(Form::Pointer),
            "\"\"",
            "JSON pointer into the payload; empty where the payload is the value",
        ),
        otherwise(
            "unit",
            Kind::Text(Form::Unit),
            "the capability's own",
            "the unit of the payload; converted to the capability's own",
        ),
        default(
            "values",
            Kind::Map(Form::Free, &Kind::Scalar),
            "{}",
            "values by the text in the payload, such as ON = true; other texts are bad readings",
        ),
    ],
};

static AVAILABILITY: Shape = Shape {
    keys: &[
        required("topic", Kind::Text(Form::Topic), "the MQTT topic"),
        default("online", FREE, "\"online\"", "the payload of a device that is there"),
        default("offline", FREE, "\"offline\"", "the payload of one that is gone"),
    ],
};

/// Either sets a capability or is momentary.
static ACTION: Shape = Shape {
    keys: &[
        optional("capability", Kind::Text(Form::Capability), "what the device reports afterwards"),
        otherwise(
            "value",
            Kind::Scalar,
            "the command's argument `value`",
            "the value that it then reports; a quantity where the capability has a unit",
        ),
        default("momentary", Kind::Boolean, "false", "a pulse or a toggle: sent at most once, never confirmed"),
        default(
            "idempotent",
            Kind::Boolean,
            "false",
            "a momentary action that may be sent again after an unknown result: getting one command twice does no more than once, as the device knows its id",
        ),
        default(
            "expires",
            DURATION,
            "\"5m\"",
            "how long a command waits for its device where its rule names no end; above nothing, at most 24h",
        ),
        required("topic", Kind::Text(Form::Topic), "the MQTT topic"),
        required(
            "payload",
            FREE,
            "what is sent; a template over the command's arguments, such as `{{ value }}`, and over `device`, `effect` (the id that stays the same on each attempt) and `command` (all of it as JSON)",
        ),
    ],
};

static CONFIRM: Shape = Shape {
    keys: &[
        default("within", DURATION, "\"10s\"", "how long it may take to report what it was told"),
        default(
            "retries",
            Kind::Integer(0, super::RETRIES_MAX as i64),
            "0",
            "how often an unconfirmed command is sent again",
        ),
    ],
};
