//! Ours beside the peers, cell by cell.

use std::fmt::Write;

use super::report::{Cell, Family, Throughput};

/// The best of ours and the best peer of one cell.
pub(super) struct Duel<'a> {
    pub(super) ours: &'a Throughput,
    pub(super) peer: &'a Throughput,
}

impl Duel<'_> {
    pub(super) fn ratio(&self) -> f64 {
        self.ours.mops / self.peer.mops
    }
}

/// Among all maps of the cell, or only among those that store any value.
pub(super) fn duel(cell: &Cell, any_value: bool) -> Option<Duel<'_>> {
    let takes_part = |map: &&Throughput| (map.any_value || !any_value) && map.mops.is_finite();
    let best = |is_ours: bool| {
        cell.maps
            .iter()
            .filter(takes_part)
            .filter(|map| (map.family == Family::Ours) == is_ours)
            .max_by(|one, other| one.mops.total_cmp(&other.mops))
    };
    Some(Duel { ours: best(true)?, peer: best(false)? })
}

/// Our maps, best first.
pub(super) fn ours_ranked(cell: &Cell, any_value: bool) -> Vec<&Throughput> {
    let mut ours: Vec<&Throughput> = cell
        .maps
        .iter()
        .filter(|map| map.family == Family::Ours && (map.any_value || !any_value) && map.mops.is_finite())
        .collect();
    ours.sort_by(|one, other| other.mops.total_cmp(&one.mops));
    ours
}

pub(super) fn geometric_mean(ratios: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0_u32);
    for ratio in ratios {
        sum += ratio.ln();
        count += 1;
    }
    (sum / f64::from(count.max(1))).exp()
}

/// The middle value.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// "43 ns", or nothing for one thread.
pub(super) fn round_trip(trips: &[f64]) -> String {
    median(trips).map_or(String::new(), |trip| format!("{trip:.0} ns"))
}

/// "43 to 371 ns", over several cells.
pub(super) fn round_trips<'a>(trips: impl Iterator<Item = &'a f64>) -> String {
    let (low, high) =
        trips.fold((f64::INFINITY, 0.0_f64), |(low, high), trip| (low.min(*trip), high.max(*trip)));
    if low.is_finite() { format!("{low:.0} to {high:.0} ns") } else { "not measured".to_owned() }
}

/// "10³ keys, Zipf 0.99, 50 % writes, 2 threads".
pub(super) fn named(cell: &Cell) -> String {
    let mut text = format!("{} keys, {}, {} % writes, ", keys(cell.keys), skew(cell.skew), cell.writes);
    let _ = write!(text, "{}", threads(cell.threads));
    if cell.values == "any" {
        text.push_str(", texts");
    }
    text
}

pub(super) fn threads(threads: usize) -> String {
    if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") }
}

pub(super) fn skew(skew: f64) -> String {
    if skew > 0.0 { format!("Zipf {skew}") } else { "uniform".to_owned() }
}

/// A number of keys, with powers of ten as such.
pub(super) fn keys(keys: u32) -> String {
    match keys {
        1_000 => "10³".to_owned(),
        10_000 => "10⁴".to_owned(),
        100_000 => "10⁵".to_owned(),
        1_000_000 => "10⁶".to_owned(),
        10_000_000 => "10⁷".to_owned(),
        other => crate::measure::thousands(other),
    }
}

/// Three significant digits at most.
pub(super) fn figure(value: f64) -> String {
    match value {
        value if !value.is_finite() => "–".to_owned(),
        value if value >= 99.95 => crate::measure::thousands(format!("{value:.0}").as_str()),
        value if value >= 9.995 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(name: &str, family: Family, any_value: bool, mops: f64) -> Throughput {
        Throughput { name: name.to_owned(), family, any_value, mops }
    }

    #[test]
    fn maps_are_compared_with_those_that_store_the_same() {
        let cell = Cell {
            values: "copy".to_owned(),
            threads: 2,
            keys: 1000,
            skew: 0.99,
            writes: 50.0,
            round_trips: vec![43.0, 44.0, 371.0],
            maps: vec![
                map("InlineMap", Family::Ours, false, 30.0),
                map("BucketMap", Family::Ours, true, 20.0),
                map("leapfrog", Family::Rust, false, 15.0),
                map("go-xsync", Family::Go, true, 10.0),
            ],
        };
        let all = duel(&cell, false).unwrap();
        assert_eq!((all.ours.name.as_str(), all.peer.name.as_str()), ("InlineMap", "leapfrog"));
        let any = duel(&cell, true).unwrap();
        assert_eq!((any.ours.name.as_str(), any.peer.name.as_str()), ("BucketMap", "go-xsync"));
        assert!((any.ratio() - 2.0).abs() < 1e-9);
        assert_eq!(named(&cell), "10³ keys, Zipf 0.99, 50 % writes, 2 threads");
        assert_eq!(round_trip(&cell.round_trips), "44 ns");
    }

    #[test]
    fn figures_have_three_digits() {
        assert_eq!(figure(1234.5), "1,234");
        assert_eq!(figure(99.96), "100");
        assert_eq!(figure(12.345), "12.3");
        assert_eq!(figure(0.123), "0.12");
        assert_eq!(figure(f64::NAN), "–");
    }

    #[test]
    fn the_geometric_mean_weighs_ratios_alike() {
        assert!((geometric_mean([0.5, 2.0].into_iter()) - 1.0).abs() < 1e-9);
    }
}
