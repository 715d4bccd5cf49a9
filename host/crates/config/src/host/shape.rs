//! The keys of `pointsman.toml`, but for its devices.

use super::device_shape::DEVICE;
use crate::schema::{DURATION, FREE, Form, KEBAB, Kind, Shape, default, optional, otherwise, required};

pub(crate) static HOST: Shape = Shape {
    keys: &[
        default("host", Kind::Table(&IDENTITY), "{}", "the host itself"),
        optional("broker", Kind::Table(&BROKER), "the embedded broker; there by default when no `[[mqtt]]` is"),
        default("mqtt", Kind::List(&Kind::Table(&SERVER)), "[]", "external brokers"),
        default("api", Kind::Table(&API), "{}", "the HTTP interface"),
        default("commands", Kind::Table(&COMMANDS), "{}", "commands that a device does not declare"),
        default("device", Kind::List(&Kind::Table(&DEVICE)), "[]", "declared devices"),
        default(
            "sink",
            Kind::List(&Kind::Table(&SINK)),
            "[]",
            "where notifications go; exactly one of `webhook` and `mqtt` each",
        ),
        default("group", Kind::List(&Kind::Table(&GROUP)), "[]", "people on duty"),
        default("store", Kind::Table(&STORE), "{}", "how the store commits"),
        default("retention", Kind::Table(&RETENTION), "{}", "how long records are kept"),
    ],
};

static IDENTITY: Shape = Shape {
    keys: &[
        default("name", KEBAB, "\"pointsman\"", "how the host calls itself towards brokers and in logs"),
        default(
            "data",
            Kind::Text(Form::File),
            "\"data\"",
            "folder of journal, state and caches, relative to this file",
        ),
        default("site", Kind::Table(&SITE), "{}", "where the host stands"),
        default(
            "partitions",
            Kind::Integer(1, super::PARTITIONS_MAX as i64),
            "16",
            "parts in which work may run side by side; fixed once the data folder exists",
        ),
        default("development", Kind::Boolean, "false", "whether deployments may leave out the digest of their package"),
        default(
            "sampler",
            Kind::Number(0.0, 1.0),
            "0.01",
            "share of events that run again on a fresh instance, to find rules that keep something in their memory",
        ),
    ],
};

pub(crate) static SITE: Shape = Shape {
    keys: &[
        otherwise("name", Kind::Text(Form::DeviceId), "the host's name", "the site of devices that name none"),
        default("zone", Kind::Text(Form::Zone), "\"UTC\"", "civil time of schedules that name no zone"),
        optional("latitude", Kind::Number(-90.0, 90.0), "degrees, WGS 84; together with the longitude"),
        optional("longitude", Kind::Number(-180.0, 180.0), "degrees, WGS 84; together with the latitude"),
    ],
};

static BROKER: Shape = Shape {
    keys: &[default("listen", Kind::Text(Form::Address), "\"127.0.0.1:1883\"", "where it listens; loopback only")],
};

static SERVER: Shape = Shape {
    keys: &[
        required("name", KEBAB, "how devices and sinks name this connection; \"broker\" is the embedded one"),
        required("url", Kind::Text(Form::MqttUrl), "where the broker is; without a port 1883, or 8883 for mqtts"),
        default("version", Kind::Word(&["3.1.1", "5"]), "\"5\"", "the version of MQTT that it speaks"),
        default(
            "subscribe",
            Kind::List(&Kind::Text(Form::Filter)),
            "[]",
            "filters beside the topics of declared devices; of all that overlap one is subscribed that covers them",
        ),
        optional("credentials", Kind::Table(&CREDENTIALS), "how the host identifies itself"),
        optional(
            "ca-file",
            Kind::Text(Form::File),
            "certificates to trust in place of the system's, as PEM; mqtts only",
        ),
        optional(
            "certificate-file",
            Kind::Text(Form::File),
            "the host's own certificate, as PEM; together with `key-file`",
        ),
        optional("key-file", Kind::Text(Form::File), "its private key, as PEM; together with `certificate-file`"),
    ],
};

static CREDENTIALS: Shape = Shape {
    keys: &[
        required("user", Kind::Text(Form::Filled), "user name"),
        required(
            "password-file",
            Kind::Text(Form::File),
            "file whose text is the password; one line end at its end is left out",
        ),
    ],
};

