//! One line of a recording: checked, of one kind, and on its way to inputs.

use model::event::{Freshness, Quality};
use model::input::{Body, HostEvent, Settled, Transfer};
use model::{Attributes, DeviceNo, Input, Instant, Name, Reading, limits};
use serde_json::value::RawValue;

use super::fields::{Fields, Text};
use super::journal::{JournalPart, Loss};
use super::names::Names;
use super::{LINE_BYTES, line_id};
use crate::devices::DeviceMap;
use crate::ids::Ids;
use crate::intake::{self, Arrived, Heard};

#[derive(Debug)]
pub struct Line {
    /// Counted from 1.
    pub number: u64,
    /// When it happened; an `expect` line without one has that of the line before.
    pub at: Instant,
    /// When the host took it, where the line says.
    pub received: Option<Instant>,
    /// The journal's number, in an export.
    pub sequence: Option<u64>,
    pub source: Option<Name>,
    /// The event's own id, where the line gives one.
    pub id: Option<Name>,
    pub freshness: Option<Freshness>,
    pub attributes: Attributes,
    /// Readings without a value.
    pub bad_values: u32,
    /// Where the record stood in the journal, in an export.
    pub journal: Option<Box<JournalPart>>,
    pub kind: Kind,
}

#[derive(Debug)]
pub enum Kind {
    Readings {
        device: Name,
        readings: Vec<Reading>,
    },
    Topic {
        topic: Name,
        payload: Box<[u8]>,
        content_type: Option<Name>,
        retained: bool,
    },
    Available {
        device: Name,
        available: bool,
    },
    Completion(Settled),
    Manual {
        device: Name,
        action: Name,
        arguments: Attributes,
    },
    Host(HostEvent),
    Transfer(Box<Transfer>),
    Advance,
    /// A timer that fired, as an export shows it; it is derived again, never fed.
    Timer(Box<RawValue>),
    /// A change of a deployment.
    Deployment(Box<RawValue>),
    /// A decision that a scenario expects.
    Expect(Box<RawValue>),
    /// Nothing but what the field `journal` says.
    Journal,
}

/// Why a line, or an item of a request, was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    #[error("{0}")]
    Malformed(String),
    #[error("not UTF-8 at byte {0}")]
    NotUtf8(usize),
    #[error("longer than {LINE_BYTES} bytes")]
    TooLong,
    #[error("no `{0}`")]
    Missing(&'static str),
    #[error("says nothing: one of readings, topic, available, timer, completion, manual, deployment, host, advance")]
    NoKind,
    #[error("has both `{0}` and `{1}`")]
    TwoKinds(&'static str, &'static str),
    #[error("`{field}` does not belong to a line with `{kind}`")]
    Misplaced { field: &'static str, kind: &'static str },
    #[error("unknown device `{id}`{}", crate::nearest::hint(nearest.as_deref()))]
    UnknownDevice { id: Name, nearest: Option<Name> },
    #[error("`{0}` is no topic to publish to")]
    Topic(Name),
    #[error("the payload is not base64: {0}")]
    Base64(String),
    #[error("the record {0}")]
    Record(Loss),
    #[error("{0}")]
    Rejected(crate::rejection::Reason),
}

impl Line {
    /// When the host took it: virtual time follows this.
    #[must_use]
    pub fn received(&self) -> Instant {
        self.received.unwrap_or(self.at)
    }

