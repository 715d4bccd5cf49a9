//! A journal's export, replayed exactly: on another machine, with the packages there.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context as _, Result, anyhow, bail};
use engine::{configuration, rows};
use ingest::DeviceMap;
use ingest::recorded::{BadLines, EXPORT_VERSION, FileReader, JournalPart, Kind, Line, LineError, Loss};
use model::input::Body;
use model::{Configuration, ConfigurationDigest, Input, Name};
use sha2::{Digest as _, Sha256};

use super::exact::Watcher;
use super::{Archive, Entry, Lost, Replayed, Replayer};
use crate::kebab;

/// Whether a recording is a journal's export: its first line says so.
///
/// # Errors
/// When it cannot be read, or was written by a newer program.
pub(crate) fn is_export(recording: &Path) -> Result<bool> {
    let mut reader = FileReader::open(recording, BadLines::Stop)?;
    // A line that is wrong is told by whoever reads on.
    let Ok(Some(first)) = reader.next_line() else { return Ok(false) };
    let Some(export) = first.journal.and_then(|part| part.export) else { return Ok(false) };
    if export.version > EXPORT_VERSION {
        let (found, engine) = (export.version, export.engine);
        bail!(
            "the export has version {found}, written by pointsman {engine}; this program reads up to {EXPORT_VERSION}"
        );
    }
    Ok(true)
}

