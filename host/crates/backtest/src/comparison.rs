//! The comparison: decisions of both runs as they come, equal ones counted and let go, the others kept to be paired.

use std::collections::{BTreeMap, VecDeque};

use model::{Decision, Span};

use crate::difference::{Class, Difference, Place, counts, place, same};
use crate::pairing::{Pair, pair};
use crate::tally::Tally;

pub(crate) struct Comparison {
    pub(crate) tally: Tally,
    old: Vec<Decision>,
    new: Vec<Decision>,
}

impl Comparison {
    pub(crate) fn new(tally: Tally) -> Self {
        Self { tally, old: Vec::new(), new: Vec::new() }
    }

    /// Takes what both runs decided about the same inputs.
    pub(crate) fn take(&mut self, old: Vec<Decision>, new: Vec<Decision>) {
        let mut news: VecDeque<Decision> = new.into_iter().filter(counts).collect();
        for decision in old.into_iter().filter(counts) {
            match news.iter().position(|new| same(&decision, new)) {
                Some(found) => {
                    news.remove(found);
                    self.tally.same(&decision);
                }
                None => self.old.push(decision),
            }
        }
        self.new.extend(news);
    }

    /// Pairs what is left; the differences in order of time.
    pub(crate) fn finish(mut self, window: Span) -> (Tally, Vec<Difference>) {
        let mut places: BTreeMap<Place, (Vec<&Decision>, Vec<&Decision>)> = BTreeMap::new();
        self.old.iter().for_each(|decision| places.entry(place(decision)).or_default().0.push(decision));
        self.new.iter().for_each(|decision| places.entry(place(decision)).or_default().1.push(decision));
        let mut differences = Vec::new();
        for (mut old, mut new) in places.into_values() {
            old.sort_by_key(|decision| decision.at);
            new.sort_by_key(|decision| decision.at);
            for found in pair(&old, &new, window) {
                let difference = match found {
                    Pair::Same(o) => {
                        self.tally.same(old[o]);
                        continue;
                    }
                    Pair::Both(o, n) => {
                        let difference = Difference::between(old[o], new[n]);
                        self.tally.differ(difference.class, old[o], Some(new[n]));
                        difference
                    }
                    Pair::Old(o) => {
                        self.tally.differ(Class::Removed, old[o], None);
                        Difference::removed(old[o])
                    }
                    Pair::New(n) => {
                        self.tally.differ(Class::Added, new[n], None);
                        Difference::added(new[n])
                    }
                };
                differences.push(difference);
            }
        }
        differences.sort_by(|a, b| (a.at, &a.deployment, &a.key).cmp(&(b.at, &b.deployment, &b.key)));
        (self.tally, differences)
    }
}
