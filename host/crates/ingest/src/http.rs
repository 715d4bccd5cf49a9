//! Requests: CloudEvents 1.0 (structured, batch, binary) and our own JSON, to inputs item by item.

mod cloud;

use model::{Input, Name, limits};
use serde_json::value::RawValue;

use crate::codecs::json::depth;
use crate::intake::{DELIVERY_OVERHEAD, Intake};
use crate::recorded::{Fields, Kind, Line, LineError, Names, Vocabulary};

/// Largest body of a batch; the largest of a single item is [`limits::PAYLOAD_BYTES`].
pub const BATCH_BYTES: usize = 1024 * 1024;
/// Items of one batch: more would not fit one turn.
pub const BATCH_ITEMS: usize = limits::TURN_INPUTS;

pub type Item = Result<Event, ItemError>;

/// What one item gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Several where its topic concerns several devices; never none.
    pub inputs: Vec<Input>,
    /// What it weighs in the inlet.
    pub bytes: usize,
}

/// Why one item was refused; the others stand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    #[error("{0}")]
    Line(#[from] LineError),
    #[error("`{0}` cannot be sent here: only readings, topic and available can")]
    NotHere(&'static str),
    #[error("cloudevent without `{0}`")]
    MissingAttribute(&'static str),
    #[error("cloudevent attribute `{attribute}` is `{value}`: {expected}")]
    Attribute { attribute: &'static str, value: String, expected: &'static str },
    #[error("cloudevent has both `data` and `data_base64`")]
    TwoData,
    #[error("cloudevent data: {0}")]
    Data(String),
    #[error("concerns no device, and no rule listens to it")]
    Unclaimed,
}

impl ItemError {
    /// The reason code of answers and counters.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Line(LineError::UnknownDevice { .. }) => "unknown-device",
            Self::Line(LineError::Rejected(reason)) => reason.code(),
            Self::Line(_) | Self::Data(_) | Self::TwoData => "malformed",
            Self::NotHere(_) => "not-here",
            Self::MissingAttribute(_) | Self::Attribute { .. } => "malformed-cloudevent",
            Self::Unclaimed => "unclaimed",
        }
    }
}

/// Why a whole body was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("content type `{0}` is not taken here: use application/json or a CloudEvents type")]
    ContentType(String),
    #[error("the body has {bytes} bytes, more than {max}")]
    TooLarge { bytes: usize, max: usize },
    #[error("the body is not UTF-8 at byte {0}")]
    NotUtf8(usize),
    #[error("the body nests deeper than {} levels", limits::JSON_DEPTH)]
    TooDeep,
    #[error("the body is not JSON: {0}")]
    Malformed(String),
    #[error("{items} items, more than {BATCH_ITEMS}")]
    TooManyItems { items: usize },
}

/// Reads a request's body. `headers` are looked up without regard to case; only `ce-` ones matter.
///
/// Items that bring an id of their own (`id`, a CloudEvent's `source` and `id`) are inputs with `own_id`, so that the
/// same request again gives duplicates; others get ids of the intake. A member of a fleet is discovered as over MQTT.
///
/// # Errors
/// [`BodyError`] when nothing of the body can be read; else each item has its own result, in order.
pub fn parse(
    content_type: &str,
    headers: &[(String, String)],
    body: &[u8],
    intake: &Intake,
) -> Result<Vec<Item>, BodyError> {
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let binary = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("ce-specversion"));
    match media.as_str() {
        "application/cloudevents+json" => {
            let text = checked(body, limits::PAYLOAD_BYTES)?;
            let raw = raw(text)?;
            Ok(vec![cloud::structured(raw.get(), intake)])
        }
        "application/cloudevents-batch+json" => {
            let items = items(checked(body, BATCH_BYTES)?)?;
            Ok(items.into_iter().map(|item| cloud::structured(item.get(), intake)).collect())
        }
        _ if binary => {
            check_size(body, limits::PAYLOAD_BYTES)?;
            Ok(vec![cloud::binary(headers, body, intake)])
        }
        "application/json" => own(body, intake),
        _ => Err(BodyError::ContentType(content_type.chars().take(100).collect())),
    }
}

