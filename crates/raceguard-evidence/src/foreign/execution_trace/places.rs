//! Where goroutines waited, summed by place.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use super::names::{Name, Names, Stack};
use crate::execution_trace::Blocked;

/// How many places are told apart.
const MOST_PLACES: usize = 100_000;
/// How many stacks of those that ended a wait are told apart at a place, and how many a record has.
const MOST_WAKERS: usize = 64;
const SHOWN_WAKERS: usize = 8;
/// How many places a record has, and how many frames they may have together.
const SHOWN_PLACES: usize = 1000;
const SHOWN_FRAMES: usize = 150_000;

/// Waits by why and where.
#[derive(Debug, Default)]
pub(super) struct Places {
    sums: HashMap<(Name, Stack), Sum, RandomState>,
}

#[derive(Debug, Default)]
struct Sum {
    count: u64,
    total: u64,
    max: u64,
    open: u64,
    open_total: u64,
    /// How many waits were of each length class, by [`class`].
    lengths: BTreeMap<u8, u64>,
    wakers: Vec<(Stack, u64)>,
    /// How many places it is the sum of, when it stands for others.
    places: u64,
}

impl Places {
    /// A wait of `length` nanoseconds ended.
    pub(super) fn add(&mut self, reason: Name, stack: Stack, length: u64, waker: Stack) {
        let sum = self.sum(reason, stack);
        sum.count += 1;
        sum.total = sum.total.saturating_add(length);
        sum.max = sum.max.max(length);
        *sum.lengths.entry(class(length)).or_default() += 1;
        if waker != Stack::NONE {
            if let Some((_, count)) = sum.wakers.iter_mut().find(|(known, _)| *known == waker) {
                *count += 1;
            } else if sum.wakers.len() < MOST_WAKERS {
                sum.wakers.push((waker, 1));
            }
        }
    }

    /// A wait had not ended when the trace did.
    pub(super) fn add_open(&mut self, reason: Name, stack: Stack, length: u64) {
        let sum = self.sum(reason, stack);
        sum.open += 1;
        sum.open_total = sum.open_total.saturating_add(length);
    }

    fn sum(&mut self, reason: Name, stack: Stack) -> &mut Sum {
        let known = self.sums.len() < MOST_PLACES || self.sums.contains_key(&(reason, stack));
        self.sums.entry(if known { (reason, stack) } else { (reason, Stack::OTHER) }).or_default()
    }

    /// The places, longest waits first; those beyond what a record holds are summed by reason.
    pub(super) fn into_blocked(self, names: &Names) -> Vec<Blocked> {
        let mut sums: Vec<((Name, Stack), Sum)> = self.sums.into_iter().collect();
        sums.sort_unstable_by_key(|((reason, stack), sum)| {
            (std::cmp::Reverse(sum.total.saturating_add(sum.open_total)), *reason, *stack)
        });
        let mut shown = Vec::new();
        let mut others: HashMap<Name, Sum, RandomState> = HashMap::default();
        let mut frames = 0;
        for ((reason, stack), sum) in sums {
            if stack != Stack::OTHER && shown.len() < SHOWN_PLACES && frames < SHOWN_FRAMES {
                let blocked = blocked(names, reason, stack, sum);
                frames += blocked.stack.len() + blocked.unblocked_at.iter().map(Vec::len).sum::<usize>();
                shown.push(blocked);
            } else {
                others.entry(reason).or_default().join(&sum);
            }
        }
        let mut others: Vec<_> = others.into_iter().collect();
        others.sort_unstable_by_key(|(reason, sum)| (std::cmp::Reverse(sum.total), *reason));
        shown.extend(
            others.into_iter().take(100).map(|(reason, sum)| blocked(names, reason, Stack::NONE, sum)),
        );
        shown
    }
}

impl Sum {
    fn join(&mut self, other: &Self) {
        self.count += other.count;
        self.total = self.total.saturating_add(other.total);
        self.max = self.max.max(other.max);
        for (&class, &count) in &other.lengths {
            *self.lengths.entry(class).or_default() += count;
        }
        self.open += other.open;
        self.open_total = self.open_total.saturating_add(other.open_total);
        self.places += 1;
    }
}

/// The class of a length: four for each power of two.
fn class(length: u64) -> u8 {
    let length = length.max(4);
    let power = length.ilog2();
    let quarter = (length >> (power - 2)) & 3;
    u8::try_from(u64::from(power - 2) * 4 + quarter).unwrap_or(u8::MAX)
}

/// The longest length of a class.
fn bound(class: u8) -> u64 {
    let (power, quarter) = (u32::from(class / 4), u64::from(class % 4));
    // Four quarters begin at 4: the class begins at (4 + quarter) << power.
    ((5 + quarter) << power).wrapping_sub(1)
}

fn blocked(names: &Names, reason: Name, stack: Stack, mut sum: Sum) -> Blocked {
    sum.wakers.sort_unstable_by_key(|&(stack, count)| (std::cmp::Reverse(count), stack));
    Blocked {
        reason: names.shown(reason).to_owned(),
        count: sum.count,
        total_ns: sum.total,
        max_ns: sum.max,
        lengths: sum.lengths.iter().map(|(&class, &count)| (bound(class), count)).collect(),
        open: sum.open,
        open_ns: sum.open_total,
        stack: names.frames(stack),
        places: sum.places,
        unblocked_at: sum
            .wakers
            .iter()
            .take(SHOWN_WAKERS)
            .map(|&(waker, _)| names.frames(waker))
            .filter(|frames| !frames.is_empty())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{bound, class};

    #[test]
    fn a_class_holds_lengths_up_to_its_bound() {
        for length in (0..2_000).chain([1 << 20, (1 << 40) + 12_345, u64::MAX - 1, u64::MAX]) {
            let of = class(length);
            assert!(length <= bound(of), "{length}");
            assert!(of == 0 || bound(of - 1) < length.max(4), "{length}");
            assert!(bound(of) / 5 * 4 <= length.max(4), "{length}");
        }
    }
}
