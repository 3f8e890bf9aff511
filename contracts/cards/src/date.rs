//! Dates as clients write them: `YYYY-MM-DD`.

use crate::error::CardsError;

/// A day of the Gregorian calendar from 0001-01-01 to 9999-12-31, written `YYYY-MM-DD`. Kept as a
/// text: it sorts as it is, and is answered as it was sent.
///
/// # Errors
/// [`CardsError::NotADate`] for anything else.
pub fn check_date(field: &'static str, text: &str) -> Result<(), CardsError> {
    if is_date(text.as_bytes()) {
        return Ok(());
    }
    Err(CardsError::NotADate { field })
}

fn is_date(text: &[u8]) -> bool {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else {
        return false;
    };
    let (Some(year), Some(month), Some(day)) = (
        number(&[*y1, *y2, *y3, *y4]),
        number(&[*m1, *m2]),
        number(&[*d1, *d2]),
    ) else {
        return false;
    };
    year > 0 && (1..=days_in_month(year, month)).contains(&day)
}

/// The number that these decimal digits, at most four, say.
fn number(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + u16::from(digit - b'0'))
    })
}

/// 0 for a month that there is not.
fn days_in_month(year: u16, month: u16) -> u16 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cordon_sdk::Timestamp;

    use super::*;

    /// Goal: exactly the days that exist are dates. Method: every day of four centuries as the SDK
    /// writes it, against every combination of year, month and day.
    #[test]
    fn the_days_of_the_calendar_are_dates_and_no_others() {
        let days: BTreeSet<String> = (-95_000..80_000)
            .map(|day| Timestamp {
                seconds: day * 86_400,
                nanoseconds: 0,
            })
            .map(|midnight| midnight.to_rfc3339()[..10].to_owned())
            .collect();
        for year in 1800..=2150 {
            for (month, day) in (0..=13).flat_map(|month| (0..=32).map(move |day| (month, day))) {
                let text = format!("{year:04}-{month:02}-{day:02}");
                assert_eq!(is_date(text.as_bytes()), days.contains(&text), "{text}");
            }
        }
    }

    #[test]
    fn another_form_is_no_date() {
        assert!(is_date(b"0001-01-01") && is_date(b"9999-12-31"));
        for text in [
            "",
            "0000-01-01",
            "2026-1-01",
            "2026-01-01 ",
            "2026/01/01",
            "20260101",
            "+026-01-01",
            "2026-01-0\u{661}",
            "01-01-2026",
            "2026-01-01T00:00:00Z",
        ] {
            assert_eq!(
                check_date("givenOn", text),
                Err(CardsError::NotADate { field: "givenOn" })
            );
        }
    }
}
