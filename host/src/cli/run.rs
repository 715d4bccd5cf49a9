//! `pointsman run`: the host.

use std::io::IsTerminal as _;

use anyhow::{Context as _, Result};

use super::output;
use crate::app::App;
use crate::usable;

/// Runs the host until it is told to stop.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pointsman run\n  pointsman run -c /etc/pointsman/pointsman.toml --log debug\n  POINTSMAN_LOG=ingest=debug pointsman run"
)]
pub(crate) struct Run {
    #[command(flatten)]
    config: super::ConfigArgument,
    /// What to log: a level, or levels by module.
    #[arg(long, value_name = "FILTER", default_value = "info,mqtt5=warn", env = "POINTSMAN_LOG")]
    log: String,
    /// Log as JSON lines.
    #[arg(long)]
    log_json: bool,
}

impl Run {
    pub(crate) fn run(self) -> Result<()> {
        start_logging(&self.log, self.log_json)?;
        let installation = super::read_installation(&self.config)?;
        usable::check(&installation.host, &self.config.config)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .enable_all()
            .build()
            .context("failed to start the runtime")?;
        runtime.block_on(async {
            let app = App::build(installation, None).await?;
            if let Some(address) = app.broker() {
                output::say(format_args!("broker   mqtt://{address}"));
            }
            if let Some(address) = app.api() {
                output::say(format_args!("api      http://{address}"));
            }
            output::say("ready; stop with Ctrl-C");
            app.run(stopped()).await
        })
    }
}

/// Threads for the network: one, because each message passes several tasks, and between two threads each pass may wake
/// the other. The engine and the store have their own, and what waits for a file goes to the runtime's blocking ones.
const WORKERS: usize = 1;

/// # Errors
/// When the filter does not parse.
pub(crate) fn start_logging(filter: &str, json: bool) -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .map_err(|error| super::Usage(format!("--log `{filter}`: {error}")))?;
    let colours = std::io::stderr().is_terminal();
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    if json {
        subscriber.json().init()
    } else {
        subscriber.init()
    }
    Ok(())
}

/// Waits for Ctrl-C or the service manager's request to end.
pub(crate) async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                // Both only signal; nothing is lost when the other is dropped.
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
        }
        Err(error) => {
            tracing::warn!(%error, "failed to listen for the request to end; Ctrl-C still works");
            let _ = interrupt.await;
        }
    }
}
