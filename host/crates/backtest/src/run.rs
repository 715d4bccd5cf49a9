//! The run: both sides over one stream, input by input.

use engine::rows::RowError;
use engine::{Setup, SetupError};
use model::{Input, Instant, Name, Span, limits};

use crate::comparison::Comparison;
use crate::report::Report;
use crate::side::{Results, Side};
use crate::tally::Tally;
use crate::unknown::unknown;

/// What a backtest is about.
#[derive(Debug, Clone)]
pub struct Options {
    /// What old set, new set and stream are called in the report.
    pub old: String,
    pub new: String,
    pub stream: String,
    /// Decisions before this instant warm up and do not count; none: all count.
    pub from: Option<Instant>,
    /// How far apart two decisions may be and still be one that moved.
    pub window: Span,
    /// IANA name of the zone in which hours of day are counted.
    pub zone: Name,
}

/// Which of the two runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Old,
    New,
}

/// Two sets of deployments on their way through one stream.
pub struct Backtest {
    old: Side,
    new: Side,
    options: Options,
    comparison: Comparison,
    /// Inputs that neither side has taken: each side takes many in a row, while its own state is at hand.
    waiting: Vec<(Input, Instant)>,
    inputs: u64,
    first: Option<Instant>,
    clock: Instant,
    counting: bool,
}

impl Backtest {
    /// Both sets at the beginning of the stream. `results` are what the stream holds of sinks' results.
    ///
    /// # Errors
    /// When the deployments of a set contradict each other.
    pub fn new(old: Setup, new: Setup, results: Results, options: Options) -> Result<Self, SetupError> {
        Ok(Self {
            old: Side::new(old, results.clone())?,
            new: Side::new(new, results)?,
            comparison: Comparison::new(Tally::new(&options.zone)),
            waiting: Vec::with_capacity(limits::TURN_INPUTS),
            inputs: 0,
            first: None,
            clock: Instant::default(),
            counting: options.from.is_none(),
            options,
        })
    }

    /// Gives a partition of one side its past: the rows of the checkpoint after record `sequence`, taken at `at`.
    ///
    /// # Errors
    /// When a row cannot be read.
    pub fn restore<'a>(
        &mut self,
        part: Part,
        partition: u16,
        (sequence, at): (u64, Instant),
        rows: impl Iterator<Item = (engine::Table, &'a [u8], &'a [u8])>,
    ) -> Result<(), RowError> {
        let engine = &mut self.side(part).engine;
        engine.knows_until(partition, at);
        engine.restore(partition, sequence, rows)
    }

    /// The next input of the stream, in order of time.
    pub fn take(&mut self, input: Input, at: Instant) {
        if let Some(from) = self.options.from.filter(|from| !self.counting && at >= *from) {
            self.begin_counting(from);
        }
        self.first.get_or_insert(at);
        self.clock = self.clock.max(at);
        self.inputs += 1;
        self.waiting.push((input, at));
        if self.waiting.len() >= limits::TURN_INPUTS {
            self.flush();
        }
    }

    /// Puts another set in force on one side, at a record of the stream.
    ///
    /// # Errors
    /// When its deployments contradict each other.
    pub fn reconfigure(&mut self, part: Part, setup: Setup, id: Name, at: Instant) -> Result<(), SetupError> {
        self.flush();
        self.clock = self.clock.max(at);
        self.side(part).reconfigure(setup, id, at)
    }

    /// Puts another set in force on one side, right before the record of a start.
    ///
    /// # Errors
    /// When its deployments contradict each other.
    pub fn switch(&mut self, part: Part, setup: Setup) -> Result<(), SetupError> {
        self.flush();
        self.side(part).switch(setup)
    }

    /// Lets the clock run on to `until` where that is later than the last input, and compares.
    #[must_use]
    pub fn finish(mut self, until: Option<Instant>) -> Report {
        let end = until.unwrap_or(self.clock).max(self.clock);
        if let Some(from) = self.options.from.filter(|from| !self.counting && end >= *from) {
            self.begin_counting(from);
        }
        self.flush();
        self.old.advance(end);
        self.new.advance(end);
        self.collect();
        let (tally, differences) = self.comparison.finish(self.options.window);
        let from = self.options.from.or(self.first).unwrap_or(end);
        let (timeline, bar_seconds) = tally.timeline(from, end);
        Report {
            old: self.options.old,
            new: self.options.new,
            stream: self.options.stream,
            from,
            to: end,
            inputs: self.inputs,
            skipped: 0,
            unclaimed: 0,
            window_seconds: self.options.window.as_secs_f64(),
            counts: tally.total,
            deployments: tally.deployments(),
            devices: tally.devices(),
            people: tally.people(),
            zone: tally.zone(),
            hours: tally.hours.to_vec(),
            timeline,
            bar_seconds,
            unknown: unknown(&self.old, &self.new, &differences),
            differences,
        }
    }

    /// Everything before this is done and let go.
    fn begin_counting(&mut self, from: Instant) {
        self.flush();
        let before = Instant(from.0 - 1);
        if self.first.is_some() {
            self.old.advance(before);
            self.new.advance(before);
        }
        self.collect();
        self.old.forget_sent();
        self.new.forget_sent();
        self.counting = true;
    }

    fn flush(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        waiting.iter().for_each(|(input, at)| self.old.take(input, *at));
        waiting.iter().for_each(|(input, at)| self.new.take(input, *at));
        self.waiting = waiting;
        self.waiting.clear();
        self.collect();
    }

    fn collect(&mut self) {
        let (old, new) = (self.old.decisions(), self.new.decisions());
        if self.counting {
            self.comparison.take(old, new);
        }
    }

    fn side(&mut self, part: Part) -> &mut Side {
        match part {
            Part::Old => &mut self.old,
            Part::New => &mut self.new,
        }
    }
}
