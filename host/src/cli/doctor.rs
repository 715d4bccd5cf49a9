//! `pointsman doctor`: the facts about a host that somebody who helps would ask for first.

mod checks;
mod places;

use anyhow::{Result, bail};
use serde_json::{Value as Json, json};
use server::client::Error;
use server::state::Readiness;

use super::reach::{self, Reach};
use super::{Usage, output};
use crate::api;

/// Shows versions, limits, the health of the store, whether brokers answer, and the clock.
///
/// A system clock that stands before the program was built, or more than 30 days ahead of the last record, is not
/// believed: timers and schedules wait, events are still taken.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pointsman doctor\n  pointsman doctor --json -c /etc/pointsman/pointsman.toml\n  pointsman doctor --accept-clock"
)]
pub(crate) struct Doctor {
    #[command(flatten)]
    config: super::ConfigArgument,
    /// Tell the running host that its system clock is right: timers and schedules go on.
    #[arg(long)]
    accept_clock: bool,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(crate) fn run(self) -> Result<()> {
        let host = reach::read_host(&self.config)?;
        let mut report = reach::block_on(async {
            match Reach::of(&host).await? {
                Reach::Running(client) => {
                    if self.accept_clock {
                        let _: Json = client.post("/v1/clock/accept", &json!({})).await?;
                    }
                    running(&client).await
                }
                Reach::Stopped if self.accept_clock => {
                    Err(Usage("no host is running: start it, then accept its clock".to_owned()).into())
                }
                Reach::Stopped => Ok(stopped(&host).await),
            }
        })?;
        report["effect-id"] = places::without(&host);
        if let Some(checks) = report["checks"].as_array_mut() {
            checks.push(json!(checks::sinks(&host)));
        }
        if self.json {
            output::print(&report)
        } else {
            output::print(lines(&report))
        }
        let failed = report["checks"].as_array().into_iter().flatten().filter(|check| check["ok"] == false).count();
        match failed {
            0 => Ok(()),
            1 => bail!("one check failed"),
            failed => bail!("{failed} checks failed"),
        }
    }
}

/// What the running host says of itself.
async fn running(client: &server::client::Client) -> Result<Json> {
    let mut report: Json = client.get("/v1/doctor").await?;
    let readiness: Readiness = match client.get("/readyz").await {
        Ok(readiness) => readiness,
        // Not ready: the answer names the checks that fail.
        Err(Error::Problem { detail, .. }) => serde_json::from_str(&detail)?,
        Err(error) => return Err(error.into()),
    };
    report["running"] = json!(true);
    let mut all = readiness.checks;
    all.push(checks::rules(&report));
    let mut checks = json!(all);
    if let (Some(checks), Some(findings)) = (checks.as_array_mut(), report["findings"].as_array_mut()) {
        checks.append(findings);
    }
    report["checks"] = checks;
    Ok(report)
}

/// What can be seen from outside of a host that does not run.
async fn stopped(host: &config::Host) -> Json {
    let (store, stat) = checks::store(host);
    let reader = reach::reader(host).ok();
    let held = reader.as_ref().and_then(|reader| api::held(reader).ok()).unwrap_or_default();
    // A store keeps the number that it was made with.
    let partitions = reader.as_ref().map_or(host.partitions, store::Reader::partitions);
    let mut all = vec![store, checks::clock(checks::newest(stat.as_ref())), checks::rules(&json!({"held": held}))];
    all.extend(checks::devices(host));
    all.extend(checks::network(host).await);
    json!({
        "held": held,
        "running": false,
        "version": env!("CARGO_PKG_VERSION"),
        "contract": sandbox::CONTRACT,
        "zones": engine::calendar::ZONES,
        "store-version": store::VERSION,
        "checks": all,
        "store": stat,
        "limits": api::limits(&host.retention, partitions),
    })
}

fn lines(report: &Json) -> String {
    let mut lines = vec![match report["uptime-seconds"].as_i64() {
        Some(seconds) => format!("the host runs since {}", model::Span::from_secs(seconds.unsigned_abs())),
        None => "no host is running".to_owned(),
    }];
    for name in ["version", "contract", "zones", "store-version", "devices", "deployments"] {
        if !report[name].is_null() {
            lines.push(format!("  {name} {}", text(&report[name])));
        }
    }
    lines.push("checks".to_owned());
    for check in report["checks"].as_array().into_iter().flatten() {
        let word = if check["ok"] == true { "ok  " } else { "FAIL" };
        lines.push(format!("  {word} {} {}", text(&check["name"]), text(&check["detail"])).trim_end().to_owned());
    }
    let store = &report["store"];
    if !store.is_null() {
        lines.push("store".to_owned());
        for name in ["decisions", "outbox", "dead-letters", "devices", "file-bytes", "log-bytes"] {
            lines.push(format!("  {name} {}", text(&store[name])));
        }
    }
    for held in report["held"].as_array().into_iter().flatten() {
        let key = held["key"].as_str().map(|key| format!(" key {key}")).unwrap_or_default();
        let until = held["probe-at"].as_str().map(|at| format!(", tried again at {at}")).unwrap_or_default();
        let (deployment, reason, waiting) = (text(&held["deployment"]), text(&held["reason"]), text(&held["waiting"]));
        lines.push(format!("held deployment {deployment}{key}: {reason}{until}; {waiting} events wait"));
    }
    for hidden in report["hidden-state"].as_array().into_iter().flatten() {
        let (deployment, count) = (text(&hidden["deployment"]), text(&hidden["count"]));
        lines.push(format!(
            "hidden state in deployment {deployment}: {count} events were answered differently by a fresh instance"
        ));
        if let Some(newest) = hidden["evidence"].as_array().and_then(|evidence| evidence.last()) {
            let (event, handled) = (text(&newest["event"]["id"]), text(&newest["handled"]));
            lines.push(format!("  event {event}, after {handled} others: {}", newest["shared"]));
            lines.push(format!("  the same event, alone: {}", newest["fresh"]));
        }
    }
    for source in report["sources"].as_array().into_iter().flatten() {
        lines.push(format!("source {}: {}", text(&source["name"]), counts(source)));
    }
    for (place, devices) in report["effect-id"].as_object().into_iter().flatten() {
        let devices: Vec<_> = devices.as_array().into_iter().flatten().map(text).collect();
        if !devices.is_empty() {
            lines.push(format!("effect id {place}: {}", devices.join(", ")));
        }
    }
    lines.push("limits".to_owned());
    for (name, limit) in report["limits"].as_object().into_iter().flatten() {
        let [value, unit, reason] = ["value", "unit", "reason"].map(|part| text(&limit[part]));
        let value = [value, unit].join(" ");
        lines.push(format!("  {name} {}: {reason}", value.trim_end()));
    }
    lines.join("\n")
}

/// What a source has counted, and what it refused by reason; what never happened is left out.
fn counts(source: &Json) -> String {
    let counted = ["received", "acknowledged", "redelivered", "qos0", "sessions-lost", "nothing-found"]
        .map(|name| (name, &source[name]));
    let refused = source["rejected"].as_object().into_iter().flatten();
    let refused = refused.map(|(reason, count)| format!("{count} refused as {reason}"));
    let happened = counted.into_iter().filter(|(_, count)| count.as_u64() > Some(0));
    let all: Vec<_> = happened.map(|(name, count)| format!("{count} {name}")).chain(refused).collect();
    if all.is_empty() { "nothing came yet".to_owned() } else { all.join(", ") }
}

fn text(json: &Json) -> String {
    match json {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}
