//! What only the operator may do, through the socket: a manual command, a backup, the journal.

use std::path::PathBuf;

use bytes::Bytes;
use ingest::intake::DELIVERY_OVERHEAD;
use model::input::Body;
use model::{Input, Name, value::plain};
use serde_json::{Value as Json, json};
use server::Operator;
use server::state::{Answer, Error, Letters, Lines, Manual, Range, Verify};
use store::Reader;
use tokio::sync::mpsc;

use super::{Doors, ask, no_device, trouble};
use crate::journal::{export, refuse};
use crate::kebab;
use host::pipeline::AcceptError;

/// Lines that wait for the network.
const LINES: usize = 256;

impl Operator for Doors {
    fn send(&self, command: Manual) -> Answer<'_, Json> {
        Box::pin(async move {
            let devices = self.live.devices();
            let Some(device) = devices.named(&command.device) else {
                return Err(Error::NotFound(no_device(&command.device, &devices)));
            };
            if device.action(&command.action).is_none() {
                let known: Vec<&str> = device.commands.keys().map(|action| &**action).collect();
                let near = config::nearest(&command.action, known.iter().copied());
                let hint = near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
                let known = known.join(", ");
                let detail = format!("`{}` has no action `{}`; it has: {known}{hint}", device.id, command.action);
                return Err(Error::Refused { reason: Name::from("no-such-action"), detail });
            }
            let arguments = command.arguments.iter();
            let arguments =
                arguments.filter_map(|(name, json)| Some((Name::from(name.as_str()), plain::from_json(json)?)));
            let body = Body::Manual {
                device: device.number,
                action: Name::from(command.action.as_str()),
                arguments: arguments.collect(),
            };
            let input = Input {
                id: self.operator.next(),
                source: self.operator.source().clone(),
                own_id: false,
                occurred_at: None,
                body,
                attributes: Vec::new(),
                redelivery: None,
            };
            let id = input.id.to_string();
            let committed = self.hand_over(vec![input], DELIVERY_OVERHEAD).await?;
            committed.await.map_err(|_| Error::Unavailable("the host is stopping".to_owned()))?;
            Ok(json!({"id": id}))
        })
    }

    fn backup(&self, file: PathBuf) -> Answer<'_, Json> {
        Box::pin(async move {
            let reader = self.reader.clone();
            let target = file.clone();
            if file.exists() {
                let detail = format!("{} exists already", file.display());
                return Err(Error::Refused { reason: Name::from("file-exists"), detail });
            }
            let done = tokio::task::spawn_blocking(move || store::backup(&reader, &target)).await;
            match done {
                Ok(Ok(())) => Ok(json!({"file": file})),
                Ok(Err(error)) => Err(Error::Failed(error.to_string())),
                Err(_) => Err(Error::Failed("the backup ended early".to_owned())),
            }
        })
    }

    fn accept_clock(&self) -> Answer<'_, Json> {
        Box::pin(async move {
            let pipeline = self.pipeline.clone();
            let accepted = tokio::task::spawn_blocking(move || pipeline.accept_clock()).await;
            match accepted {
                Ok(Ok(())) => Ok(json!({"now": self.clock.now()})),
                Ok(Err(error @ AcceptError::Believed)) => {
                    Err(Error::Refused { reason: Name::from("believed"), detail: error.to_string() })
                }
                Ok(Err(AcceptError::Stopped)) | Err(_) => Err(Error::Unavailable("the host is stopping".to_owned())),
            }
        })
    }

    fn export(&self, range: Range) -> Answer<'_, Lines> {
        Box::pin(async move {
            let (lines, out) = mpsc::channel(LINES);
            let reader = self.reader.clone();
            let devices = self.live.devices();
            if range.partition.is_some_and(|partition| partition >= reader.partitions()) {
                return Err(Error::NotFound(format!("there are {} partitions", reader.partitions())));
            }
            check_kept(reader.clone(), range.clone()).await?;
            tokio::task::spawn_blocking(move || {
                let send = |line: String| lines.blocking_send(Ok(Bytes::from(line + "\n"))).is_ok();
                match export(&reader, &devices, &range, send) {
                    Ok(losses) => {
                        if let Some(told) = losses.told() {
                            tracing::warn!("exported the journal without what is lost: {told}");
                        }
                    }
                    // The reader of the stream is gone, or hears of it here.
                    Err(error) => drop(lines.blocking_send(Err(Error::Failed(format!("{error:#}"))))),
                }
            });
            Ok(out)
        })
    }

    fn stat(&self) -> Answer<'_, Json> {
        Box::pin(async move {
            let reader = self.reader.clone();
            let sources: Vec<_> = self.statuses.iter().map(|(_, status)| status.counts()).collect();
            ask(move || stat(&reader, &sources)).await
        })
    }

    fn verify(&self, what: Verify) -> Answer<'_, Json> {
        Box::pin(async move {
            let reader = self.reader.clone();
            if what.partition.is_some_and(|partition| partition >= reader.partitions()) {
                return Err(Error::NotFound(format!("there are {} partitions", reader.partitions())));
            }
            ask(move || verify(&reader, what.partition)).await
        })
    }

    fn dead_letters(&self, letters: Letters) -> Answer<'_, Vec<Json>> {
        Box::pin(async move {
            let reader = self.reader.clone();
            ask(move || trouble::dead_letters(&reader, letters.limit)).await
        })
    }

    fn dead_letter(&self, number: u64) -> Answer<'_, Option<Json>> {
        Box::pin(async move {
            let reader = self.reader.clone();
            let case = ask(move || trouble::dead_letter(&reader, number)).await?;
            case.transpose().map_err(Error::Failed)
        })
    }
}

/// Counts of the store, and the accounts of all partitions.
pub(crate) fn stat(reader: &Reader, sources: &[ingest::status::Counts]) -> Result<Json, store::Error> {
    let counted = trouble::counted(reader)?;
    let stat = reader.stat()?;
    let letters = (stat.dead_letter_reasons.clone(), stat.dead_letters_removed);
    let losses = trouble::losses(&counted, &letters, sources);
    let losses: Vec<Json> = losses.iter().map(|(cause, count)| json!({"cause": cause, "count": count})).collect();
    let accounts = counted.accounts;
    Ok(json!({"store": stat, "accounts": kebab::keys(&accounts), "imbalance": accounts.imbalance(), "losses": losses}))
}

/// Digests and chains, recomputed.
pub(crate) fn verify(reader: &Reader, partition: Option<u16>) -> Result<Json, store::Error> {
    let partitions = partition.map_or(0..reader.partitions(), |partition| partition..partition + 1);
    let mut found = Vec::new();
    for partition in partitions {
        let verified = reader.verify(partition)?;
        found.push(json!({"partition": partition, "journal": verified}));
    }
    Ok(Json::Array(found))
}

/// Refuses a range that is older than what is kept, before the stream begins.
async fn check_kept(reader: Reader, range: Range) -> Result<(), Error> {
    match tokio::task::spawn_blocking(move || refuse(&reader, &range)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Error::Refused { reason: Name::from("not-kept"), detail: error.to_string() }),
        Err(_) => Err(Error::Failed("the question to the store was not answered".to_owned())),
    }
}
