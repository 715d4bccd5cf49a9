//! `pointsman backtest`: what other deployments would have decided over a recording or the host's own journal.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use backtest::{Options, Report};
use indicatif::ProgressBar;
use ingest::recorded::BadLines;
use model::{Instant, Span, limits};
use sandbox::{Pooling, Sandbox};

use super::replay::on_engine_thread;
use super::{Usage, output, reach};
use crate::backtest::{Numbers, Past, Set, look_back, over_recording};
use crate::journal::Archive;

mod table;

/// What stands before rate and remaining time of a bar over bytes, and over records.
const BYTES: &str = "{wide_bar} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
const RECORDS: &str = "{wide_bar} {pos}/{len} records  {per_sec}  {eta} left";

/// Compares what two sets of deployments decide over the same past, in virtual time.
///
/// The past is a recording, or without one the host's own journal. Nothing is sent to any device or person.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pointsman backtest last-week.jsonl --old deployed --new tuned\n  pointsman backtest --from 2026-05-02T00:00:00Z --to 2026-05-09T00:00:00Z --new tuned --html tuned.html\n\nA set is a folder with deployments/, or a pointsman.toml of its own."
)]
pub(crate) struct Backtest {
    /// A recording: `.jsonl`, or `.jsonl.zst`. Without it, the journal of the host.
    recording: Option<PathBuf>,
    #[command(flatten)]
    config: super::ConfigArgument,
    /// The old set. Without it, what ran; for a recording, the configuration's own.
    #[arg(long, value_name = "SET")]
    old: Option<PathBuf>,
    /// The new set.
    #[arg(long, value_name = "SET")]
    new: PathBuf,
    /// Count decisions from this instant on; what came before warms up.
    #[arg(long, value_name = "INSTANT")]
    from: Option<Instant>,
    /// End before this instant.
    #[arg(long, value_name = "INSTANT")]
    to: Option<Instant>,
    /// Let the clock run on to this instant after the last line of a recording.
    #[arg(long, value_name = "INSTANT", conflicts_with = "to", requires = "recording")]
    until: Option<Instant>,
    /// How far apart two decisions may be and still be one that moved.
    #[arg(long, value_name = "DURATION", default_value_t = limits::BACKTEST_WINDOW)]
    window: Span,
    /// Count and leave out lines that are wrong, instead of stopping.
    #[arg(long)]
    skip_bad: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Also write the report as one page with charts, to be opened or mailed.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Backtest {
    pub(crate) fn run(self) -> Result<()> {
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            return Err(Usage(format!("--from {from} is not before --to {to}")).into());
        }
        on_engine_thread(move || {
            let report = match &self.recording {
                Some(recording) => self.over_recording(recording)?,
                None => self.over_journal()?,
            };
            self.tell(&report)
        })
    }

    fn over_recording(&self, recording: &Path) -> Result<Report> {
        let sandbox = Sandbox::new(sandbox::Options { cache: None, pooling: Pooling::Auto })?;
        let configuration = &self.config.config;
        let mut numbers = Numbers::default();
        let mut old = match &self.old {
            Some(path) => Set::load(path, configuration, &sandbox, &mut numbers, &[])?,
            None => Set::of(config::Host::load(configuration)?, &sandbox, &mut numbers, &[])?,
        };
        let mut new = Set::load(&self.new, configuration, &sandbox, &mut numbers, &[])?;
        let bad = if self.skip_bad { BadLines::Skip(output::left_out) } else { BadLines::Stop };
        let size = std::fs::metadata(recording).map(|file| file.len()).unwrap_or_default();
        let bar = output::progress(size, BYTES);
        let options = self.options(recording.display().to_string(), &new);
        let ends = (self.to, self.until);
        let found = over_recording((&mut old, &mut new), &mut numbers, (recording, bad), ends, options, &mut |bytes| {
            bar.set_position(bytes)
        });
        done(&bar, found)
    }

    fn over_journal(&self) -> Result<Report> {
        // The host's own file may be in the middle of a change: what ran stands in the journal.
        let host = match &self.old {
            Some(_) => reach::read_host(&self.config)?,
            None => config::Host::load(&self.config.config).or_else(|_| reach::read_host(&self.config))?,
        };
        let reader = reach::reader(&host)?;
        let archive = Archive::open(&host)?;
        let cache = Some(host.data.join("cache"));
        let sandbox = Sandbox::new(sandbox::Options { cache, pooling: Pooling::Auto })?;
        let known = reader.devices()?;
        let fleet: Vec<_> = known.iter().map(|(_, id)| id.clone()).collect();
        let mut numbers = Numbers::of(&known);
        let configuration = &self.config.config;
        let mut load = |path: &Path| Set::load(path, configuration, &sandbox, &mut numbers, &fleet);
        let mut old = self.old.as_deref().map(&mut load).transpose()?;
        let mut new = load(&self.new)?;
        let warm = look_back(old.as_ref(), &new);
        let past = Past::open(reader, archive, (self.from, self.to), warm)?;
        let bar = output::progress(past.records(), RECORDS);
        let options = self.options(format!("the journal of {}", host.name), &new);
        let found = past.run(old.as_mut(), &mut new, options, &mut |records| bar.set_position(records));
        done(&bar, found)
    }

    fn options(&self, stream: String, new: &Set) -> Options {
        let shown = |path: &Path| path.display().to_string();
        let default = if self.recording.is_some() { shown(&self.config.config) } else { "what ran".to_owned() };
        Options {
            old: self.old.as_deref().map_or(default, shown),
            new: shown(&self.new),
            stream,
            from: self.from,
            window: self.window,
            zone: new.zone(),
        }
    }

    fn tell(&self, report: &Report) -> Result<()> {
        if let Some(file) = &self.html {
            let page = backtest::render(report).context("failed to draw the report")?;
            std::fs::write(file, page).with_context(|| format!("failed to write {}", file.display()))?;
        }
        if self.json {
            output::print(serde_json::to_string(report).context("failed to write the report")?);
        } else {
            output::print(table::report(report));
        }
        Ok(())
    }
}

/// Takes the bar away, whatever was found.
fn done(bar: &ProgressBar, found: Result<Report>) -> Result<Report> {
    bar.finish_and_clear();
    found
}
