//! Agreement: the same lines give the same decisions in whatever turns and partitions they run, and so does the journal of
//! each such run.

use std::convert::Infallible;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use engine::digest::{self, RunDigest};
use engine::{Exact, Persistence, Recorded, Setup, Turn, rows};
use ingest::recorded::{BadLines, FileReader, Kind};
use model::input::{Body, HostEvent};
use model::{Configuration, Decision, Deployment, Input, Instant, Name};
use serde_json::Value as Json;
use store::JournalRow;

use crate::Error;
use crate::expectation::differences;
use crate::runner::{Failure, Runner};
use crate::stage::Stage;

/// How a scenario's lines are run.
#[derive(Debug, Clone, Copy)]
struct Way {
    partitions: u16,
    /// Lines of a turn.
    lines: usize,
}

/// As scenarios are run: what every other way must give too.
const PLAIN: Way = Way { partitions: 1, lines: 1 };
const OTHERS: [Way; 4] = [
    Way { partitions: 1, lines: 7 },
    Way { partitions: 1, lines: 256 },
    Way { partitions: 16, lines: 1 },
    Way { partitions: 16, lines: 7 },
];

/// What one way of running left.
#[derive(Default)]
struct Played {
    decisions: Vec<Decision>,
    /// Partition by partition.
    journals: Vec<Vec<JournalRow>>,
    /// Number and instant of each line.
    lines: Vec<(u64, Instant)>,
}

/// The first place at which two lists of decisions differ; none where the shorter one has ended.
type Place<'a> = (Option<&'a Decision>, Option<&'a Decision>);

impl Runner {
    /// Runs a scenario's lines in every way and replays the journals; the digest of the decisions, or the first
    /// difference.
    pub(crate) fn agree(&self, name: &str, file: &Path) -> Result<Result<String, Box<Failure>>, Error> {
        let plain = self.play(name, file, PLAIN)?;
        if let Some(failure) = self.replay(name, PLAIN, &plain)? {
            return Ok(Err(failure));
        }
        for way in OTHERS {
            let other = self.play(name, file, way)?;
            if let Some(place) = first_difference(way, &plain.decisions, &other.decisions) {
                let what = format!("the decisions depend on how the lines are run: with {way} there is another");
                return Ok(Err(plain.failure(what, place)));
            }
            if let Some(failure) = self.replay(name, way, &other)? {
                return Ok(Err(failure));
            }
        }
        let mut digest = RunDigest::default();
        plain.decisions.iter().filter(|decision| decision.is_notable()).for_each(|decision| digest.add(decision));
        Ok(Ok(digest.finish()))
    }

    fn play(&self, name: &str, file: &Path, way: Way) -> Result<Played, Error> {
        let installed = self.installed(name)?.with_partitions(way.partitions);
        let mut stage = Stage::new(installed, Persistence::Journal)?;
        let mut played = Played { journals: vec![Vec::new(); way.partitions.into()], ..Played::default() };
        let mut reader = FileReader::open(file, BadLines::Stop)?;
        while let Some(line) = reader.next_line()? {
            if matches!(line.kind, Kind::Expect(_)) {
                continue;
            }
            played.lines.push((line.number, line.received()));
            stage.take(line)?;
            if played.lines.len().is_multiple_of(way.lines) {
                played.keep(stage.end_turn());
            }
        }
        played.keep(stage.end_turn());
        Ok(played)
    }

    /// Replays the journal of each partition; where that parts from what the run had made.
    fn replay(&self, name: &str, way: Way, played: &Played) -> Result<Option<Box<Failure>>, Error> {
        let setup = self.installed(name)?.with_partitions(way.partitions).setup().clone();
        let mut again = Vec::new();
        for (number, journal) in (0..).zip(&played.journals) {
            if journal.is_empty() {
                continue;
            }
            let mut exact = Exact::new(number, setup.clone())?;
            let mut configuration = setup.configuration();
            for row in journal {
                let input: Option<Input> = row.observed.then(|| rows::decode("journal", &row.payload)).transpose()?;
                let joined = input.as_ref().and_then(|input| self.joined(&mut configuration, way, input));
                if let Err(difference) = exact.take(&Recorded::new(row, input.as_ref()), joined) {
                    return Ok(Some(played.strays(way, &difference, row.at)));
                }
            }
            if let Err(difference) = exact.finish() {
                return Ok(Some(played.strays(way, &difference, Instant::MAX)));
            }
            again.extend(exact.decisions());
        }
        Ok(first_difference(way, &played.decisions, &again)
            .map(|place| played.failure(format!("the run's own journal, with {way}, gives another decision"), place)))
    }

    /// What is in force once a member of a fleet has joined.
    fn joined(&self, configuration: &mut Configuration, way: Way, input: &Input) -> Option<Setup> {
        let Body::Host(HostEvent::Joined(joined)) = &input.body else { return None };
        configuration.join(joined);
        let program = |_: &Deployment| Ok::<_, Infallible>(Arc::clone(&self.program));
        let Ok(setup) = Setup::of(configuration.clone(), way.partitions, program);
        Some(setup)
    }
}

impl Played {
    fn keep(&mut self, turn: Turn) {
        self.decisions.extend(turn.decisions);
        for commit in turn.commits {
            self.journals[usize::from(commit.partition)].extend(commit.journal);
        }
    }

    fn strays(&self, way: Way, difference: &engine::Difference, at: Instant) -> Box<Failure> {
        let what = format!("the run's own journal, with {way}, is not replayed: {difference}");
        Box::new(Failure { line: self.line_at(at), what, ..Failure::default() })
    }

    fn failure(&self, what: String, (expected, got): Place<'_>) -> Box<Failure> {
        let at = expected.or(got).map_or(Instant::MAX, |decision| decision.at);
        let (expected, got) = (expected.map(digest::line), got.map(digest::line));
        let differences = expected.as_ref().zip(got.as_ref()).map(|(expected, got)| differences(expected, got));
        Box::new(Failure {
            line: self.line_at(at),
            what,
            expected: expected.map(Json::Object),
            got: got.map(Json::Object),
            differences: differences.unwrap_or_default(),
            logs: Vec::new(),
        })
    }

    /// The last line up to an instant.
    fn line_at(&self, at: Instant) -> u64 {
        let until = self.lines.iter().take_while(|(_, line)| *line <= at);
        until.last().or(self.lines.first()).map_or(0, |(number, _)| *number)
    }
}

/// Partitions have no order among them; within one partition the order counts too.
fn first_difference<'a>(way: Way, a: &'a [Decision], b: &'a [Decision]) -> Option<Place<'a>> {
    let mut sides = [a, b].map(|side| side.iter().collect::<Vec<_>>());
    if way.partitions > 1 {
        sides.iter_mut().for_each(|side| side.sort_by(|a, b| place(a).cmp(&place(b))));
    }
    let [a, b] = sides;
    let places = (0..a.len().max(b.len())).map(|index| (a.get(index).copied(), b.get(index).copied()));
    places.into_iter().find(|(a, b)| a != b)
}

fn place(decision: &Decision) -> (Instant, &Name, &Name, &Name, u32, Option<&Name>) {
    let member = decision.effect.as_ref().and_then(|record| record.member.as_ref());
    (decision.at, &decision.deployment, &decision.key, &decision.cause.event, decision.index, member)
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partitions, lines } = self;
        let plural = |number: usize| if number == 1 { "" } else { "s" };
        let (these, those) = (plural(usize::from(*partitions)), plural(*lines));
        write!(f, "{partitions} partition{these} and {lines} line{those} a turn")
    }
}
