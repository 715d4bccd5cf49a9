//! `pointsman why`: what led to an effect, and what kept a device's events from leading to one.

use anyhow::Result;
use model::Instant;

use super::{Usage, output, reach, replay};
use crate::why::{self, Asked, Change, Past, Unanswerable};

/// Explains an effect, or what did and did not happen to a device's events.
///
/// The store is read beside a host that runs, or without one. What a step read and wrote, and what stopped a trigger,
/// comes from an exact replay.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pointsman why 3fa2\n  pointsman why --device fridge-1 --at 2026-05-02T05:44:00Z\n  pointsman why --device fridge-1 --what-if \"temperature = 9 Cel\""
)]
pub(crate) struct Why {
    /// The effect's id, or the beginning of it.
    #[arg(required_unless_present = "device", conflicts_with = "device")]
    effect: Option<String>,
    /// Instead of an effect: a device's events.
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Of a device: around this instant; the newest if left out.
    #[arg(long, value_name = "INSTANT", requires = "device")]
    at: Option<Instant>,
    /// Of a device: only this deployment.
    #[arg(long, value_name = "NAME", requires = "device")]
    deployment: Option<String>,
    /// Runs the device's report again with another value, and shows which decisions would be others.
    #[arg(long, value_name = "CAPABILITY = VALUE", value_parser = clap::value_parser!(Change))]
    what_if: Vec<Change>,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: super::ConfigArgument,
}

impl Why {
    pub(crate) fn run(self) -> Result<()> {
        let host = config::Host::load(&self.config.config)?;
        let reader = reach::reader(&host)?;
        let devices = reach::devices(&host, Some(&reader))?.iter().map(|device| (**device).clone()).collect();
        let past = Past::new(host, reader, devices);
        replay::on_engine_thread(move || self.answer(&past))
    }

    fn answer(&self, past: &Past) -> Result<()> {
        let asked = match (&self.effect, &self.device) {
            (_, Some(device)) => Asked::Device(device, self.at),
            (Some(effect), None) => Asked::Effect(effect),
            (None, None) => return Err(Usage("name an effect, or a device with --device".to_owned()).into()),
        };
        let report = match (&asked, self.what_if.as_slice()) {
            (Asked::Effect(effect), []) => why::effect(past, effect),
            (Asked::Device(device, at), []) => why::device(past, device, *at, self.deployment.as_deref()),
            (_, changes) => why::what_if(past, &asked, changes),
        };
        let report = report.map_err(|error| match error.downcast::<Unanswerable>() {
            Ok(unanswerable) => Usage(unanswerable.to_string()).into(),
            Err(error) => error,
        })?;
        if self.json {
            output::print(serde_json::to_value(&report)?)
        } else {
            output::print(&report)
        }
        Ok(())
    }
}
