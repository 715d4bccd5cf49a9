//! RFC 3339 in the form that nearly every line has, read without a general parser.

use model::Instant;
use model::time::ParseTimeError;

/// Reads an instant: `YYYY-MM-DDTHH:MM:SS[.fraction]Z` fast, every other form as the general parser does.
pub(super) fn parse(text: &str) -> Result<Instant, ParseTimeError> {
    match plain_utc(text.as_bytes()) {
        Some(at) => Ok(at),
        None => text.parse(),
    }
}

fn plain_utc(text: &[u8]) -> Option<Instant> {
    let (head, tail) = text.split_at_checked(19)?;
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|(at, byte)| head[*at] != *byte) {
        return None;
    }
    let (year, month, day) = (number(&head[0..4])?, number(&head[5..7])?, number(&head[8..10])?);
    let (hour, minute, second) = (number(&head[11..13])?, number(&head[14..16])?, number(&head[17..19])?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    };
    let valid = year >= 1
        && (1..=12).contains(&month)
        && (1..=month_days).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !valid {
        return None;
    }
    let micros = match tail {
        b"Z" => 0,
        [b'.', digits @ .., b'Z'] if (1..=6).contains(&digits.len()) => {
            number(digits)? * 10_i64.pow(6 - u32::try_from(digits.len()).ok()?)
        }
        _ => return None,
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(Instant(seconds * 1_000_000 + micros))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0_i64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

/// Days from 1970-01-01 in the Gregorian calendar; the year counts from March, so that the leap day comes last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let from_march = (month + 9) % 12;
    let year = if from_march >= 10 { year - 1 } else { year };
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_fast_reader_agrees_with_the_general_one(micros in Instant::MIN.0..=Instant::MAX.0) {
            let text = Instant(micros).to_string();
            prop_assert_eq!(plain_utc(text.as_bytes()), Some(Instant(micros)), "{}", text);
        }
    }

    #[test]
    fn days_that_do_not_exist_are_left_to_the_general_reader() {
        for text in ["2023-02-29T00:00:00Z", "2023-04-31T00:00:00Z", "2023-01-01T24:00:00Z", "0000-01-01T00:00:00Z"] {
            assert_eq!(plain_utc(text.as_bytes()), None, "{text}");
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("2022-05-02T07:14:00+02:00").ok(), parse("2022-05-02T05:14:00Z").ok());
    }
}
