//! `pointsman sink`: where notifications go, and whether somebody is there.

use anyhow::{Context as _, Result};
use clap::Subcommand;
use config::SinkKind;
use serde_json::{Value as Json, json};

use super::{Usage, output, reach};
use crate::installation;

/// Where notifications go, and whether somebody is there.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  pointsman sink list\n  pointsman sink enable ops-hook")]
pub(crate) struct Sink {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The configured sinks. One whose receiver has answered 410 is disabled until it is enabled or its address changes.
    List {
        /// Print them as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: super::ConfigArgument,
    },
    /// Sends again to a receiver that had said that it is gone for good, beside a running host too.
    Enable {
        name: String,
        #[command(flatten)]
        config: super::ConfigArgument,
    },
}

impl Sink {
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            Command::List { json, config } => list(&reach::read_host(&config)?, json),
            Command::Enable { name, config } => enable(&reach::read_host(&config)?, &name),
        }
    }
}

fn list(host: &config::Host, json: bool) -> Result<()> {
    if json {
        let all = host.sinks.iter().map(|sink| {
            let kind = if matches!(sink.kind, SinkKind::Webhook { .. }) { "webhook" } else { "mqtt" };
            json!({"name": &*sink.name, "kind": kind, "gone": is_gone(host, sink)})
        });
        output::print(all.collect::<Json>());
        return Ok(());
    }
    for sink in &host.sinks {
        let target = match &sink.kind {
            SinkKind::Webhook { url, .. } => format!("webhook {url}"),
            SinkKind::Mqtt { topic, connection } => format!("topic {topic} of {connection}"),
        };
        let gone = if is_gone(host, sink) { ": gone, disabled until `pointsman sink enable`" } else { "" };
        output::print(format_args!("{} {target}{gone}", sink.name));
    }
    Ok(())
}

fn enable(host: &config::Host, name: &str) -> Result<()> {
    let Some(sink) = host.sinks.iter().find(|sink| *sink.name == *name) else {
        let nearest = config::nearest(name, host.sinks.iter().map(|sink| &*sink.name));
        let hint = nearest.map(|nearest| format!(", did you mean \"{nearest}\"?")).unwrap_or_default();
        return Err(Usage(format!("there is no sink `{name}`{hint}")).into());
    };
    let was_gone = is_gone(host, sink);
    if let Some(mark) = mark(host, sink) {
        mark.enable().with_context(|| format!("failed to enable sink `{name}`"))?;
    }
    output::say(format_args!("{}", if was_gone { "it is sent to again" } else { "it was not disabled" }));
    Ok(())
}

/// Whether a sink's receiver has said that it is gone for good.
pub(super) fn is_gone(host: &config::Host, sink: &config::Sink) -> bool {
    mark(host, sink).is_some_and(|mark| mark.is_marked())
}

fn mark(host: &config::Host, sink: &config::Sink) -> Option<delivery::Gone> {
    match &sink.kind {
        SinkKind::Webhook { url, .. } => {
            Some(delivery::Gone::new(&host.data.join(installation::GONE), &sink.name, url))
        }
        SinkKind::Mqtt { .. } => None,
    }
}
