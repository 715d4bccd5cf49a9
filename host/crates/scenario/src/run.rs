//! One scenario while it runs: its lines go to the stage, its expectations take the decisions that come.

use std::collections::VecDeque;
use std::path::Path;

use engine::{Divergence, LogLine, Turn};
use ingest::recorded::{BadLines, FileReader, Kind};
use model::guest::Level;
use serde_json::{Map, Value as Json};

use crate::expectation::{Expectation, differences};
use crate::runner::{Error, Failure};
use crate::stage::Stage;

/// Lines of a rule's log that are shown with a failure: the last ones say why.
const LOGS_SHOWN: usize = 10;

/// One scenario while it runs.
pub(crate) struct Run {
    stage: Stage,
    /// Made and not yet taken by an expectation.
    decisions: VecDeque<Map<String, Json>>,
    logs: VecDeque<String>,
    pub(crate) expectations: u64,
}

impl Run {
    pub(crate) fn new(mut stage: Stage) -> Self {
        // A rule's author should learn first that the rule keeps something in its memory.
        stage.look_for_hidden_state();
        Self { stage, decisions: VecDeque::new(), logs: VecDeque::new(), expectations: 0 }
    }

    pub(crate) fn find_difference(&mut self, file: &Path) -> Result<Option<Failure>, Error> {
        let mut reader = FileReader::open(file, BadLines::Stop)?;
        let mut last = 0;
        while let Some(line) = reader.next_line()? {
            last = line.number;
            let Kind::Expect(written) = &line.kind else {
                let turn = self.stage.feed(line)?;
                self.keep(&turn);
                if let Some(divergence) = turn.divergences.first() {
                    return Ok(Some(self.hides(divergence, last)));
                }
                continue;
            };
            let malformed = |why| Error::Expectation { line: last, why };
            let expectation = Expectation::parse(written.get()).map_err(malformed)?;
            if let Some(failure) = self.hold_against(&expectation, last) {
                return Ok(Some(failure));
            }
            self.expectations += 1;
        }
        Ok(self.hold_against(&Expectation::Nothing, last).map(|failure| {
            let what = "the file ends, but a decision is left that no line expects".to_owned();
            Failure { what, expected: None, ..failure }
        }))
    }

    /// Keeps the decisions with an effect, and those of steps that failed: a rule that breaks must not pass as quiet.
    fn keep(&mut self, turn: &Turn) {
        let told = turn.decisions.iter().filter(|d| d.effect.is_some() || d.verdict == model::Verdict::Failed);
        self.decisions.extend(told.map(engine::digest::line));
        self.logs.extend(turn.logs.iter().map(log_line));
        self.logs.drain(..self.logs.len().saturating_sub(LOGS_SHOWN));
    }

    fn hides(&self, divergence: &Divergence, line: u64) -> Failure {
        let Divergence { key, event, handled, .. } = divergence;
        let what = format!(
            "the rule keeps something in its memory: an instance that had handled {handled} other events answered event {} \
             of key {key} differently from a fresh one; keep it in `state` instead",
            event.trigger
        );
        let answer = |answer: &engine::Answer| serde_json::to_value(answer).ok();
        Failure {
            line,
            what,
            expected: answer(&divergence.fresh),
            got: answer(&divergence.shared),
            differences: Vec::new(),
            logs: self.logs.iter().cloned().collect(),
        }
    }

    fn hold_against(&mut self, expectation: &Expectation, line: u64) -> Option<Failure> {
        while self.decisions.front().is_some_and(|decision| expectation.passes_over(decision)) {
            self.decisions.pop_front();
        }
        let got = self.decisions.pop_front();
        let (what, differences) = match (expectation, &got) {
            (Expectation::Nothing, None) => return None,
            (Expectation::Nothing, Some(_)) => ("a decision that was not expected".to_owned(), Vec::new()),
            (Expectation::Decision(_), None) => ("no decision is left to take".to_owned(), Vec::new()),
            (Expectation::Decision(fields), Some(decision)) => {
                let differences = differences(fields, decision);
                if differences.is_empty() {
                    return None;
                }
                ("the next decision is another".to_owned(), differences)
            }
        };
        let logs = self.logs.iter().cloned().collect();
        Some(Failure {
            line,
            what,
            expected: Some(expectation.to_json()),
            got: got.map(Json::Object),
            differences,
            logs,
        })
    }
}

fn log_line(line: &LogLine) -> String {
    let level = match line.level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    format!("{level}: {}", line.message)
}
