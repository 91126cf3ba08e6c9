//! Everything besides throughput: counters, latency, growth, iteration, memory, durable writes.

use std::fmt::Write;

use super::cells::{figure, keys, round_trip, threads};
use super::report::{Cell, Durable, Family, Growth, Iteration, Latency, Memory, Quantiles, Waits};

/// Ours in bold.
fn shown(name: &str, family: Family) -> String {
    if family == Family::Ours { format!("**{name}**") } else { name.to_owned() }
}

/// Increments of one key and of many.
pub(super) fn counters(cells: &[Cell]) -> String {
    let Some(first) = cells.first() else { return String::new() };
    let mut text = String::from("| map |");
    for cell in cells {
        let trip = round_trip(&cell.round_trips);
        let trip = if trip.is_empty() { trip } else { format!(" ({trip})") };
        let count = if cell.keys == 1 { "one key".to_owned() } else { format!("{} keys", keys(cell.keys)) };
        let _ = write!(text, " {count}, {}{trip} |", threads(cell.threads));
    }
    let _ = writeln!(text, "\n|---|{}", "--:|".repeat(cells.len()));
    let mut maps: Vec<_> = first.maps.iter().map(|map| (map.name.as_str(), map.family)).collect();
    let at = |cell: &Cell, name: &str| {
        cell.maps.iter().find(|map| map.name == name).map_or(f64::NAN, |map| map.mops)
    };
    maps.sort_by(|one, other| {
        let of = |name: &str| cells.last().map_or(f64::NAN, |cell| at(cell, name));
        of(other.0).total_cmp(&of(one.0))
    });
    for (name, family) in maps {
        let figures: Vec<String> = cells.iter().map(|cell| figure(at(cell, name))).collect();
        let _ = writeln!(text, "| {} | {} |", shown(name, family), figures.join(" | "));
    }
    text
}

pub(super) fn latency(tables: &[Latency]) -> String {
    let mut text = String::new();
    for table in tables {
        let _ = writeln!(
            text,
            "{}, {} keys, {} % overwrite; round trip {}; µs, one operation of sixteen timed:\n",
            threads(table.threads),
            keys(table.keys),
            table.writes,
            round_trip(&table.round_trips)
        );
        text.push_str(&waits(&table.maps));
        text.push('\n');
    }
    text
}

pub(super) fn growth(table: &Growth) -> String {
    let mut text = format!(
        "One thread inserts {} new keys, the other reads those that are there; round trip {}; µs. The first two \
         lines are no maps: what the clock costs, and for how long the machine itself stopped a thread; and what it costs to \
         write 32 bytes to memory that nobody had before. A write is uninterrupted when the system had no other thread run in \
         this one's place meanwhile (`ru_nivcsw`).\n\n",
        crate::measure::thousands(table.keys),
        round_trip(&table.round_trips)
    );
    text.push_str(&waits(&table.maps));
    text
}

fn waits(maps: &[Waits]) -> String {
    let uninterrupted = |map: &Waits| map.writes.and_then(|writes| writes.uninterrupted);
    let was_asked = maps.iter().any(|map| uninterrupted(map).is_some());
    let (title, rule) = if was_asked { (" of those, uninterrupted |", "--:|") } else { ("", "") };
    let mut text = format!(
        "| map | reads: p50 | p99 | p99.9 | longest | writes: p50 | p99 | p99.9 | longest |{title}\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|{rule}\n",
    );
    let cells = |quantiles: Option<Quantiles>| match quantiles {
        Some(q) => [q.p50, q.p99, q.p999, q.max].map(figure).join(" | "),
        None => "– | – | – | –".to_owned(),
    };
    for map in maps {
        let _ = writeln!(
            text,
            "| {} | {} | {} |{}",
            shown(&map.name, map.family),
            cells(map.reads),
            cells(map.writes),
            if was_asked {
                format!(" {} |", uninterrupted(map).map_or_else(|| "–".to_owned(), figure))
            } else {
                String::new()
            }
        );
    }
    text
}

pub(super) fn iteration(table: &Iteration) -> String {
    let mut text = format!(
        "Over {} entries; round trip {}. The writer overwrites as fast as it can meanwhile.\n\n\
         | map | pass alone, ms | pass beside a writer, ms | the writer, Mops/s | its p99.9, µs | its longest, µs |\n\
         |---|--:|--:|--:|--:|--:|\n",
        keys(table.keys),
        round_trip(&table.round_trips)
    );
    for map in &table.maps {
        let optional = |value: Option<f64>| figure(value.unwrap_or(f64::NAN));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            shown(&map.name, map.family),
            figure(map.alone),
            optional(map.beside),
            optional(map.written),
            optional(map.writes.map(|q| q.p999)),
            optional(map.writes.map(|q| q.max))
        );
    }
    text
}

pub(super) fn memory(table: &Memory) -> String {
    let mut text = format!(
        "Resident memory of a process that holds {} entries of 16 bytes, divided by their number.\n\n\
         | map | full | after removing all |\n|---|--:|--:|\n",
        keys(table.keys)
    );
    let mut maps: Vec<_> = table.maps.iter().collect();
    maps.sort_by(|one, other| one.full.total_cmp(&other.full));
    for map in maps {
        let _ = writeln!(text, "| {} | {:.1} | {:.1} |", shown(&map.name, map.family), map.full, map.emptied);
    }
    text
}

/// What the durable layer is called in the report, and what it is compared with.
pub(super) const DURABLE: &str = "durable";
pub(super) const NAIVE: &str = "naive";

pub(super) fn durable(figures: &[Durable]) -> String {
    let mut text = String::from(
        "| writers | `Durable`: writes/s | p50, µs | p99, µs | p99.9, µs | naive group commit: writes/s | p50, µs | p99, µs | p99.9, µs | ratio |\n\
         |--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for (ours, naive) in durable_pairs(figures) {
        let side = |one: &Durable| {
            [one.writes_per_second, one.p50_us, one.p99_us, one.p999_us].map(figure).join(" | ")
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.2} |",
            ours.writers,
            side(ours),
            side(naive),
            ours.writes_per_second / naive.writes_per_second
        );
    }
    text
}

/// The two logs, for each number of writers.
pub(super) fn durable_pairs(figures: &[Durable]) -> Vec<(&Durable, &Durable)> {
    figures
        .iter()
        .filter(|one| one.log == DURABLE)
        .filter_map(|ours| {
            let naive = figures.iter().find(|one| one.log == NAIVE && one.writers == ours.writers)?;
            Some((ours, naive))
        })
        .collect()
}
