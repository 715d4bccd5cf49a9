//! A journal's export, replayed exactly: on another machine, with the packages there.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context as _, Result, anyhow, bail};
use engine::{configuration, rows};
use ingest::recorded::{BadLines, EXPORT_VERSION, FileReader, JournalPart, Kind, Line};
use model::{Configuration, ConfigurationDigest};
use sha2::{Digest as _, Sha256};

use super::exact::Watcher;
use super::{Archive, Entry, Lost, Replayed, Replayer};

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

fn read_configuration(line: &Line, digest: ConfigurationDigest) -> Result<(ConfigurationDigest, Configuration)> {
    let Kind::Deployment(json) = &line.kind else { bail!("no `deployment`") };
    let found: Configuration = serde_json::from_str(json.get()).context("the configuration is malformed")?;
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
        (Some(record), None) => {
            if <[u8; 32]>::from(Sha256::digest(&record.0)) != digest {
                bail!("the record is damaged: its digest differs");
            }
            Some(rows::decode("journal", &record.0)?)
        }
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
