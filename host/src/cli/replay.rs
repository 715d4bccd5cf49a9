//! `pointsman replay`: a recording through the same pipeline in virtual time, or the host's own journal exactly; with
//! every sink captured.

use std::io::{BufWriter, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use engine::{Lines, Versions};
use ingest::recorded::BadLines;
use model::Instant;
use sandbox::{Options, Pooling, Sandbox};
use serde_json::json;

use super::output;
use crate::backtest::{Numbers, Set};
use crate::journal::{Archive, Replayed, Stored, Watcher, is_export, replay_export};
use crate::{kebab, replay};

/// Runs a recording through the deployments in virtual time, or the journal exactly as it ran, and prints a digest of
/// the decisions.
///
/// Without a recording it replays the journal of the host: with the packages and configuration of then, record by
/// record, and ends at the first difference.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pointsman replay last-week.jsonl -c pointsman.toml\n  pointsman replay --from 2026-05-02T00:00:00Z\n  pointsman replay fridge.jsonl.zst --decisions decisions.jsonl --until 2026-05-03T00:00:00Z"
)]
pub(crate) struct Replay {
    /// A recording: `.jsonl`, or `.jsonl.zst`.
    recording: Option<PathBuf>,
    #[command(flatten)]
    config: super::ConfigArgument,
    /// Where to write the decisions, one a line; `-` for standard output, and then the digest or summary goes to
    /// standard error.
    #[arg(long, value_name = "FILE")]
    decisions: Option<PathBuf>,
    /// Also write decisions of evaluations without an effect.
    #[arg(long)]
    all: bool,
    /// In virtual time: let the clock run on to this instant after the last line.
    #[arg(long, value_name = "INSTANT")]
    until: Option<Instant>,
    /// Of the journal: start at the newest checkpoint before this instant.
    #[arg(long, value_name = "INSTANT", conflicts_with = "recording")]
    from: Option<Instant>,
    /// Of the journal: end before this instant.
    #[arg(long, value_name = "INSTANT", conflicts_with = "recording")]
    to: Option<Instant>,
    /// In virtual time: count and leave out lines that are wrong, instead of stopping.
    #[arg(long)]
    skip_bad: bool,
    /// Run an export of a journal in virtual time too, with the configuration of now.
    #[arg(long)]
    simulated: bool,
    /// How many partitions to run with, in virtual time; the decisions are the same.
    #[arg(long, value_name = "N")]
    partitions: Option<u16>,
    /// In virtual time: how many inputs a turn takes; the decisions are the same.
    #[arg(long, value_name = "N")]
    turn: Option<NonZeroUsize>,
    /// In virtual time: run this share of its events again on fresh instances, to find rules that keep something in
    /// their memory.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    sampler: Option<f64>,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

impl Replay {
    pub(crate) fn run(self) -> Result<()> {
        match self.recording.clone() {
            Some(recording) => self.run_recording(recording),
            None => self.run_journal(),
        }
    }

    fn run_journal(self) -> Result<()> {
        self.refuse_virtual("without a recording the journal is replayed exactly")?;
        if self.simulated || self.partitions.is_some() {
            let name = if self.simulated { "--simulated" } else { "--partitions" };
            return Err(
                super::Usage(format!("{name} is for an export: write one with `pointsman journal export`")).into()
            );
        }
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            return Err(super::Usage(format!("--from {from} is not before --to {to}")).into());
        }
        let host = config::Host::load(&self.config.config)?;
        let reader = super::reach::reader(&host)?;
        let archive = Archive::open(&host)?;
        let range = (self.from, self.to);
        self.run_exactly(move |watcher, progress| Stored::new(reader).replay(archive, range, watcher, progress))
    }

    fn run_export(self, recording: PathBuf) -> Result<()> {
        self.refuse_virtual("an export is replayed exactly unless --simulated is given")?;
        let archive = Archive::open(&config::Host::load(&self.config.config)?)?;
        self.run_exactly(move |watcher, progress| replay_export(&recording, archive, watcher, progress))
    }

