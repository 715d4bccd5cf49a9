//! Retry: how long to wait after a failed attempt. Jitter comes from the effect's id, so that a replay waits the same.

use model::{Id, Span, limits};

/// Waits of a webhook, as Standard Webhooks recommends: three days of patience for a receiver that is being repaired.
pub const WEBHOOK: [Span; 9] = [
    Span::from_secs(5),
    Span::from_mins(5),
    Span::from_mins(30),
    Span::from_hours(2),
    Span::from_hours(5),
    Span::from_hours(10),
    Span::from_hours(14),
    Span::from_hours(20),
    Span::from_hours(24),
];

/// Doubles from 1 s to 5 min and never gives up: what ends it is the effect's expiry.
#[must_use]
pub fn doubling(attempts: u32, id: Id) -> Span {
    jittered(doubled(attempts, limits::RETRY_FIRST, limits::RETRY_LONGEST), attempts, id)
}

/// The wait of this schedule; none when the attempts have used it up.
#[must_use]
pub fn scheduled(schedule: &[Span], attempts: u32, id: Id) -> Option<Span> {
    let place = usize::try_from(attempts.checked_sub(1)?).ok()?;
    schedule.get(place).map(|wait| jittered(*wait, attempts, id))
}

/// `first` doubled once for each attempt after the first, at most `longest`.
#[must_use]
pub fn doubled(attempts: u32, first: Span, longest: Span) -> Span {
    let factor = 1_u64.checked_shl(attempts.saturating_sub(1)).unwrap_or(u64::MAX);
    Span(first.0.saturating_mul(factor).min(longest.0))
}

/// `wait` and up to a tenth more, so that what failed together does not come back together.
#[must_use]
pub fn jittered(wait: Span, attempts: u32, id: Id) -> Span {
    let share = id.fold().rotate_left(attempts.wrapping_mul(7)) % 1_000;
    Span(wait.0.saturating_add(wait.0 / 10_000 * share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits = [1, 2, 3, 9, 10, 64, 65, u32::MAX];
        let seconds = waits.map(|n| doubled(n, limits::RETRY_FIRST, limits::RETRY_LONGEST).0 / 1_000_000);
        assert_eq!(seconds, [1, 2, 4, 256, 300, 300, 300, 300]);
    }

    #[test]
    fn a_webhook_is_tried_ten_times_and_then_given_up() {
        let id = Id([9; 16]);
        assert!(scheduled(&WEBHOOK, 0, id).is_none());
        for (attempts, wait) in (1..).zip(WEBHOOK) {
            let jittered = scheduled(&WEBHOOK, attempts, id).expect("within the schedule");
            assert!(wait <= jittered && jittered.0 <= wait.0 + wait.0 / 10, "{attempts}: {jittered}");
        }
        assert_eq!(scheduled(&WEBHOOK, 10, id), None);
    }

    #[test]
    fn jitter_repeats_with_the_id_and_differs_between_ids() {
        let wait = Span::from_secs(5);
        let (a, b) = (Id::of(&[b"a"]), Id::of(&[b"b"]));
        assert_eq!(jittered(wait, 1, a), jittered(wait, 1, a));
        assert_ne!(jittered(wait, 1, a), jittered(wait, 1, b));
        assert_ne!(jittered(wait, 1, a), jittered(wait, 2, a));
    }
}
