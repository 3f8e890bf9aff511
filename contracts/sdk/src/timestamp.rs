//! The client's time.

/// A moment as the client stated it when it signed the proposal. Order by it, do not trust it: within
/// a host's tolerance the client chooses it.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z; may be negative.
    pub seconds: i64,
    /// Nanoseconds within that second, below 1,000,000,000.
    pub nanoseconds: u32,
}

const SECONDS_PER_DAY: i64 = 86_400;

impl Timestamp {
    /// RFC 3339 text in UTC, such as `2026-11-20T09:30:00.25Z`; without a fraction when it is zero,
    /// else without trailing zeros. The same moment always gives the same text.
    ///
    /// Years outside 0 to 9999, which RFC 3339 cannot say, are written with their sign.
    pub fn to_rfc3339(self) -> String {
        let (year, month, day) = civil_date(self.seconds.div_euclid(SECONDS_PER_DAY));
        let second = self.seconds.rem_euclid(SECONDS_PER_DAY).unsigned_abs();
        // Digits are written one by one: with `format!`, this was 43 % of the fuel of reading a
        // thousand notes.
        let mut text = String::with_capacity("2026-11-20T09:30:00.123456789Z".len());
        if (0..=9999).contains(&year) {
            push_digits(&mut text, year.unsigned_abs(), 4);
        } else {
            text = format!("{year:+05}");
        }
        let parts = [
            ('-', month.unsigned_abs()),
            ('-', day.unsigned_abs()),
            ('T', second / 3_600),
            (':', second / 60 % 60),
            (':', second % 60),
        ];
        for (before, number) in parts {
            text.push(before);
            push_digits(&mut text, number, 2);
        }
        if self.nanoseconds != 0 {
            text.push('.');
            push_digits(&mut text, self.nanoseconds.into(), 9);
            text.truncate(text.trim_end_matches('0').len());
        }
        text.push('Z');
        text
    }

    /// A text of 24 hex digits whose order as text is the order in time, also before 1970. For keys
    /// that are to be scanned in the order of time.
    pub fn sort_key(self) -> String {
        // Flipping the sign bit maps i64 to u64 in ascending order.
        let seconds = self.seconds.cast_unsigned() ^ (1 << 63);
        format!("{seconds:016x}{:08x}", self.nanoseconds)
    }
}

/// Appends the last `count` decimal digits of `number`.
fn push_digits(text: &mut String, number: u64, count: u32) {
    for place in (0..count).rev() {
        text.push(char::from(
            b"0123456789"[(number / 10_u64.pow(place) % 10) as usize],
        ));
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar extended to all
/// times. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil_date(days: i64) -> (i64, i64, i64) {
    // Counted from 0000-03-01, so that the leap day is the last of its year.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64, nanoseconds: u32) -> Timestamp {
        Timestamp {
            seconds,
            nanoseconds,
        }
    }

    #[test]
    fn known_moments_read_as_rfc_3339() {
        assert_eq!(at(0, 0).to_rfc3339(), "1970-01-01T00:00:00Z");
        assert_eq!(
            at(1_709_210_096, 250_000_000).to_rfc3339(),
            "2024-02-29T12:34:56.25Z"
        );
        assert_eq!(at(-1, 1).to_rfc3339(), "1969-12-31T23:59:59.000000001Z");
        assert_eq!(at(951_868_800, 0).to_rfc3339(), "2000-03-01T00:00:00Z");
        assert_eq!(at(253_402_300_799, 0).to_rfc3339(), "9999-12-31T23:59:59Z");
        assert_eq!(
            at(253_402_300_800, 0).to_rfc3339(),
            "+10000-01-01T00:00:00Z"
        );
        assert_eq!(at(-62_167_219_200, 0).to_rfc3339(), "0000-01-01T00:00:00Z");
        assert_eq!(at(-62_167_219_201, 0).to_rfc3339(), "-0001-12-31T23:59:59Z");
    }

    #[test]
    fn no_moment_overflows() {
        for seconds in [i64::MIN, i64::MAX] {
            assert!(
                at(seconds, 999_999_999)
                    .to_rfc3339()
                    .ends_with(".999999999Z")
            );
        }
    }

    proptest! {
        #[test]
        fn sort_keys_are_in_the_order_of_time(
            left in any::<i64>(), left_nanos in 0..1_000_000_000u32,
            right in any::<i64>(), right_nanos in 0..1_000_000_000u32,
        ) {
            let (left, right) = (at(left, left_nanos), at(right, right_nanos));
            prop_assert_eq!(left.cmp(&right), left.sort_key().cmp(&right.sort_key()));
        }
    }
}
