//! Recent: effects that were reported a moment ago and may still stand in the outbox, because the commit that removes
//! them is on its way.

use std::collections::{HashSet, VecDeque};

use model::{Id, Name};

/// Far more than the results that can wait between us and a commit. A row that was forgotten too early is sent a second
/// time under the same id, which is what delivery promises anyway.
const REMEMBERED: usize = 8_192;

/// One effect at one sink.
pub(crate) type RowId = (Id, Name);

#[derive(Default)]
pub(crate) struct Recent {
    known: HashSet<RowId>,
    order: VecDeque<RowId>,
}

impl Recent {
    pub(crate) fn add(&mut self, row: RowId) {
        if !self.known.insert(row.clone()) {
            return;
        }
        self.order.push_back(row);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    pub(crate) fn contains(&self, row: &RowId) -> bool {
        self.known.contains(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_past_the_limit() {
        let row = |n: usize| (Id::of(&[&n.to_be_bytes()]), Name::from("hook"));
        let mut recent = Recent::default();
        (0..REMEMBERED).for_each(|n| recent.add(row(n)));
        recent.add(row(1));
        assert!(recent.contains(&row(0)));
        recent.add(row(REMEMBERED));
        assert!(!recent.contains(&row(0)));
        assert!(recent.contains(&row(1)));
    }
}