    /// The device that speaks, where one does.
    #[must_use]
    pub fn heard(&self) -> Option<Heard<'_>> {
        match &self.kind {
            Kind::Readings { device, .. } | Kind::Available { device, .. } => Some(Heard::Device(device)),
            Kind::Topic { topic, .. } => Some(Heard::Topic(topic)),
            Kind::Completion(_)
            | Kind::Manual { .. }
            | Kind::Host(_)
            | Kind::Transfer(_)
            | Kind::Advance
            | Kind::Timer(_)
            | Kind::Deployment(_)
            | Kind::Expect(_)
            | Kind::Journal => None,
        }
    }

    pub(crate) fn from_fields(
        number: u64,
        mut fields: Fields<'_>,
        names: &mut Names,
        previous: Option<Instant>,
    ) -> Result<Self, LineError> {
        let at = match fields.at {
            Some(at) => at,
            None if fields.expect.is_some() => previous.unwrap_or(Instant(0)),
            None => return Err(LineError::Missing("at")),
        };
        let bad_values = fields.readings.as_ref().map_or(0, |readings| readings.bad);
        let kind = kind_of(&mut fields, names)?;
        Ok(Self {
            number,
            at,
            received: fields.received,
            sequence: fields.seq,
            source: fields.source,
            id: fields.id,
            freshness: fields.freshness,
            attributes: fields.attributes.unwrap_or_default(),
            bad_values,
            journal: fields.journal,
            kind,
        })
    }

    /// The device that the line names, by its number here; none where it names none.
    ///
    /// # Errors
    /// [`LineError::UnknownDevice`].
    pub fn device(&self, map: &DeviceMap) -> Result<Option<DeviceNo>, LineError> {
        match &self.kind {
            Kind::Readings { device, .. } | Kind::Available { device, .. } | Kind::Manual { device, .. } => {
                number(map, device).map(Some)
            }
            Kind::Topic { .. }
            | Kind::Completion(_)
            | Kind::Host(_)
            | Kind::Transfer(_)
            | Kind::Advance
            | Kind::Timer(_)
            | Kind::Deployment(_)
            | Kind::Expect(_)
            | Kind::Journal => Ok(None),
        }
    }

    /// The inputs that this line stands for: several for a topic of several devices, none for a timer, a deployment or
    /// an expectation, which the caller sees by [`Line::kind`].
    ///
    /// # Errors
    /// [`LineError::UnknownDevice`], [`LineError::Rejected`] for a payload that would be refused live.
    pub fn into_inputs(self, map: &DeviceMap, source: &Name) -> Result<Vec<Input>, LineError> {
        // A line whose two times are equal is one whose device gave none.
        let occurred_at = Some(self.at).filter(|at| self.received != Some(*at));
        let own_id = self.id.is_some();
        let id = self.id.unwrap_or_else(|| line_id(self.number));
        let source = self.source.unwrap_or_else(|| source.clone());
        let freshness = self.freshness.unwrap_or_default();
        let bodies = match self.kind {
            Kind::Topic { topic, payload, content_type, retained } => {
                let retained = retained || freshness == Freshness::Snapshot;
                let content_type = content_type.as_deref();
                let arrived = Arrived { topic: &topic, payload: &payload, retained, content_type, sent: None };
                let ids = Ids::new(source, self.number);
                let mut inputs = from_topic(map, &ids, &arrived)?;
                stamp(&mut inputs, &id, own_id, occurred_at, &self.attributes);
                return Ok(inputs);
            }
            Kind::Readings { device, readings } => {
                Body::Observation { device: number(map, &device)?, freshness, readings }
            }
            Kind::Available { device, available } => Body::Availability { device: number(map, &device)?, available },
            Kind::Completion(settled) => Body::Settled(settled),
            Kind::Manual { device, action, arguments } => {
                Body::Manual { device: number(map, &device)?, action, arguments }
            }
            Kind::Host(event) => Body::Host(event),
            Kind::Transfer(transfer) => Body::Transfer(*transfer),
            Kind::Advance => Body::Advance,
            Kind::Timer(_) | Kind::Deployment(_) | Kind::Expect(_) | Kind::Journal => return Ok(Vec::new()),
        };
        let attributes = self.attributes;
        Ok(vec![Input { id, source, own_id, occurred_at, body: bodies, attributes, redelivery: None }])
    }
}

/// A recorded message goes the way of a live one; a topic that nobody declares stays a raw message.
fn from_topic(map: &DeviceMap, ids: &Ids, arrived: &Arrived<'_>) -> Result<Vec<Input>, LineError> {
    let taken = intake::take(map, ids, arrived);
    match taken.rejections.into_iter().next() {
        Some(rejection) if taken.inputs.is_empty() => Err(LineError::Rejected(rejection.reason)),
        Some(_) | None => Ok(taken.inputs),
    }
}

fn stamp(inputs: &mut [Input], id: &Name, own_id: bool, at: Option<Instant>, attributes: &Attributes) {
    for (index, input) in inputs.iter_mut().enumerate() {
        if !input.own_id {
            input.id = if index == 0 { id.clone() } else { Name::from(format!("{id}.{index}")) };
            input.own_id = own_id;
        }
        input.occurred_at = input.occurred_at.or(at);
        input.attributes.clone_from(attributes);
    }
}

/// The device of this name; `#n` is a device whose name is gone, as an export writes it.
fn number(map: &DeviceMap, id: &Name) -> Result<DeviceNo, LineError> {
    if let Some(device) = map.devices().named(id) {
        return Ok(device.number);
    }
    id.strip_prefix('#')
        .and_then(|digits| digits.parse().ok())
        .map(DeviceNo)
        .ok_or_else(|| LineError::UnknownDevice { id: id.clone(), nearest: map.nearest_device(id) })
}

