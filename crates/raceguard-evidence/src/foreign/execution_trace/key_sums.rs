//! Regions summed by their key, and how they overlap.
//!
//! A region is known in full only when it has ended, so regions come in the order of their ends; overlaps are counted
//! in the order of their starts. Regions are therefore kept until nothing that is still open began before them, and
//! then swept in order. [`MOST_PENDING`] of them are kept; when a region stays open so long that more come together,
//! it is taken to begin where the sweep has come to.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use foldhash::fast::RandomState;

use super::names::{Name, Names, Stack};
use super::regions::Key;
use crate::execution_trace::{RegionInterval, TraceKey};

/// How many regions wait for the sweep.
const MOST_PENDING: usize = 1_000_000;
/// How many intervals all keys together keep, and how many each may have all the same.
const MOST_INTERVALS: usize = 100_000;
const FEWEST_INTERVALS: usize = 8;
/// How many goroutines are told apart, of all keys together.
const MOST_GOROUTINES: usize = 4_000_000;
/// How many sites a key keeps.
const MOST_SITES: usize = 8;

/// A region that has ended, or is open at the end of the trace.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub(super) goroutine: u64,
    pub(super) task: u64,
    pub(super) start: u64,
    /// `None` when it is open at the end.
    pub(super) end: Option<u64>,
    /// Its end, or the last event of the trace.
    pub(super) until: u64,
    pub(super) blocked: u64,
    pub(super) runnable: u64,
    pub(super) site: Stack,
}

/// The sums of all keys.
#[derive(Debug, Default)]
pub(super) struct KeySums {
    places: HashMap<(Name, Name, Name), u32, RandomState>,
    sums: Vec<Sum>,
    others: Sum,
    pending: usize,
    hurried: bool,
    room: Room,
}

/// What all keys share.
#[derive(Debug, Default)]
struct Room {
    intervals: usize,
    goroutines: usize,
}

#[derive(Debug, Default)]
struct Sum {
    accesses: u64,
    overlaps: u64,
    max_concurrent: u64,
    total: u64,
    blocked: u64,
    runnable: u64,
    goroutines: HashSet<u64, RandomState>,
    sites: Vec<Stack>,
    intervals: Vec<Access>,
    pending: Vec<Access>,
    /// Ends and goroutines of the regions that the sweep is inside of.
    ends: BinaryHeap<Reverse<(u64, u64)>>,
    inside: HashMap<u64, u32, RandomState>,
}

impl KeySums {
    /// Adds a region of the name `region`; `key` is the empty pair when nothing was logged in it.
    pub(super) fn add(&mut self, region: Name, key: Key, access: &Access) {
        let place = key.and_then(|(category, key)| self.place(region, category, key));
        let Some(place) = place else {
            self.others.add(access, &mut self.room);
            return;
        };
        let sum = &mut self.sums[place];
        sum.add(access, &mut self.room);
        sum.pending.push(access.clone());
        self.pending += 1;
    }

    fn place(&mut self, region: Name, category: Name, key: Name) -> Option<usize> {
        if let Some(&place) = self.places.get(&(region, category, key)) {
            return Some(place as usize);
        }
        if self.sums.len() >= TraceKey::MAX_KEYS {
            return None;
        }
        let place = self.sums.len();
        self.places.insert((region, category, key), u32::try_from(place).ok()?);
        self.sums.push(Sum::default());
        Some(place)
    }

    pub(super) fn is_time_to_sweep(&self) -> bool {
        self.pending >= MOST_PENDING
    }

    /// Whether a region was taken to begin later than it did.
    pub(super) fn were_hurried(&self) -> bool {
        self.hurried
    }

    /// Counts overlaps up to `horizon`, before which no open region began. When that leaves too many, up to `now`.
    pub(super) fn sweep(&mut self, horizon: u64, now: u64) {
        self.sweep_to(horizon);
        if self.pending > MOST_PENDING / 2 {
            self.hurried = true;
            self.sweep_to(now.saturating_add(1));
        }
    }

    /// Counts all that is left; `end` is the end of the trace.
    pub(super) fn finish(&mut self, end: u64) {
        self.sweep_to(end.saturating_add(1));
    }

    fn sweep_to(&mut self, horizon: u64) {
        self.pending = 0;
        for sum in &mut self.sums {
            sum.sweep(horizon, &mut self.room);
            self.pending += sum.pending.len();
        }
    }

    /// The records: those with the longest waits first, the sum of the others last.
    pub(super) fn into_records(self, names: &Names, trace_start: u64) -> impl Iterator<Item = TraceKey> {
        let mut sums: Vec<Option<Sum>> = self.sums.into_iter().map(Some).collect();
        let mut order: Vec<_> = self.places.into_iter().collect();
        order.sort_unstable_by_key(|&(name, place)| {
            let sum = sums[place as usize].as_ref();
            (Reverse(sum.map_or((0, 0), |sum| (sum.blocked, sum.total))), name)
        });
        let own = order.into_iter().filter_map(move |((region, category, key), place)| {
            let mut record = sums[place as usize].take()?.into_record(names, trace_start);
            names.shown(region).clone_into(&mut record.region);
            names.shown(category).clone_into(&mut record.category);
            names.shown(key).clone_into(&mut record.key);
            Some(record)
        });
        let others = (self.others.accesses > 0).then(|| {
            let mut record = self.others.into_record(names, trace_start);
            record.others = true;
            record
        });
        own.chain(others)
    }
}

