//! Recent: effects that were reported a moment ago and may still stand in the outbox, because the commit that removes
//! them is on its way. A row of the same effect that is due after the report is another one: nothing has confirmed the
//! command, and the host sends it again.

use std::collections::{HashMap, VecDeque};

use model::{Id, Instant, Name};

/// Far more than the results that can wait between us and a commit. A row that was forgotten too early is sent a second
/// time under the same id, which is what delivery promises anyway.
const REMEMBERED: usize = 8_192;

/// One effect at one sink.
pub(crate) type RowId = (Id, Name);

#[derive(Default)]
pub(crate) struct Recent {
    /// When each was reported, or was to be sent where that is later.
    known: HashMap<RowId, Instant>,
    order: VecDeque<RowId>,
}

impl Recent {
    pub(crate) fn add(&mut self, row: RowId, at: Instant) {
        if self.known.insert(row.clone(), at).is_some() {
            return;
        }
        self.order.push_back(row);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Whether a row that is due then is the one that was reported.
    pub(crate) fn contains(&self, row: &RowId, due: Instant) -> bool {
        self.known.get(row).is_some_and(|at| due <= *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(n: usize) -> RowId {
        (Id::of(&[&n.to_be_bytes()]), Name::from("hook"))
    }

    #[test]
    fn the_oldest_is_forgotten_past_the_limit() {
        let mut recent = Recent::default();
        (0..REMEMBERED).for_each(|n| recent.add(row(n), Instant(5)));
        recent.add(row(1), Instant(5));
        assert!(recent.contains(&row(0), Instant(1)));
        recent.add(row(REMEMBERED), Instant(5));
        assert!(!recent.contains(&row(0), Instant(1)));
        assert!(recent.contains(&row(1), Instant(1)));
    }

    #[test]
    fn a_row_that_is_due_after_the_report_is_another_one() {
        let mut recent = Recent::default();
        recent.add(row(0), Instant(5));
        assert!(recent.contains(&row(0), Instant(5)));
        assert!(!recent.contains(&row(0), Instant(6)));
        recent.add(row(0), Instant(7));
        assert!(recent.contains(&row(0), Instant(6)));
    }
}