static API: Shape = Shape {
    keys: &[
        default("listen", Kind::Text(Form::Address), "\"127.0.0.1:8080\"", "where it listens; loopback only"),
        default(
            "names",
            Kind::List(&Kind::Text(Form::Filled)),
            "[]",
            "further values of the `Host` header that are answered",
        ),
    ],
};

static COMMANDS: Shape = Shape {
    keys: &[optional(
        "topic",
        Kind::Text(Form::Topic),
        "where an action that its device does not declare is published as our own JSON, over the device's connection; `{device}` stands for its id; without a topic such a command is refused",
    )],
};

static SINK: Shape = Shape {
    keys: &[
        required("name", KEBAB, "how groups name it"),
        optional("webhook", Kind::Table(&WEBHOOK), "an HTTP receiver, signed as Standard Webhooks says"),
        optional("mqtt", Kind::Table(&TOPIC), "JSON to one topic"),
    ],
};

static WEBHOOK: Shape = Shape {
    keys: &[
        required("url", Kind::Text(Form::WebUrl), "where it is posted"),
        required(
            "secret-file",
            Kind::Text(Form::File),
            "file whose text is the signing secret: `whsec_` and a base64 text, as the receiver has it",
        ),
        optional(
            "ca-file",
            Kind::Text(Form::File),
            "certificates to trust in place of the system's, as PEM; https only",
        ),
    ],
};

static TOPIC: Shape = Shape {
    keys: &[
        required("topic", Kind::Text(Form::Topic), "where it is published"),
        otherwise("connection", KEBAB, "the only connection", "the `[[mqtt]]` by name, or \"broker\""),
    ],
};

pub(crate) static GROUP: Shape = Shape {
    keys: &[
        required("name", KEBAB, "how rules name it"),
        default("sinks", Kind::List(&KEBAB), "[]", "the sinks that reach it"),
    ],
};

static STORE: Shape = Shape {
    keys: &[default(
        "linger",
        DURATION,
        "\"0ms\"",
        "how long a first input waits for others before a turn runs them all, at most 1m; 256 inputs or 512 KiB end the wait; 20ms suits flash cards",
    )],
};

static RETENTION: Shape = Shape {
    keys: &[
        default("journal", Kind::Table(&JOURNAL), "{}", "inputs; whichever limit is reached first"),
        default("decisions", Kind::Table(&DECISIONS), "{}", "decisions with effects or refusals"),
        default(
            "duplicates",
            Kind::Table(&DUPLICATES),
            "{}",
            "ids that sources give their events: one that comes again is no new event; whichever limit is reached first",
        ),
    ],
};

static JOURNAL: Shape = Shape {
    keys: &[
        default("age", DURATION, "\"30d\"", "how long"),
        default("size", Kind::Text(Form::Size), "\"4 GiB\"", "how much, in bytes; checkpoints count too"),
    ],
};

static DECISIONS: Shape = Shape { keys: &[default("age", DURATION, "\"90d\"", "how long")] };

static DUPLICATES: Shape = Shape {
    keys: &[
        default("age", DURATION, "\"24h\"", "how long"),
        default(
            "count",
            Kind::Integer(1, 100_000_000),
            "1000000",
            "how many in each partition, some 150 bytes of memory each",
        ),
    ],
};

/// `templates/NAME.toml`.
pub(crate) static TEMPLATE: Shape = Shape {
    keys: &[
        required(
            "class",
            Kind::Word(&["safety", "service", "marketing"]),
            "what guards apply; never the rule's choice",
        ),
        required("purpose", KEBAB, "what the message is for, as consent and manifests name it"),
        otherwise(
            "default-locale",
            Kind::Text(Form::Locale),
            "the only locale",
            "used where a recipient's own is not there",
        ),
        required("text", Kind::Map(Form::Locale, &Kind::Table(&TEXT)), "title and body by locale"),
    ],
};

static TEXT: Shape = Shape {
    keys: &[
        required("title", FREE, "a template over the notification's parameters, such as `{{ value }}`"),
        required("body", FREE, "a template over the notification's parameters"),
    ],
};