/// Replays an export exactly.
///
/// # Errors
/// At the first line that is damaged, and where the replay parts from the journal.
pub(crate) fn replay(
    recording: &Path,
    archive: Archive,
    watcher: Watcher<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Replayed> {
    let configurations: Rc<RefCell<HashMap<ConfigurationDigest, Configuration>>> = Rc::default();
    let known = Rc::clone(&configurations);
    let find = Box::new(move |digest| Ok(known.borrow().get(&digest).cloned()));
    let mut reader = FileReader::open(recording, BadLines::Stop)?;
    let head = reader.next_line()?.and_then(|line| line.journal?.export);
    let partitions = head.map(|export| export.partitions).context("the file is no export of a journal")?;
    let mut replayer = Replayer::new(archive, partitions, find, watcher);
    let mut checkpoints: HashMap<u16, (u64, Vec<Vec<u8>>)> = HashMap::new();
    while let Some(line) = reader.next_line()? {
        let number = line.number;
        let mut take = |line: Line| -> Result<()> {
            let Some(part) = line.journal.clone() else { bail!("has no `journal`: the file is not one export") };
            if let Some(digest) = part.configuration {
                let (digest, found) = read_configuration(&line, ConfigurationDigest(digest.0))?;
                configurations.borrow_mut().insert(digest, found);
                return Ok(());
            }
            let partition = part.partition;
            if let Some(bytes) = part.checkpoint {
                let sequence = line.sequence.context("no `seq`")?;
                let parts = checkpoints.entry(partition).or_insert((sequence, Vec::new()));
                parts.1.push(bytes.0.into());
                return Ok(());
            }
            if let Some(decision) = part.decision {
                let decision = serde_json::from_str(decision.get()).context("the decision is malformed")?;
                return replayer.recorded(partition, decision);
            }
            if let Some((sequence, parts)) = checkpoints.remove(&partition) {
                replayer.begin(partition, sequence, &parts)?;
            }
            replayer.take(&entry(&line, &part)?)
        };
        take(line).map_err(|error| error.context(format!("line {number}")))?;
        progress(number);
    }
    replayer.finish()
}

/// The inputs that a line of a recording stands for. An export holds what was observed twice: what counts is the record,
/// held against its digest, with the device by its number here; the readable half is for people.
///
/// # Errors
/// When the record is damaged; as [`Line::into_inputs`].
pub(crate) fn inputs(line: Line, map: &DeviceMap, source: &Name) -> Result<Vec<Input>, LineError> {
    let Some((record, digest)) = line.journal.as_ref().and_then(|part| Some((part.record.as_ref()?, part.digest?)))
    else {
        return line.into_inputs(map, source);
    };
    let mut input = record_of(&record.0, digest.0).map_err(LineError::Record)?;
    let number = line.device(map)?;
    if let Body::Observation { device, .. } | Body::Availability { device, .. } | Body::Manual { device, .. } =
        &mut input.body
    {
        *device = number.ok_or(LineError::Record(Loss::Unreadable))?;
    }
    // What the broker said of it then was weighed then.
    input.redelivery = None;
    Ok(vec![input])
}

fn record_of(record: &[u8], digest: [u8; 32]) -> Result<Input, Loss> {
    if <[u8; 32]>::from(Sha256::digest(record)) != digest {
        return Err(Loss::Damaged);
    }
    rows::decode("journal", record).map_err(|_| Loss::Unreadable)
}

fn read_configuration(line: &Line, digest: ConfigurationDigest) -> Result<(ConfigurationDigest, Configuration)> {
    let Kind::Deployment(json) = &line.kind else { bail!("no `deployment`") };
    let json = serde_json::from_str(json.get()).context("the configuration is malformed")?;
    let found: Configuration = serde_json::from_value(kebab::fields(json)).context("the configuration is malformed")?;
    if configuration::encode(&found).0 != digest {
        bail!("the configuration is not the one that was exported: its digest differs");
    }
    Ok((digest, found))
}

fn entry(line: &Line, part: &JournalPart) -> Result<Entry> {
    if let (Some(loss), None) = (part.lost, &part.derived) {
        return Err(Lost::content(part.partition, line.sequence.unwrap_or_default(), loss).into());
    }
    let digest = part.digest.context("no digest of the record")?.0;
    let input = match (&part.record, &part.derived) {
        (Some(record), None) => Some(record_of(&record.0, digest).map_err(LineError::Record)?),
        (None, Some(_)) => None,
        _ => bail!("holds neither an observed record nor a derived one"),
    };
    let kind = part.derived.clone();
    let kind = kind.or_else(|| input.as_ref().map(|input: &model::Input| input.body.kind().into()));
    Ok(Entry {
        partition: part.partition,
        sequence: line.sequence.context("no `seq`")?,
        at: line.received(),
        begins: part.begins,
        kind: kind.ok_or_else(|| anyhow!("a record without a kind"))?,
        input,
        digest,
    })
}

#[cfg(test)]
mod tests {
    use ingest::recorded::{Bytes, Hash, Reader, to_journal_line, to_line};
    use model::device::Devices;
    use model::event::{Freshness, Message, Reading};
    use model::{Capability, Device, DeviceNo, Instant, Value};

    use super::*;

    fn devices(number: u32) -> Devices {
        let host = "[host]\nname = \"hub\"\n\n[[device]]\nid = \"fridge\"\nkind = \"thermometer\"\n\
                    source = { topic = \"home/fridge\", readings = { temperature = { path = \"/t\" } } }\n";
        let host = config::Host::parse(host, "pointsman.toml", Path::new("")).expect("a configuration");
        let found = host.devices(&mut |_| DeviceNo(number));
        Devices::new(found.iter().map(|device: &std::sync::Arc<Device>| (**device).clone()))
    }

    fn input(body: Body) -> Input {
        Input {
            id: "fridge:1".into(),
            source: "broker".into(),
            own_id: true,
            redelivery: None,
            occurred_at: None,
            body,
            attributes: Vec::new(),
        }
    }

    fn observed(number: u32) -> Input {
        let reading = Reading {
            capability: Capability::named("temperature").expect("a capability"),
            value: Value::Number(8.5),
            unit: Some("Cel".into()),
            previous: None,
            quality: model::event::Quality::Good,
            attributes: Vec::new(),
        };
        input(Body::Observation { device: DeviceNo(number), freshness: Freshness::Live, readings: vec![reading] })
    }

    /// A line of an export of a host in which the fridge has number 7.
    fn line(input: &Input, damage: impl FnOnce(&mut [u8])) -> String {
        let mut record = rmp_serde::to_vec_named(input).expect("an input has a form");
        let digest = Some(Hash(Sha256::digest(&record).into()));
        damage(&mut record);
        let entry = ingest::recorded::Entry { sequence: Some(3), received: Instant(5), input };
        let part = JournalPart { record: Some(Bytes(record.into())), digest, ..JournalPart::default() };
        to_journal_line(to_line(&entry, &devices(7)), &part)
    }

    /// What it is where the fridge has number 1 and its topic is heard by a rule too.
    fn read(text: &str) -> Result<Vec<Input>, String> {
        let line = Reader::new(text.as_bytes(), BadLines::Stop).next_line().expect("a good line").expect("a line");
        let map = DeviceMap::new(devices(1), vec!["home/#".into()]);
        inputs(line, &map, &"recording".into()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_configuration_reads_back_as_it_is_exported_now_and_as_older_programs_did() {
        let found = Configuration { default_sink: "mqtt:broker".into(), ..Configuration::default() };
        let digest = configuration::encode(&found).0;
        let (now, before) = (kebab::keys(&found), serde_json::to_value(&found).expect("JSON"));
        assert!(now.get("default-sink").is_some() && before.get("default_sink").is_some());
        for json in [now, before] {
            let text = format!(r#"{{"at":"2026-05-02T05:14:00Z","deployment":{json}}}"#);
            let line = Reader::new(text.as_bytes(), BadLines::Stop).next_line().expect("a good line").expect("a line");
            assert_eq!(read_configuration(&line, digest).expect("the same configuration"), (digest, found.clone()));
        }
    }

    #[test]
    fn what_counts_of_an_exported_line_is_its_record() {
        let whole = line(&observed(7), |_| ());
        assert_eq!(read(&whole), Ok(vec![observed(1)]));
        assert!(whole.contains("8.5"), "{whole}");
        assert_eq!(read(&whole.replace("8.5", "9.5")), Ok(vec![observed(1)]), "the readable half is for people");
        let flipped = line(&observed(7), |record| record[12] ^= 1);
        assert_eq!(read(&flipped), Err("the record is damaged: its digest differs".to_owned()));
    }

    /// Its device's report is a record of its own.
    #[test]
    fn an_exported_message_is_not_read_as_a_report_again() {
        let topic = Name::from("home/fridge");
        let payload = br#"{"t":8.5}"#.as_slice().into();
        let message = input(Body::Message(Message {
            topic,
            payload,
            content_type: None,
            retained: false,
            attributes: Vec::new(),
        }));
        assert_eq!(read(&line(&message, |_| ())), Ok(vec![message]));
    }

    #[test]
    fn a_line_without_a_record_is_what_it_says() {
        let text = r#"{"at":"2026-05-02T05:14:00Z","device":"fridge","readings":{"temperature":8.5}}"#;
        assert!(matches!(&read(text).expect("a good line")[..], [Input { body: Body::Observation { .. }, .. }]));
    }
}