fn kind_of(fields: &mut Fields<'_>, names: &mut Names) -> Result<Kind, LineError> {
    let word = only_kind(fields)?;
    check_belongings(fields, word)?;
    let device = fields.device.take();
    Ok(match word {
        "readings" => {
            let mut readings = fields.readings.take().unwrap_or_default().readings;
            if let Some(quality) = fields.quality {
                readings.iter_mut().filter(|r| r.quality == Quality::Good).for_each(|r| r.quality = quality);
            }
            Kind::Readings { device: device.ok_or(LineError::Missing("device"))?, readings }
        }
        "topic" => topic(fields)?,
        "available" => Kind::Available {
            device: device.ok_or(LineError::Missing("device"))?,
            available: fields.available.unwrap_or_default(),
        },
        "completion" => Kind::Completion(fields.completion.take().ok_or(LineError::NoKind)?),
        "manual" => {
            let manual = fields.manual.take().ok_or(LineError::NoKind)?;
            let arguments = manual.arguments.map(super::readings::attributes).transpose();
            let arguments = arguments.map_err(|why| LineError::Malformed(why.replace("attributes", "arguments")))?;
            let (device, action) = (names.text(&manual.device), names.text(&manual.action));
            Kind::Manual { device, action, arguments: arguments.unwrap_or_default() }
        }
        "host" => Kind::Host(fields.host.take().ok_or(LineError::NoKind)?),
        "transfer" => Kind::Transfer(fields.transfer.take().ok_or(LineError::NoKind)?),
        "timer" => Kind::Timer(fields.timer.ok_or(LineError::NoKind)?.to_owned()),
        "deployment" => Kind::Deployment(fields.deployment.ok_or(LineError::NoKind)?.to_owned()),
        "expect" => Kind::Expect(fields.expect.ok_or(LineError::NoKind)?.to_owned()),
        "journal" => Kind::Journal,
        _ => Kind::Advance,
    })
}

/// The one field that says what kind of line it is.
fn only_kind(fields: &Fields<'_>) -> Result<&'static str, LineError> {
    let present = [
        ("readings", fields.readings.is_some()),
        ("topic", fields.topic.is_some()),
        ("available", fields.available.is_some()),
        ("timer", fields.timer.is_some()),
        ("completion", fields.completion.is_some()),
        ("manual", fields.manual.is_some()),
        ("deployment", fields.deployment.is_some()),
        ("host", fields.host.is_some()),
        ("transfer", fields.transfer.is_some()),
        ("advance", fields.advance == Some(true)),
        ("expect", fields.expect.is_some()),
    ];
    let mut words = present.into_iter().filter(|(_, there)| *there).map(|(word, _)| word);
    let Some(word) = words.next() else {
        return if fields.journal.is_some() { Ok("journal") } else { Err(LineError::NoKind) };
    };
    match words.next() {
        Some(other) => Err(LineError::TwoKinds(word, other)),
        None => Ok(word),
    }
}

/// A field that would be ignored is refused instead.
fn check_belongings(fields: &Fields<'_>, kind: &'static str) -> Result<(), LineError> {
    let of_topic = [
        ("payload", fields.payload.is_some()),
        ("encoding", fields.encoding.is_some()),
        ("content-type", fields.content_type.is_some()),
        ("retained", fields.retained.is_some()),
    ];
    let misplaced = of_topic
        .into_iter()
        .filter(|_| kind != "topic")
        .chain([("device", fields.device.is_some() && !matches!(kind, "readings" | "available" | "timer"))])
        .chain([("quality", fields.quality.is_some() && kind != "readings")])
        .find(|(_, there)| *there);
    match misplaced {
        Some((field, _)) => Err(LineError::Misplaced { field, kind }),
        None => Ok(()),
    }
}

fn topic(fields: &mut Fields<'_>) -> Result<Kind, LineError> {
    let topic = fields.topic.take().ok_or(LineError::NoKind)?;
    if !model::topic::is_name(&topic) {
        return Err(LineError::Topic(topic));
    }
    let raw = fields.payload.ok_or(LineError::Missing("payload"))?.get();
    let payload = payload(raw, fields.encoding.as_ref())?;
    if payload.len() > limits::PAYLOAD_BYTES {
        return Err(LineError::Rejected(crate::rejection::Reason::PayloadTooLarge(payload.len())));
    }
    let content_type = fields.content_type.take();
    Ok(Kind::Topic { topic, payload, content_type, retained: fields.retained.unwrap_or_default() })
}

/// A text is the payload itself, base64 where the line says so; anything else is its own JSON as it stands there.
fn payload(raw: &str, encoding: Option<&Text<'_>>) -> Result<Box<[u8]>, LineError> {
    use base64::Engine as _;
    let text = || serde_json::from_str::<Text<'_>>(raw).map_err(|error| LineError::Base64(error.to_string()));
    match encoding {
        Some(Text(word)) if word == "base64" => base64::engine::general_purpose::STANDARD
            .decode(&*text()?.0)
            .map(Into::into)
            .map_err(|error| LineError::Base64(error.to_string())),
        Some(Text(word)) => Err(LineError::Malformed(format!("`encoding` can only be base64, not `{word}`"))),
        None if raw.starts_with('"') => Ok(text()?.0.as_bytes().into()),
        None => Ok(raw.as_bytes().into()),
    }
}
