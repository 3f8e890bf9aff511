//! What a host counts and times while it works, as plain numbers that cost an atomic addition each.
//! How they are shown is for whoever reads them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cordon_types::ValidationCode;
use parking_lot::Mutex;

/// Upper bounds of a histogram's buckets, microseconds: from a cached query to a disk that hangs.
const BOUNDS_MICROS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// Durations by size.
#[derive(Default)]
pub struct Histogram {
    /// The last one is for what is above all bounds.
    buckets: [AtomicU64; BOUNDS_MICROS.len() + 1],
    nanos: AtomicU64,
}

/// A histogram at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Durations {
    /// Sum, seconds.
    pub sum: f64,
    /// Upper bound of each bucket in seconds, the last one infinite, and how many fell into it alone.
    pub buckets: Vec<(f64, u64)>,
}

impl Histogram {
    /// Counts a duration.
    pub fn observe(&self, duration: Duration) {
        let micros = duration.as_micros();
        let bucket = BOUNDS_MICROS.partition_point(|bound| u128::from(*bound) < micros);
        self.buckets[bucket].fetch_add(1, Relaxed);
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Relaxed);
    }

    /// What was counted so far.
    pub fn read(&self) -> Durations {
        let bounds = BOUNDS_MICROS.iter().map(|bound| *bound as f64 / 1e6);
        let counts = self.buckets.iter().map(|count| count.load(Relaxed));
        Durations {
            sum: self.nanos.load(Relaxed) as f64 / 1e9,
            buckets: bounds.chain([f64::INFINITY]).zip(counts).collect(),
        }
    }
}

/// One channel's.
pub struct ChannelMeasures {
    /// Signatures, policies and versions of a block's transactions.
    pub validate: Histogram,
    /// A block's bytes on disk, the fsync included.
    pub write: Histogram,
    /// The index of transactions, and the changes of a block to the state.
    pub state: Histogram,
    /// From handing a transaction to the ordering log until it is safe there.
    pub append: Histogram,
    appending: AtomicU64,
    codes: [AtomicU64; 256],
    lost: Mutex<Option<OrderingLost>>,
}

const NOT_YET: &str = "it has not answered since this host was started";

/// That the ordering log cannot be reached.
#[derive(Debug, Clone)]
pub struct OrderingLost {
    /// Since when.
    pub since: Instant,
    /// Why.
    pub reason: String,
}

impl Default for ChannelMeasures {
    fn default() -> Self {
        let lost = OrderingLost {
            since: Instant::now(),
            reason: NOT_YET.to_owned(),
        };
        Self {
            validate: Histogram::default(),
            write: Histogram::default(),
            state: Histogram::default(),
            append: Histogram::default(),
            appending: AtomicU64::new(0),
            codes: std::array::from_fn(|_| AtomicU64::new(0)),
            lost: Mutex::new(Some(lost)),
        }
    }
}

impl ChannelMeasures {
    /// Transactions committed by this process, by verdict; verdicts that there were none of are left
    /// out, but for `VALID`.
    pub fn transactions(&self) -> Vec<(ValidationCode, u64)> {
        (0..=u8::MAX)
            .zip(&self.codes)
            .filter_map(|(number, count)| {
                let code = ValidationCode::from_number(number)?;
                let count = count.load(Relaxed);
                (count > 0 || code == ValidationCode::Valid).then_some((code, count))
            })
            .collect()
    }

    /// To be held while a transaction is handed to the ordering log: counts and times it, also when
    /// nobody waits for the end.
    pub fn appending(&self) -> Appending<'_> {
        self.appending.fetch_add(1, Relaxed);
        Appending(self, Instant::now())
    }

    /// Transactions handed to the ordering log and not acknowledged yet.
    pub fn appends_under_way(&self) -> u64 {
        self.appending.load(Relaxed)
    }

    /// Since when the ordering log cannot be reached; `None` when it can.
    pub fn ordering_lost(&self) -> Option<OrderingLost> {
        self.lost.lock().clone()
    }

    pub(crate) fn committed(&self, codes: &[ValidationCode]) {
        for code in codes {
            self.codes[usize::from(*code as u8)].fetch_add(1, Relaxed);
        }
    }

    /// Returns whether this is news.
    pub(crate) fn reached(&self) -> bool {
        self.lost.lock().take().is_some()
    }

    /// Returns whether this is news.
    pub(crate) fn lost(&self, reason: &str) -> bool {
        let mut lost = self.lost.lock();
        let reason = reason.to_owned();
        let news = lost.as_ref().is_none_or(|lost| lost.reason == NOT_YET);
        let since = lost.as_ref().map_or_else(Instant::now, |lost| lost.since);
        *lost = Some(OrderingLost { since, reason });
        news
    }
}

/// A transaction on its way into the ordering log.
#[must_use]
pub struct Appending<'a>(&'a ChannelMeasures, Instant);

impl Drop for Appending<'_> {
    fn drop(&mut self) {
        let Self(measures, started) = self;
        measures.appending.fetch_sub(1, Relaxed);
        measures.append.observe(started.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_into_the_bucket_that_it_does_not_exceed() {
        let histogram = Histogram::default();
        for micros in [0, 500, 501, 10_000_000, 10_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let Durations { sum, buckets } = histogram.read();
        assert!((sum - 20.001_002).abs() < 1e-6, "{sum}");
        let found: Vec<(f64, u64)> = buckets.into_iter().filter(|(_, n)| *n > 0).collect();
        let expected = [(0.0005, 2), (0.001, 1), (10.0, 1), (f64::INFINITY, 1)];
        assert_eq!(found, expected);
    }

    #[test]
    fn an_append_is_under_way_until_it_is_dropped() {
        let measures = ChannelMeasures::default();
        let (first, second) = (measures.appending(), measures.appending());
        assert_eq!(measures.appends_under_way(), 2);
        drop((first, second));
        assert_eq!(measures.appends_under_way(), 0);
        let counted = measures
            .append
            .read()
            .buckets
            .iter()
            .map(|(_, n)| n)
            .sum::<u64>();
        assert_eq!(counted, 2);
    }

    #[test]
    fn a_lost_ordering_is_news_once_and_lost_since_the_first_time() {
        let measures = ChannelMeasures::default();
        assert!(measures.lost("at the start"));
        assert!(measures.reached());
        assert!(!measures.reached());
        assert!(measures.ordering_lost().is_none());
        assert!(measures.lost("first"));
        let first = measures.ordering_lost().unwrap();
        assert!(!measures.lost("second"));
        let second = measures.ordering_lost().unwrap();
        assert_eq!(first.since, second.since);
        assert_eq!(second.reason, "second");
    }
}