impl Sum {
    fn add(&mut self, access: &Access, room: &mut Room) {
        self.accesses += 1;
        self.total = self.total.saturating_add(access.until.saturating_sub(access.start));
        self.blocked = self.blocked.saturating_add(access.blocked);
        self.runnable = self.runnable.saturating_add(access.runnable);
        if room.goroutines < MOST_GOROUTINES && self.goroutines.insert(access.goroutine) {
            room.goroutines += 1;
        }
        if self.sites.len() < MOST_SITES && access.site != Stack::NONE && !self.sites.contains(&access.site) {
            self.sites.push(access.site);
        }
    }

    fn sweep(&mut self, horizon: u64, room: &mut Room) {
        self.pending.sort_by_key(|access| access.start);
        let ready = self.pending.partition_point(|access| access.start < horizon);
        for access in self.pending.drain(..ready) {
            while let Some(&Reverse((end, goroutine))) = self.ends.peek()
                && end <= access.start
            {
                self.ends.pop();
                if let Some(count) = self.inside.get_mut(&goroutine) {
                    *count -= 1;
                    if *count == 0 {
                        self.inside.remove(&goroutine);
                    }
                }
            }
            let own = usize::from(self.inside.contains_key(&access.goroutine));
            self.overlaps += u64::from(self.inside.len() > own);
            *self.inside.entry(access.goroutine).or_default() += 1;
            self.ends.push(Reverse((access.until, access.goroutine)));
            self.max_concurrent = self.max_concurrent.max(self.inside.len() as u64);
            let kept = self.intervals.len();
            if kept < FEWEST_INTERVALS || (kept < TraceKey::MAX_INTERVALS && room.intervals < MOST_INTERVALS)
            {
                room.intervals += 1;
                self.intervals.push(access);
            }
        }
    }

    fn into_record(self, names: &Names, trace_start: u64) -> TraceKey {
        let interval = |access: Access| RegionInterval {
            goroutine: access.goroutine,
            task: access.task,
            start_ns: access.start.saturating_sub(trace_start),
            end_ns: access.end.map(|end| end.saturating_sub(trace_start)),
            blocked_ns: access.blocked,
        };
        TraceKey {
            accesses: self.accesses,
            goroutines: self.goroutines.len() as u64,
            overlaps: self.overlaps,
            max_concurrent: self.max_concurrent,
            total_ns: self.total,
            blocked_ns: self.blocked,
            runnable_ns: self.runnable,
            sites: self.sites.into_iter().map(|site| names.frames(site)).collect(),
            intervals: self.intervals.into_iter().map(interval).collect(),
            ..TraceKey::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn access((goroutine, start, length): (u64, u64, u64)) -> Access {
        let until = start + length;
        Access {
            goroutine,
            task: 0,
            start,
            end: Some(until),
            until,
            blocked: 0,
            runnable: 0,
            site: Stack::NONE,
        }
    }

    /// Overlaps and most goroutines at once, by looking at every pair.
    fn counted(accesses: &[Access]) -> (u64, u64) {
        let inside = |access: &Access| {
            let others = accesses.iter().filter(|other| {
                other.goroutine != access.goroutine
                    && other.start < access.start
                    && other.until > access.start
            });
            others.map(|other| other.goroutine).collect::<HashSet<_>>().len() as u64
        };
        let overlaps = accesses.iter().filter(|access| inside(access) > 0).count() as u64;
        (overlaps, accesses.iter().map(|access| inside(access) + 1).max().unwrap_or(0))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn sweeping_counts_as_looking_at_every_pair_does(
            shapes in prop::collection::btree_map(0_u64..500, (0_u64..6, 0_u64..80), 1..40),
            sweep_every in 1_usize..10,
        ) {
            // Starts are different from each other, as the times of events are.
            let mut accesses: Vec<Access> =
                shapes.into_iter().map(|(start, (goroutine, length))| access((goroutine, start, length))).collect();
            let expected = counted(&accesses);
            accesses.sort_by_key(|access| access.until);
            let mut sums = KeySums::default();
            for (place, access) in accesses.iter().enumerate() {
                sums.add(1, Some((2, 3)), access);
                if place % sweep_every == 0 {
                    let open = accesses[place + 1..].iter().map(|access| access.start).min();
                    sums.sweep(open.unwrap_or(access.until).min(access.until), access.until);
                }
            }
            sums.finish(1000);
            let sum = &sums.sums[0];
            prop_assert_eq!((sum.overlaps, sum.max_concurrent), expected);
            prop_assert_eq!(sum.accesses, accesses.len() as u64);
            prop_assert!(sum.intervals.is_sorted_by_key(|access| access.start));
            prop_assert_eq!(sum.intervals.len(), accesses.len());
        }
    }

    #[test]
    fn keys_beyond_the_limit_are_one_sum() {
        let mut sums = KeySums::default();
        for key in 0..=u32::try_from(TraceKey::MAX_KEYS).unwrap() + 4 {
            sums.add(1, Some((2, key)), &access((1, key.into(), 1)));
        }
        sums.add(1, None, &access((2, 0, 1)));
        sums.finish(u64::MAX);
        let records: Vec<TraceKey> = sums.into_records(&Names::default(), 0).collect();
        assert_eq!(records.len(), TraceKey::MAX_KEYS + 1);
        let others = records.last().unwrap();
        assert_eq!((others.others, others.accesses, others.goroutines), (true, 6, 2));
        assert!(
            records[..TraceKey::MAX_KEYS].iter().all(|record| !record.others && record.intervals.len() == 1)
        );
    }

    #[test]
    fn a_region_that_stays_open_does_not_keep_all_others() {
        let mut sums = KeySums::default();
        for number in 0..MOST_PENDING as u64 {
            sums.add(1, Some((2, 3)), &access((number % 2, number * 2, 3)));
        }
        assert!(sums.is_time_to_sweep());
        sums.sweep(0, MOST_PENDING as u64 * 2);
        assert!(sums.were_hurried() && !sums.is_time_to_sweep());
    }
}
