//! [`Series`]: what one key was counted, by bucket and decayed.

use std::time::Duration;

use crate::counters::window::{Activity, WindowSettings};

/// How time is cut, the same for all keys of a map.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    bucket_nanos: u64,
    buckets: usize,
    half_life: f64,
}

impl Scale {
    pub(super) fn new(settings: &WindowSettings) -> Self {
        let window = u64::try_from(settings.window.as_nanos()).unwrap_or(u64::MAX);
        Self {
            // Rounded up, so that the buckets cover the window.
            bucket_nanos: window.div_ceil(settings.buckets as u64),
            buckets: settings.buckets,
            half_life: settings.half_life.as_secs_f64(),
        }
    }

    /// The number of the bucket that a time falls into.
    fn bucket(self, now: Duration) -> u64 {
        u64::try_from(now.as_nanos()).unwrap_or(u64::MAX) / self.bucket_nanos
    }

    fn decay(self, passed: Duration) -> f64 {
        (-passed.as_secs_f64() / self.half_life).exp2()
    }
}

#[derive(Debug)]
pub(super) struct Series {
    /// A ring: bucket `n` is at `n % buckets`. Those up to `latest` are valid.
    buckets: Box<[u64]>,
    /// The bucket of the last addition.
    latest: u64,
    /// As of the last addition.
    decayed: f64,
    /// Time of the last addition.
    last: Duration,
}

impl Series {
    pub(super) fn new(scale: Scale, now: Duration) -> Self {
        Self {
            buckets: vec![0; scale.buckets].into_boxed_slice(),
            latest: scale.bucket(now),
            decayed: 0.0,
            last: now,
        }
    }

    /// Time of the last addition.
    pub(super) fn last(&self) -> Duration {
        self.last
    }

    pub(super) fn add(&mut self, scale: Scale, now: Duration, count: u64) {
        // Threads read the clock before they get here, so their times may come out of order.
        let now = now.max(self.last);
        self.advance(scale.bucket(now));
        let bucket = self.place(self.latest);
        self.buckets[bucket] = self.buckets[bucket].saturating_add(count);
        #[expect(clippy::cast_precision_loss, reason = "the decayed count is approximate")]
        let count = count as f64;
        self.decayed = (self.decayed * scale.decay(now.saturating_sub(self.last)) + count).min(f64::MAX);
        self.last = now;
    }

    pub(super) fn activity(&self, scale: Scale, now: Duration) -> Activity {
        let now = now.max(self.last);
        let current = scale.bucket(now);
        let kept = (scale.buckets as u64).saturating_sub(current - self.latest);
        // Bucket 0 is the one in which the map was made.
        let in_window = (0..kept.min(self.latest + 1))
            .map(|back| self.buckets[self.place(self.latest - back)])
            .fold(0, u64::saturating_add);
        Activity {
            in_window,
            decayed: self.decayed * scale.decay(now.saturating_sub(self.last)),
            idle: now.saturating_sub(self.last),
        }
    }

    /// Empties the buckets between the last addition's and this one.
    fn advance(&mut self, bucket: u64) {
        let steps = bucket.saturating_sub(self.latest);
        if steps >= self.buckets.len() as u64 {
            self.buckets.fill(0);
        } else {
            for step in 1..=steps {
                let place = self.place(self.latest + step);
                self.buckets[place] = 0;
            }
        }
        self.latest = self.latest.max(bucket);
    }

    fn place(&self, bucket: u64) -> usize {
        let place = bucket % self.buckets.len() as u64;
        usize::try_from(place).unwrap_or(0)
    }
}
