//! What can be checked of a host that does not run: its store, its clock, who answers on the network.

use std::net::SocketAddr;
use std::time::Duration;

use host::system_clock::SystemClock;
use model::Instant;
use serde_json::Value as Json;
use server::state::Check;
use store::{OpenError, Reader, Stat};
use tokio::net::{TcpListener, TcpStream};

use crate::api;
use crate::cli::{reach, sink};

/// A broker that has not taken a connection for this long will not be of use.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Whether the store can be read, and what it holds. A host that never ran has none, which is as it should be.
pub(super) fn store(host: &config::Host) -> (Check, Option<Stat>) {
    match Reader::open(&host.data) {
        Ok(reader) => match reader.stat() {
            Ok(stat) => (good("store", format!("{}, {} bytes", host.data.display(), stat.file_bytes)), Some(stat)),
            Err(error) => (bad("store", &error), None),
        },
        Err(OpenError::Missing { path }) => (good("store", format!("none yet at {}", path.display())), None),
        Err(error) => (bad("store", &error), None),
    }
}

/// The newest instant in the journal.
pub(super) fn newest(stat: Option<&Stat>) -> Instant {
    let partitions = stat.into_iter().flat_map(|stat| &stat.partitions);
    partitions.filter_map(|partition| partition.last_at).max().unwrap_or_default()
}

/// Whether the system's time can be believed, given the newest record of the store.
pub(super) fn clock(newest: Instant) -> Check {
    let standing = SystemClock::starting_after(newest).standing();
    Check { name: "clock".to_owned(), ok: !standing.held, detail: Some(standing.to_string()) }
}

/// Whether every rule does its work: nobody is held, and none was found to keep something in its memory.
pub(super) fn rules(report: &Json) -> Check {
    let count = |name: &str| report[name].as_array().map_or(0, Vec::len);
    match (count("held"), count("hidden-state")) {
        (0, 0) => good("rules", "all run".to_owned()),
        (held, hidden) => failed("rules", format!("{held} held, {hidden} with hidden state")),
    }
}

/// The devices that nothing is understood of; none where all are understood, or the store cannot be read.
pub(super) fn devices(host: &config::Host) -> Option<Check> {
    let reader = reach::reader(host).ok()?;
    let devices = reach::devices(host, Some(&reader)).ok()?;
    api::not_understood(&reader, &devices).ok()?
}

/// Whether no webhook is disabled because its receiver is gone for good.
pub(super) fn sinks(host: &config::Host) -> Check {
    let gone: Vec<&str> = host.sinks.iter().filter(|sink| sink::is_gone(host, sink)).map(|sink| &*sink.name).collect();
    match gone.as_slice() {
        [] => good("sinks", format!("{} in use", host.sinks.len())),
        gone => failed("sinks", format!("{} gone: see `pointsman sink enable`", gone.join(", "))),
    }
}

/// Whether external brokers answer, and whether our own addresses are free.
pub(super) async fn network(host: &config::Host) -> Vec<Check> {
    let mut checks = Vec::new();
    for server in &host.mqtt {
        let name = format!("mqtt {}", server.name);
        let connecting = TcpStream::connect((server.url.host.as_str(), server.url.port));
        checks.push(match tokio::time::timeout(ANSWER_WITHIN, connecting).await {
            Ok(Ok(_)) => good(&name, format!("{} answers", server.url)),
            Ok(Err(error)) => failed(&name, format!("{}: {error}", server.url)),
            Err(_) => failed(&name, format!("{} does not answer within {} s", server.url, ANSWER_WITHIN.as_secs())),
        });
    }
    if let Some(listen) = host.broker {
        checks.push(free("broker", listen).await);
    }
    checks.push(free("api", host.api).await);
    checks
}

async fn free(name: &str, listen: SocketAddr) -> Check {
    match TcpListener::bind(listen).await {
        Ok(_) => good(name, format!("{listen} is free")),
        Err(error) => failed(name, format!("{listen}: {error}")),
    }
}

fn good(name: &str, detail: String) -> Check {
    Check { name: name.to_owned(), ok: true, detail: Some(detail) }
}

fn failed(name: &str, detail: String) -> Check {
    Check { name: name.to_owned(), ok: false, detail: Some(detail) }
}

/// An error with what led to it, on one line.
fn bad(name: &str, error: &dyn std::error::Error) -> Check {
    let mut detail = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        detail = format!("{detail}: {source}");
        cause = source.source();
    }
    failed(name, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(folder: &std::path::Path, text: &str) -> config::Host {
        config::Host::parse(text, "pointsman.toml", folder).expect("a configuration")
    }

    #[tokio::test]
    async fn a_broker_that_nobody_serves_and_an_address_that_is_taken_are_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let taken = taken.local_addr().map(|address| (taken, address)).expect("an address");
        let nobody = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            listener.local_addr().expect("an address")
        };
        let text = format!(
            "[api]\nlisten = \"{}\"\n[[mqtt]]\nname = \"there\"\nurl = \"mqtt://{}\"\n[[mqtt]]\nname = \"gone\"\nurl = \"mqtt://{nobody}\"\n",
            taken.1, taken.1
        );
        let checks = network(&host(folder.path(), &text)).await;
        let found: Vec<_> = checks.iter().map(|check| (check.name.as_str(), check.ok)).collect();
        assert_eq!(found, [("mqtt there", true), ("mqtt gone", false), ("api", false)]);
    }

    #[test]
    fn a_file_that_is_no_store_fails_and_none_at_all_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let host = host(folder.path(), "");
        assert!(store(&host).0.ok);
        std::fs::create_dir(&host.data).expect("a folder");
        std::fs::write(host.data.join(store::FILE_NAME), "no database, whatever its name says").expect("written");
        let (check, stat) = store(&host);
        assert!(!check.ok && stat.is_none(), "{check:?}");
    }
}
