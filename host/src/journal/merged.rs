//! What all partitions observed from some records on, as one stream.

use std::collections::VecDeque;

use anyhow::Result;
use model::input::Body;
use model::{Input, Instant, Name};
use store::Reader;

use super::entry;

/// Rows of one read transaction: a long reader would hold back the store's own checkpoints.
const PAGE: usize = 500;

/// Gives every input once, in an order that each partition's journal has, without what partitions sent each other.
pub(crate) struct Merged<'a> {
    reader: &'a Reader,
    partitions: Vec<Partition>,
}

/// An input at the instant at which it was taken.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Observed {
    pub(crate) at: Instant,
    /// Whether a turn began since the input before.
    pub(crate) begins: bool,
    pub(crate) input: Input,
}

#[derive(Default)]
struct Partition {
    number: u16,
    next: u64,
    begins: bool,
    waiting: VecDeque<Observed>,
}

impl<'a> Merged<'a> {
    /// From these records on, one of each partition.
    pub(crate) fn new(reader: &'a Reader, places: &[(u16, u64)]) -> Self {
        let partition =
            |(number, next): &(u16, u64)| Partition { number: *number, next: *next, ..Partition::default() };
        Self { reader, partitions: places.iter().map(partition).collect() }
    }

    /// The next input; none at the end of all journals.
    ///
    /// # Errors
    /// When the store cannot be read, or what was observed is lost.
    pub(crate) fn next(&mut self) -> Result<Option<Observed>> {
        for partition in &mut self.partitions {
            partition.fill(self.reader)?;
        }
        Ok(take_first(&mut self.partitions))
    }
}

impl Partition {
    /// Reads on until something waits or the journal ends.
    fn fill(&mut self, reader: &Reader) -> Result<()> {
        while self.waiting.is_empty() {
            let page = reader.journal(self.number, self.next, PAGE)?;
            let Some(last) = page.last() else { break };
            self.next = last.sequence + 1;
            for row in &page {
                self.begins |= row.begins;
                let Some(input) = entry(self.number, row)?.input else { continue };
                if !matches!(input.body, Body::Transfer(_)) {
                    let begins = std::mem::take(&mut self.begins);
                    self.waiting.push_back(Observed { at: row.at, begins, input });
                }
            }
        }
        Ok(())
    }

    /// How many others of this partition come before an input.
    fn before(&self, found: &Observed) -> Option<usize> {
        let same = |other: &Observed| place(other) == place(found);
        self.waiting.iter().take_while(|other| other.at <= found.at).position(same)
    }
}

/// What tells inputs apart: an input that several partitions took, they took at one instant.
fn place(found: &Observed) -> (Instant, &Name, &Name) {
    (found.at, &found.input.source, &found.input.id)
}

/// Takes the input that comes first: of those at one instant, one that no partition took after another that is left.
fn take_first(partitions: &mut [Partition]) -> Option<Observed> {
    let heads = || partitions.iter().filter_map(|partition| partition.waiting.front());
    let at = heads().map(|head| head.at).min()?;
    let free = |head: &&Observed| partitions.iter().all(|partition| matches!(partition.before(head), None | Some(0)));
    let first = heads().filter(|head| head.at == at).find(free).or_else(|| heads().find(|head| head.at == at))?.clone();
    let mut begins = false;
    for partition in partitions {
        if partition.before(&first) == Some(0) {
            begins |= partition.waiting.pop_front().is_some_and(|taken| taken.begins);
        }
    }
    Some(Observed { begins, ..first })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(inputs: &[(i64, &str)]) -> Partition {
        let observed = |(at, id): &(i64, &str)| {
            let input = Input {
                id: Name::from(*id),
                source: "test".into(),
                own_id: false,
                redelivery: None,
                occurred_at: None,
                body: Body::Advance,
                attributes: Vec::new(),
            };
            Observed { at: Instant(*at), begins: false, input }
        };
        Partition { waiting: inputs.iter().map(observed).collect(), ..Partition::default() }
    }

    #[track_caller]
    fn merged(partitions: &[&[(i64, &str)]], expected: &[&str]) {
        let mut partitions: Vec<Partition> = partitions.iter().map(|inputs| partition(inputs)).collect();
        let found: Vec<Name> = std::iter::from_fn(|| take_first(&mut partitions)).map(|one| one.input.id).collect();
        assert_eq!(found.iter().map(|id| &**id).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn inputs_come_by_instant_and_each_once() {
        merged(&[&[(1, "a"), (4, "c")], &[(2, "b"), (4, "c"), (5, "d")]], &["a", "b", "c", "d"]);
    }

    #[test]
    fn at_one_instant_the_order_is_that_of_every_partition() {
        merged(&[&[(1, "y"), (1, "z")], &[(1, "x"), (1, "y")]], &["x", "y", "z"]);
        merged(&[&[(1, "c")], &[(1, "b"), (1, "c")], &[(1, "a"), (1, "b")]], &["a", "b", "c"]);
    }
}
