//! CloudEvents 1.0: the attributes that matter here, and data to readings.

use base64::Engine as _;
use model::event::Freshness;
use model::input::Body;
use model::{Input, Instant, Name, limits};
use serde_json::{Map, Value as Json};

use super::{Event, Item, ItemError, finish};
use crate::codecs::json::Payload;
use crate::devices::Route;
use crate::intake::{DELIVERY_OVERHEAD, Heard, Intake};
use crate::recorded::{Fields, Kind, Line, LineError, Names, Vocabulary};

/// The attributes of one event. Extensions other than `device` are passed over, as the specification allows.
#[derive(Default)]
struct CloudEvent {
    id: Name,
    at: Option<Instant>,
    /// The device: the extension `device`, or else the subject.
    device: Name,
    data: Vec<u8>,
}

/// An event in structured mode: one JSON object.
pub(super) fn structured(text: &str, intake: &Intake) -> Item {
    if text.len() > limits::PAYLOAD_BYTES {
        return Err(LineError::Rejected(crate::rejection::Reason::PayloadTooLarge(text.len())).into());
    }
    let mut object: Map<String, Json> =
        serde_json::from_str(text).map_err(|error| ItemError::Data(error.to_string()))?;
    let data = match (object.remove("data"), object.remove("data_base64")) {
        (Some(_), Some(_)) => return Err(ItemError::TwoData),
        // JSON data keeps its form; a text under a content type that is not JSON is the payload itself.
        (Some(Json::String(text)), None) if !is_json(object.get("datacontenttype")) => text.into_bytes(),
        (Some(json), None) => json.to_string().into_bytes(),
        (None, Some(json)) => base64::engine::general_purpose::STANDARD
            .decode(json.as_str().unwrap_or_default())
            .map_err(|error| ItemError::Data(error.to_string()))?,
        (None, None) => Vec::new(),
    };
    let lookup = |name: &str| object.get(name).and_then(Json::as_str).map(str::to_owned);
    inputs(event(lookup, data)?, intake)
}

/// An event in binary mode: attributes in `ce-` headers, data in the body.
pub(super) fn binary(headers: &[(String, String)], body: &[u8], intake: &Intake) -> Item {
    let lookup = |name: &str| {
        let wanted = format!("ce-{name}");
        headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(&wanted)).map(|(_, value)| unescape(value))
    };
    inputs(event(lookup, body.to_vec())?, intake)
}

fn event(lookup: impl Fn(&str) -> Option<String>, data: Vec<u8>) -> Result<CloudEvent, ItemError> {
    let required =
        |name: &'static str| lookup(name).filter(|value| !value.is_empty()).ok_or(ItemError::MissingAttribute(name));
    let version = required("specversion")?;
    if version != "1.0" {
        return Err(ItemError::Attribute { attribute: "specversion", value: version, expected: "only 1.0 is taken" });
    }
    let (id, source) = (required("id")?, required("source")?);
    required("type")?;
    // Producers promise that source and id together are unique.
    let id = format!("{source}#{id}");
    if id.len() > limits::NAME_BYTES {
        let expected = "with the source it is longer than 256 bytes";
        return Err(ItemError::Attribute { attribute: "id", value: id.chars().take(40).collect(), expected });
    }
    let at = match lookup("time") {
        Some(time) => Some(time.parse().map_err(|_| ItemError::Attribute {
            attribute: "time",
            value: time,
            expected: "an RFC 3339 instant",
        })?),
        None => None,
    };
    let device = lookup("device").or_else(|| lookup("subject")).ok_or(ItemError::MissingAttribute("subject"))?;
    Ok(CloudEvent { id: id.into(), at, device: device.into(), data })
}

/// Data is a line's body where it is an object with `readings` or `available`; else what the device's own mapping
/// makes of it; else, for a device without a mapping, an object of capabilities.
fn inputs(event: CloudEvent, intake: &Intake) -> Item {
    let map = intake.map_for(Heard::Device(&event.device));
    let Some(device) = map.devices().named(&event.device) else {
        let nearest = map.nearest_device(&event.device);
        return Err(LineError::UnknownDevice { id: event.device, nearest }.into());
    };
    let payload = Payload::read(&event.data).map_err(LineError::Rejected)?;
    if let Payload::Json(Json::Object(object)) = &payload {
        let ours = object.contains_key("readings") || object.contains_key("available");
        if ours || device.source.is_none() {
            return line(event, object, ours, intake);
        }
    }
    let plan = device.source.as_ref().and_then(|source| {
        map.routes(source.connection.as_deref().unwrap_or_default(), &source.topic).find_map(|route| match route {
            Route::Readings { device: other, plan } if other.number == device.number => Some(plan.clone()),
            Route::Readings { .. } | Route::Availability { .. } => None,
        })
    });
    let plan = plan.ok_or(ItemError::Unclaimed)?;
    let decoded = plan.decode(&payload).map_err(LineError::Rejected)?;
    let body = Body::Observation { device: device.number, freshness: Freshness::Live, readings: decoded.readings };
    let bytes = event.data.len() + DELIVERY_OVERHEAD;
    let input = Input {
        id: event.id,
        source: intake.ids().source().clone(),
        own_id: true,
        occurred_at: event.at.or(decoded.at),
        body,
        attributes: Vec::new(),
        redelivery: None,
    };
    Ok(Event { inputs: vec![input], bytes })
}

fn line(event: CloudEvent, object: &Map<String, Json>, ours: bool, intake: &Intake) -> Item {
    let mut names = Names::new(Vocabulary::Known);
    let json = Json::Object(object.clone());
    let text = if ours { json.to_string() } else { serde_json::json!({ "readings": json }).to_string() };
    let mut fields = Fields::parse(&text, &mut names)?;
    let timed = event.at.is_some() || fields.at.is_some();
    fields.at = event.at.or(fields.at).or(Some(Instant::default()));
    fields.device = Some(event.device);
    fields.id = Some(event.id);
    let line = Line::from_fields(0, fields, &mut names, None)?;
    match line.kind {
        Kind::Readings { .. } | Kind::Available { .. } => finish(line, timed, text.len(), intake),
        _ => Err(ItemError::NotHere("this kind of data")),
    }
}

/// Whether the content type of data is JSON, as it is where none is given.
fn is_json(content_type: Option<&Json>) -> bool {
    content_type.and_then(Json::as_str).is_none_or(|media| {
        let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        media.ends_with("/json") || media.ends_with("+json")
    })
}

/// Header values are percent-encoded where they hold what a header cannot.
fn unescape(value: &str) -> String {
    let bytes = value.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let digits = bytes.get(index + 1..index + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match digits.and_then(|pair| u8::from_str_radix(pair, 16).ok()).filter(|_| bytes[index] == b'%') {
            Some(byte) => {
                out.push(byte);
                index += 3;
            }
            None => {
                out.push(bytes[index]);
                index += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
