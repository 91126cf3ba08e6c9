//! Which tests ran at a moment, for a timeline that is complete. There may be as many moments to ask about as there
//! are tests, so each is looked up and not searched for.

use std::collections::BTreeMap;

use super::{PackageTimes, Timeline, innermost};

/// The times at which cmd/go saw events are a little later than what they report. A moment just outside of a
/// test's time, by at most this much, may belong to it.
const LAG_NS: u64 = 50_000_000;

/// The tests of each package, by when they ran.
#[derive(Debug)]
pub struct Moments<'a> {
    packages: BTreeMap<&'a str, [Spans<'a>; 2]>,
}

impl<'a> Moments<'a> {
    /// Sorts what `timeline` holds.
    pub fn new(timeline: &'a Timeline) -> Self {
        let spans = |package: &'a PackageTimes| {
            [true, false].map(|all_raced| {
                let tests = package.tests.iter().filter(|(_, times)| times.raced || !all_raced);
                Spans::new(tests.flat_map(|(name, times)| {
                    let running = times.running.iter();
                    running.map(|&(start, end)| Span { start, end: end.unwrap_or(u64::MAX), test: name })
                }))
            })
        };
        let packages = timeline.packages.iter().map(|(name, package)| (name.as_str(), spans(package)));
        Self { packages: packages.collect() }
    }

    /// The innermost tests of `package` that ran at `time`. Those in which the testing package saw a race come
    /// before those that ran exactly then, because of the lag.
    pub fn tests_at(&self, package: &str, time: u64) -> Vec<&'a str> {
        let Some(spans) = self.packages.get(package) else { return Vec::new() };
        for spans in spans {
            for tests in [spans.at(time), spans.near(time)] {
                if !tests.is_empty() {
                    return innermost(&tests);
                }
            }
        }
        Vec::new()
    }
}

/// A stretch of time in which a test ran, both ends included.
#[derive(Debug, Clone, Copy)]
struct Span<'a> {
    start: u64,
    end: u64,
    test: &'a str,
}

/// Spans as a balanced tree: the middle one of a range is its root, and what is before and behind it its branches.
#[derive(Debug)]
struct Spans<'a> {
    by_start: Vec<Span<'a>>,
    /// For the root of each range, the latest end in the range.
    latest: Vec<u64>,
    by_end: Vec<(u64, &'a str)>,
}

impl<'a> Spans<'a> {
    fn new(spans: impl Iterator<Item = Span<'a>>) -> Self {
        let mut by_start: Vec<Span<'a>> = spans.collect();
        by_start.sort_by_key(|span| span.start);
        let mut by_end: Vec<(u64, &str)> = by_start.iter().map(|span| (span.end, span.test)).collect();
        by_end.sort_unstable();
        let mut latest = vec![0; by_start.len()];
        fill(&by_start, &mut latest);
        Self { by_start, latest, by_end }
    }

    /// The tests with a span that holds `time`, sorted.
    fn at(&self, time: u64) -> Vec<&'a str> {
        let mut found = Vec::new();
        collect(&self.by_start, &self.latest, time, &mut found);
        sorted(found)
    }

    /// The tests with the span that is nearest to `time`, when no span holds it; none when that is too far.
    fn near(&self, time: u64) -> Vec<&'a str> {
        let before = self.by_end.partition_point(|(end, _)| *end < time);
        let behind = self.by_start.partition_point(|span| span.start <= time);
        let before = self.by_end[..before].iter().rev().map(|&(end, test)| (time - end, test));
        let behind = self.by_start[behind..].iter().map(|span| (span.start - time, span.test));
        let distances = [before.clone().next(), behind.clone().next()];
        let Some(least) = distances.into_iter().flatten().map(|(distance, _)| distance).min() else {
            return Vec::new();
        };
        if least > LAG_NS {
            return Vec::new();
        }
        let nearest = |&(distance, _): &(u64, &str)| distance == least;
        let tests = before.take_while(nearest).chain(behind.take_while(nearest));
        sorted(tests.map(|(_, test)| test).collect())
    }
}

fn sorted(mut tests: Vec<&str>) -> Vec<&str> {
    tests.sort_unstable();
    tests.dedup();
    tests
}

fn fill(spans: &[Span<'_>], latest: &mut [u64]) -> u64 {
    let middle = spans.len() / 2;
    let Some(root) = spans.get(middle) else { return 0 };
    let before = fill(&spans[..middle], &mut latest[..middle]);
    let behind = fill(&spans[middle + 1..], &mut latest[middle + 1..]);
    latest[middle] = root.end.max(before).max(behind);
    latest[middle]
}

fn collect<'a>(spans: &[Span<'a>], latest: &[u64], time: u64, found: &mut Vec<&'a str>) {
    let middle = spans.len() / 2;
    let Some(root) = spans.get(middle).filter(|_| latest[middle] >= time) else { return };
    collect(&spans[..middle], &latest[..middle], time, found);
    if root.start <= time {
        found.extend((root.end >= time).then_some(root.test));
        collect(&spans[middle + 1..], &latest[middle + 1..], time, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("Test{index:03}")).collect()
    }

    /// Every moment, against a search through all spans.
    #[test]
    fn look_ups_find_what_a_search_finds() {
        let names = names(60);
        let spans: Vec<Span<'_>> = names
            .iter()
            .enumerate()
            .map(|(index, test)| {
                let start = (index as u64 * 37) % 101;
                Span { start, end: start + (index as u64 * 13) % 29, test }
            })
            .collect();
        for count in 0..spans.len() {
            let tree = Spans::new(spans[..count].iter().copied());
            for time in 0..140 {
                let expected: Vec<&str> = spans[..count]
                    .iter()
                    .filter(|span| (span.start..=span.end).contains(&time))
                    .map(|span| span.test)
                    .collect();
                assert_eq!(tree.at(time), expected, "{count} spans at {time}");
            }
        }
    }

    #[test]
    fn the_nearest_tests_stand_for_a_moment_between() {
        let span = |start: u64, end: u64, test| Span { start: start * LAG_NS, end: end * LAG_NS, test };
        let tree = Spans::new([span(10, 20, "A"), span(12, 20, "B"), span(22, 30, "C")].into_iter());
        assert_eq!(tree.near(20 * LAG_NS + 1), ["A", "B"]);
        assert_eq!(tree.near(21 * LAG_NS), ["A", "B", "C"]);
        assert_eq!(tree.near(22 * LAG_NS - 1), ["C"]);
        assert_eq!(tree.near(31 * LAG_NS), ["C"]);
        assert!(tree.near(31 * LAG_NS + 1).is_empty() && tree.near(9 * LAG_NS - 1).is_empty());
    }
}
