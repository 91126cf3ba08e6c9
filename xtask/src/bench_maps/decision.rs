//! Which strategy was fastest where: the table that a reader decides by.

use std::fmt::Write;

use super::cells::{keys, ours_ranked, threads};
use super::report::{Cell, Report};

/// Strategies this close to the fastest are named with it.
const CLOSE: f64 = 0.9;

/// For uniform keys, a line for each load, a column for each number of threads and kind of values.
pub(super) fn table(report: &Report) -> String {
    let mut columns: Vec<(usize, bool)> = Vec::new();
    let mut rows: Vec<(u32, f64)> = Vec::new();
    let cells: Vec<&Cell> =
        report.grid.iter().filter(|cell| cell.skew <= 0.0 && cell.values == "copy").collect();
    for cell in &cells {
        for any_value in [true, false] {
            if !columns.contains(&(cell.threads, any_value)) {
                columns.push((cell.threads, any_value));
            }
        }
        if !rows.contains(&(cell.keys, cell.writes)) {
            rows.push((cell.keys, cell.writes));
        }
    }
    let mut text = String::from("| keys | writes |");
    for (count, any_value) in &columns {
        let held = if *any_value { "any value" } else { "`Copy`" };
        let _ = write!(text, " {}, {held} |", threads(*count));
    }
    let _ = writeln!(text, "\n|--:|--:|{}", "---|".repeat(columns.len()));
    for (count, writes) in rows {
        let _ = write!(text, "| {} | {writes} % |", keys(count));
        for (threads, any_value) in &columns {
            let cell = cells.iter().find(|cell| {
                cell.keys == count && (cell.writes - writes).abs() < f64::EPSILON && cell.threads == *threads
            });
            let _ = write!(text, " {} |", cell.map_or(String::new(), |cell| fastest(cell, *any_value)));
        }
        text.push('\n');
    }
    text
}

/// "LockFreeMap, ReadMostlyMap": the fastest, and what is close to it.
fn fastest(cell: &Cell, any_value: bool) -> String {
    let ranked = ours_ranked(cell, any_value);
    let best = ranked.first().map_or(f64::NAN, |first| first.mops);
    let close: Vec<&str> =
        ranked.iter().filter(|map| map.mops >= best * CLOSE).map(|map| map.name.as_str()).collect();
    close.join(", ")
}