fn own(body: &[u8], intake: &Intake) -> Result<Vec<Item>, BodyError> {
    let batch = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let mut names = Names::new(Vocabulary::Known);
    if batch {
        let items = items(checked(body, BATCH_BYTES)?)?;
        return Ok(items.into_iter().map(|item| own_item(item.get(), &mut names, intake)).collect());
    }
    let raw = raw(checked(body, limits::PAYLOAD_BYTES)?)?;
    Ok(vec![own_item(raw.get(), &mut names, intake)])
}

/// One object of the recording line's shape; `at` may be left out.
fn own_item(text: &str, names: &mut Names, intake: &Intake) -> Item {
    if text.len() > limits::PAYLOAD_BYTES {
        return Err(LineError::Rejected(crate::rejection::Reason::PayloadTooLarge(text.len())).into());
    }
    let mut fields = Fields::parse(text, names)?;
    for (field, given) in
        [("seq", fields.seq.is_some()), ("received", fields.received.is_some()), ("journal", fields.journal.is_some())]
    {
        if given {
            return Err(ItemError::NotHere(field));
        }
    }
    if fields.source.is_some() {
        return Err(ItemError::NotHere("source"));
    }
    let at = fields.at;
    fields.at = Some(at.unwrap_or_default());
    let line = Line::from_fields(0, fields, names, None)?;
    match line.kind {
        Kind::Readings { .. } | Kind::Topic { .. } | Kind::Available { .. } => {}
        Kind::Completion(_) => return Err(ItemError::NotHere("completion")),
        Kind::Manual { .. } => return Err(ItemError::NotHere("manual")),
        Kind::Host(_) => return Err(ItemError::NotHere("host")),
        Kind::Transfer(_) => return Err(ItemError::NotHere("transfer")),
        Kind::Advance => return Err(ItemError::NotHere("advance")),
        Kind::Timer(_) => return Err(ItemError::NotHere("timer")),
        Kind::Deployment(_) => return Err(ItemError::NotHere("deployment")),
        Kind::Expect(_) => return Err(ItemError::NotHere("expect")),
        Kind::Journal => return Err(ItemError::NotHere("journal")),
    }
    finish(line, at.is_some(), text.len(), intake)
}

/// Gives a line its ids and takes back the time that it did not have.
fn finish(mut line: Line, timed: bool, bytes: usize, intake: &Intake) -> Item {
    let own_id = line.id.is_some();
    let id = line.id.take().unwrap_or_else(|| intake.ids().next());
    let placeholder = line.at;
    line.id = Some(id);
    let map = line.heard().map_or_else(|| intake.map().current(), |heard| intake.map_for(heard));
    let mut inputs = line.into_inputs(&map, intake.ids().source())?;
    if inputs.is_empty() {
        return Err(ItemError::Unclaimed);
    }
    for input in &mut inputs {
        input.own_id &= own_id;
        if !timed && input.occurred_at == Some(placeholder) {
            input.occurred_at = None;
        }
    }
    Ok(Event { inputs, bytes: bytes + DELIVERY_OVERHEAD })
}

fn check_size(body: &[u8], max: usize) -> Result<(), BodyError> {
    if body.len() > max { Err(BodyError::TooLarge { bytes: body.len(), max }) } else { Ok(()) }
}

fn checked(body: &[u8], max: usize) -> Result<&str, BodyError> {
    check_size(body, max)?;
    if depth(body) > limits::JSON_DEPTH {
        return Err(BodyError::TooDeep);
    }
    std::str::from_utf8(body).map_err(|error| BodyError::NotUtf8(error.valid_up_to()))
}

fn raw(text: &str) -> Result<&RawValue, BodyError> {
    serde_json::from_str(text).map_err(|error| BodyError::Malformed(error.to_string()))
}

fn items(text: &str) -> Result<Vec<&RawValue>, BodyError> {
    let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| BodyError::Malformed(error.to_string()))?;
    if items.len() > BATCH_ITEMS { Err(BodyError::TooManyItems { items: items.len() }) } else { Ok(items) }
}

/// The source that requests come from, where the caller has no better name.
#[must_use]
pub fn source() -> Name {
    Name::from("http")
}

#[cfg(test)]
mod tests;