    /// What is said of lines and time means nothing where every record is held against what was recorded.
    fn refuse_virtual(&self, why: &str) -> Result<(), super::Usage> {
        let given = [
            ("--until", self.until.is_some()),
            ("--skip-bad", self.skip_bad),
            ("--turn", self.turn.is_some()),
            ("--sampler", self.sampler.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((name, _)) => Err(super::Usage(format!("{name} is for virtual time, and {why}"))),
            None => Ok(()),
        }
    }

    fn run_exactly(
        self,
        replay: impl FnOnce(Watcher<'_>, &mut dyn FnMut(u64)) -> Result<Replayed> + Send + 'static,
    ) -> Result<()> {
        on_engine_thread(move || {
            let mut decisions = self.open_decisions()?;
            let all = self.all;
            let watcher = Box::new(|_, decision: &model::Decision| write_decision(&mut decisions, decision, all));
            let bar = output::progress(0, "{spinner} {pos} records  {per_sec}  {elapsed}");
            let found = replay(watcher, &mut |records| bar.set_position(records))?;
            bar.finish_and_clear();
            finish_decisions(decisions)?;
            let Replayed { records, decisions, digest } = found;
            if self.json {
                let mode = "exact";
                self.conclude(json!({"mode": mode, "records": records, "decisions": decisions, "digest": digest}));
            } else {
                output::say(format_args!("{records} records, {decisions} decisions, all the same as live (exact)"));
                self.conclude(&digest);
            }
            Ok(())
        })
    }

    fn run_recording(self, recording: PathBuf) -> Result<()> {
        if !self.simulated && self.partitions.is_none() && is_export(&recording)? {
            return self.run_export(recording);
        }
        let sandbox = Sandbox::new(Options { cache: None, pooling: Pooling::Auto })?;
        let host = config::Host::load(&self.config.config)?;
        let partitions = self.partitions.unwrap_or(host.partitions);
        let mut numbers = Numbers::default();
        let set = Set::of(host, &sandbox, &mut numbers, &[])?;
        let mut replay = replay::Replay::new(set, numbers, partitions)?;
        if let Some(inputs) = self.turn {
            replay.end_turns_after(inputs);
        }
        replay.sample(engine::Sampler::share(self.sampler.unwrap_or_default()));
        on_engine_thread(move || self.feed(replay, &recording))
    }

    fn feed(self, replay: replay::Replay, recording: &Path) -> Result<()> {
        let bad = if self.skip_bad { BadLines::Skip(output::left_out) } else { BadLines::Stop };
        let mut decisions = self.open_decisions()?;
        let bar = output::progress(0, "{spinner} {pos} lines  {per_sec}  {elapsed}");
        let all = self.all;
        let summary = replay.run(
            recording,
            bad,
            self.until,
            &mut |decision| write_decision(&mut decisions, decision, all),
            &mut |lines| bar.set_position(lines),
        )?;
        bar.finish_and_clear();
        finish_decisions(decisions)?;
        self.report(&summary);
        Ok(())
    }

    fn open_decisions(&self) -> Result<DecisionsFile> {
        let Some(path) = &self.decisions else { return Ok(None) };
        if path.as_os_str() == "-" {
            return Ok(Some((Box::new(BufWriter::new(std::io::stdout())), Lines::default())));
        }
        let file = std::fs::File::create(path).with_context(|| format!("failed to create {}", path.display()))?;
        Ok(Some((Box::new(BufWriter::new(file)), Lines::default())))
    }

    fn report(&self, summary: &replay::Summary) {
        let mode = "simulated";
        if self.json {
            self.conclude(json!({
                "mode": mode,
                "lines": summary.lines,
                "skipped": summary.skipped,
                "unclaimed": summary.unclaimed.lines,
                "lost": summary.losses.count(),
                "decisions": summary.decisions,
                "digest": summary.digest,
                "accounts": kebab::keys(&summary.accounts),
                "hidden-state": summary.divergences,
            }));
            return;
        }
        output::say(format_args!(
            "{} lines, {} skipped, {} decisions ({mode})",
            summary.lines, summary.skipped, summary.decisions
        ));
        if let Some((line, topic)) = &summary.unclaimed.first {
            let lines = summary.unclaimed.lines;
            output::say(format_args!(
                "{lines} lines of topics that no device and no rule hears; the first is line {line}, on {topic}"
            ));
        }
        if let Some(told) = summary.losses.told() {
            output::say(told);
        }
        for divergence in &summary.divergences {
            let engine::Divergence { deployment, key, event, handled, .. } = divergence;
            output::say(format_args!(
                "hidden state: {deployment}, key {key}, answered event {} differently after {handled} others than alone",
                event.id
            ));
        }
        self.conclude(&summary.digest);
    }

    /// The last line of data, where standard output is not that of the decisions.
    fn conclude(&self, line: impl std::fmt::Display) {
        if self.decisions.as_deref().is_some_and(|file| file.as_os_str() == "-") {
            output::say(line);
        } else {
            output::print(line);
        }
    }
}

/// Runs what calls guests: they need a deep stack, and the main thread's is not ours to choose.
pub(crate) fn on_engine_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let worker = std::thread::Builder::new().name("engine".to_owned()).stack_size(sandbox::THREAD_STACK);
    let thread = worker.spawn(work).context("failed to start the engine's thread")?;
    thread.join().map_err(|_| anyhow::anyhow!("the engine's thread ended early"))?
}

/// Where decisions are written, if they are.
type DecisionsFile = Option<(Box<dyn std::io::Write>, Lines)>;

fn write_decision(file: &mut DecisionsFile, decision: &model::Decision, all: bool) -> std::io::Result<()> {
    match file {
        Some((file, lines)) if all || decision.effect.is_some() => {
            file.write_all(lines.write(decision, Versions::Named).as_bytes())?;
            file.write_all(b"\n")
        }
        _ => Ok(()),
    }
}

fn finish_decisions(file: DecisionsFile) -> Result<()> {
    match file {
        Some((mut file, _)) => file.flush().context("failed to write decisions"),
        None => Ok(()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "expected a number from 0 to 1")?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("expected a number from 0 to 1".to_owned()) }
}
