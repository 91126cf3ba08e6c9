//! What the project aims at, and whether the run met it.

use std::fmt::Write;

use super::cells::{duel, geometric_mean, named};
use super::details::durable_pairs;
use super::report::{Cell, Family, Report};

/// Geometric mean of ours to the best peer.
const MEAN: f64 = 1.2;
/// Milliseconds of a pass over 10⁶ entries.
const PASS: f64 = 3.0;
/// Bytes of each former entry that an emptied map may keep.
const KEPT: f64 = 2.0;
/// Microseconds of the longest write while a map grows.
const LONGEST: f64 = 1_000.0;
/// The strategies that the last one is aimed at.
const GROWING: [&str; 4] = ["ShardedMap", "BucketMap", "InlineMap", "LockFreeMap"];

/// One line for each target.
pub(super) fn lines(report: &Report) -> String {
    let mut text = String::new();
    for (values, any_value, what) in [
        ("copy", false, "`u64` to `u64`, all maps"),
        ("copy", true, "`u64` to `u64`, maps for any value"),
        ("any", true, "`String` to `Arc<str>`"),
    ] {
        let cells: Vec<&Cell> = report.grid.iter().filter(|cell| cell.values == values).collect();
        if !cells.is_empty() {
            text.push_str(&against_peers(&cells, any_value, what));
        }
    }
    iteration(report, &mut text);
    memory(report, &mut text);
    growth(report, &mut text);
    advice(report, &mut text);
    durable(report, &mut text);
    text
}

fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "missed" }
}

fn against_peers(cells: &[&Cell], any_value: bool, what: &str) -> String {
    let ratios: Vec<(&Cell, f64)> =
        cells.iter().filter_map(|cell| Some((*cell, duel(cell, any_value)?.ratio()))).collect();
    let mean = geometric_mean(ratios.iter().map(|(_, ratio)| *ratio));
    let behind: Vec<String> = ratios
        .iter()
        .filter(|(_, ratio)| *ratio < 1.0)
        .map(|(cell, ratio)| format!("{} ({ratio:.2})", named(cell)))
        .collect();
    let mut text = format!(
        "- {what}: in every cell the best of ours at least equals the best peer: {}, {} of {} cells",
        met(behind.is_empty()),
        ratios.len() - behind.len(),
        ratios.len()
    );
    if !behind.is_empty() {
        let _ = write!(text, "; behind in {}", behind.join("; "));
    }
    let _ = writeln!(
        text,
        "\n- {what}: geometric mean of the ratios at least {MEAN}: {}, {mean:.2}",
        met(mean >= MEAN)
    );
    text
}

fn iteration(report: &Report, text: &mut String) {
    let Some(table) = &report.iteration else { return };
    let ours: Vec<_> = table.maps.iter().filter(|map| map.family == Family::Ours).collect();
    let slow: Vec<String> = ours
        .iter()
        .filter(|map| map.alone >= PASS)
        .map(|map| format!("{} ({:.1} ms)", map.name, map.alone))
        .collect();
    let _ = write!(text, "- A pass over 10⁶ entries in less than {PASS} ms: {}", met(slow.is_empty()));
    by(&slow, text);
}

fn memory(report: &Report, text: &mut String) {
    let Some(table) = &report.memory else { return };
    let keep: Vec<String> = table
        .maps
        .iter()
        .filter(|map| map.family == Family::Ours && map.emptied > KEPT)
        .map(|map| format!("{} ({:.1} bytes)", map.name, map.emptied))
        .collect();
    let _ = write!(
        text,
        "- Memory given back after removing all, but for {KEPT} bytes of each entry: {}",
        met(keep.is_empty())
    );
    by(&keep, text);
}

fn growth(report: &Report, text: &mut String) {
    let Some(table) = &report.growth else { return };
    let longest = |name: &str| {
        table.maps.iter().find(|map| map.name == name).and_then(|map| map.writes).map(|waits| waits.max)
    };
    let slow: Vec<String> = GROWING
        .iter()
        .filter_map(|name| Some((name, longest(name)?)))
        .filter(|(_, longest)| *longest >= LONGEST)
        .map(|(name, longest)| format!("{name} ({:.1} ms)", longest / 1e3))
        .collect();
    let _ = write!(
        text,
        "- Longest write of {} while growing to {} keys below {} ms: {}",
        GROWING.join(", "),
        crate::measure::thousands(table.keys),
        LONGEST / 1e3,
        met(slow.is_empty())
    );
    by(&slow, text);
    if let (Some(stopped), Some(waited)) = (longest("(no map)"), longest("(fresh memory)")) {
        let _ = writeln!(
            text,
            "  (the machine itself stopped a thread for up to {:.1} ms; one that does nothing but write to fresh memory \
             waited for up to {:.1} ms)",
            stopped / 1e3,
            waited / 1e3
        );
    }
    let uninterrupted = |name: &str| {
        table.maps.iter().find(|map| map.name == *name).and_then(|map| map.writes)?.uninterrupted
    };
    let longest: Vec<(&str, f64)> =
        GROWING.iter().filter_map(|name| Some((*name, uninterrupted(name)?))).collect();
    if let Some((name, longest)) = longest.into_iter().max_by(|one, other| one.1.total_cmp(&other.1)) {
        let _ = writeln!(
            text,
            "  (of the writes in which the thread ran throughout, the longest took {:.1} ms, in {name})",
            longest / 1e3
        );
    }
}

fn advice(report: &Report, text: &mut String) {
    let Some(advice) = &report.advice else { return };
    let _ = write!(
        text,
        "- `advise` picks a strategy within 10 % of the best of ours: {}, {} of {} cells; of loads between them, whose \
         figures it does not have, {} of {}",
        met(advice.fitting == advice.cells),
        advice.fitting,
        advice.cells,
        advice.others_fitting,
        advice.others
    );
    let missed: Vec<String> = advice
        .missed
        .iter()
        .map(|one| format!("{} ({} at {:.2} of {})", one.cell, one.picked, one.ratio, one.best))
        .collect();
    by(&missed, text);
}

fn durable(report: &Report, text: &mut String) {
    let pairs = durable_pairs(&report.durable);
    if pairs.is_empty() {
        return;
    }
    let behind: Vec<String> = pairs
        .iter()
        .filter(|(ours, naive)| ours.writes_per_second < naive.writes_per_second)
        .map(|(ours, naive)| {
            format!("{} blocked ({:.2})", ours.writers, ours.writes_per_second / naive.writes_per_second)
        })
        .collect();
    let _ = write!(
        text,
        "- Durable writes ahead of a naive group commit at every number of writers: {}",
        met(behind.is_empty())
    );
    by(&behind, text);
}

/// Ends a line with what missed the target.
fn by(missed: &[String], text: &mut String) {
    if missed.is_empty() {
        text.push('\n');
    } else {
        let _ = writeln!(text, ", by {}", missed.join("; "));
    }
}
