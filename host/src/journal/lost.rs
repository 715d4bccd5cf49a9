//! What is lost of a journal: where, why, and how much.

use engine::rows;
use ingest::recorded::{Line, Loss};
use model::{Decision, Input};
use sha2::{Digest as _, Sha256};
use store::{DecisionRow, JournalEntry};

/// Something that the journal held and that cannot be told any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("partition {partition}: {of} of record {sequence} {loss}")]
pub(crate) struct Lost {
    pub(crate) partition: u16,
    pub(crate) sequence: u64,
    pub(crate) of: &'static str,
    pub(crate) loss: Loss,
}

/// All that was lost on the way through a journal.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    count: u64,
    first: Option<Lost>,
}

impl Lost {
    /// The content of a record.
    pub(crate) fn content(partition: u16, sequence: u64, loss: Loss) -> Self {
        Self { partition, sequence, of: "the content", loss }
    }
}

impl Losses {
    pub(crate) fn add(&mut self, lost: Lost) {
        self.count += 1;
        self.first.get_or_insert(lost);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Notes what a line of an export says is lost, where what was observed is.
    pub(crate) fn note(&mut self, line: &Line) {
        let Some(part) = line.journal.as_ref().filter(|part| part.derived.is_none()) else { return };
        if let Some(loss) = part.lost {
            self.add(Lost::content(part.partition, line.sequence.unwrap_or_default(), loss));
        }
    }

    /// A sentence about them; none where nothing was lost.
    pub(crate) fn told(&self) -> Option<String> {
        let first = self.first?;
        Some(match self.count {
            1 => first.to_string(),
            count => format!("{count} records or decisions are lost, the first is this: {first}"),
        })
    }
}

/// Why a row does not hold what it held; none where it does.
pub(super) fn loss(row: &JournalEntry) -> Option<Loss> {
    match &row.payload {
        None => Some(Loss::Deleted),
        Some(payload) if <[u8; 32]>::from(Sha256::digest(payload)) != row.digest => Some(Loss::Damaged),
        Some(_) => None,
    }
}

/// What a row observed; none where it was derived. What was derived is made again and held against its digest, which
/// stays: its content may be gone.
///
/// # Errors
/// When what was observed is lost.
pub(super) fn observed(partition: u16, row: &JournalEntry) -> Result<Option<Input>, Lost> {
    if !row.observed {
        return Ok(None);
    }
    let lost = |loss| Lost::content(partition, row.sequence, loss);
    if let Some(loss) = loss(row) {
        return Err(lost(loss));
    }
    let payload = row.payload.as_deref().unwrap_or_default();
    rows::decode("journal", payload).map(Some).map_err(|_| lost(Loss::Unreadable))
}

/// A decision as the store has it.
///
/// # Errors
/// When it does not read back.
pub(super) fn decision(partition: u16, row: &DecisionRow) -> Result<Decision, Lost> {
    let lost = |_| Lost { partition, sequence: row.sequence, of: "a decision", loss: Loss::Unreadable };
    rows::decode("decisions", &row.payload).map_err(lost)
}

#[cfg(test)]
mod tests {
    use model::Instant;
    use model::input::Body;

    use super::*;

    fn row(observed: bool, payload: &[u8]) -> JournalEntry {
        JournalEntry {
            sequence: 17,
            at: Instant(1),
            observed,
            begins: false,
            kind: "advance".into(),
            subject: None,
            key: None,
            payload: Some(payload.into()),
            digest: Sha256::digest(payload).into(),
            chain: [0; 32],
        }
    }

    fn input() -> Vec<u8> {
        let input = Input {
            id: "line:1".into(),
            source: "test".into(),
            own_id: false,
            redelivery: None,
            occurred_at: None,
            body: Body::Advance,
            attributes: Vec::new(),
        };
        rmp_serde::to_vec_named(&input).expect("an input has a form")
    }

    fn why(row: &JournalEntry) -> String {
        observed(3, row).expect_err("it is lost").to_string()
    }

    #[test]
    fn every_flipped_bit_of_what_was_observed_is_found_and_located() {
        let whole = row(true, &input());
        assert!(observed(3, &whole).expect("it is whole").is_some());
        let length = input().len();
        for bit in 0..length * 8 {
            let mut flipped = whole.clone();
            let mut payload = input();
            payload[bit / 8] ^= 1 << (bit % 8);
            flipped.payload = Some(payload.into());
            assert_eq!(why(&flipped), "partition 3: the content of record 17 is damaged: its digest differs");
        }
    }

    #[test]
    fn what_was_deleted_or_is_no_input_is_told_apart() {
        let deleted = JournalEntry { payload: None, ..row(true, &[]) };
        assert_eq!(why(&deleted), "partition 3: the content of record 17 was deleted");
        assert_eq!(why(&row(true, b"no input")), "partition 3: the content of record 17 does not read back");
    }

    #[test]
    fn what_was_derived_is_needed_by_its_digest_alone() {
        for payload in [None, Some(Box::from(&b"changed"[..]))] {
            let derived = JournalEntry { payload, ..row(false, b"timer") };
            assert_eq!(observed(3, &derived), Ok(None));
            assert!(loss(&derived).is_some(), "and an export says so");
        }
    }

    #[test]
    fn losses_are_counted_and_the_first_is_named() {
        let mut losses = Losses::default();
        assert_eq!(losses.told(), None);
        losses.add(Lost::content(1, 5, Loss::Deleted));
        assert_eq!(losses.told().as_deref(), Some("partition 1: the content of record 5 was deleted"));
        losses.add(Lost::content(0, 9, Loss::Damaged));
        let told = losses.told().expect("something was lost");
        assert_eq!(
            told,
            "2 records or decisions are lost, the first is this: partition 1: the content of record 5 was deleted"
        );
    }
}
