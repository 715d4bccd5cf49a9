//! `rate`: effects per minute of a deployment in a partition, and commands per minute to one target. Excess is refused
//! and counted, never queued.

use model::{Instant, Span};

use super::Answer;

const MINUTE: Span = Span::from_mins(1);

/// Counts one more in the minute of `now`; refuses beyond `limit`. Minutes are those of the clock, so that the count
/// is a pure function of the journal.
pub(crate) fn count(window: &mut Instant, counted: &mut u32, limit: u32, now: Instant, reason: &'static str) -> Answer {
    let minute = Instant(now.0 - now.0.rem_euclid(MINUTE.0 as i64));
    if *window != minute {
        *window = minute;
        *counted = 0;
    }
    if *counted >= limit {
        return Err(reason);
    }
    *counted += 1;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_holds_the_limit_and_the_next_one_starts_anew() {
        let (mut window, mut counted) = (Instant::default(), 0);
        let mut ask = |at: i64| count(&mut window, &mut counted, 2, Instant(at * 1_000_000), "rate");
        assert_eq!(ask(61), Ok(()));
        assert_eq!(ask(119), Ok(()));
        assert_eq!(ask(119), Err("rate"));
        assert_eq!(ask(120), Ok(()));
    }
}
