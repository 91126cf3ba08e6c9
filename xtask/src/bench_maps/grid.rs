//! Throughput: a line for each load, and all figures.

use std::fmt::Write;

use super::cells::{duel, figure, geometric_mean, keys, round_trip, skew, threads};
use super::report::{Cell, Family, Report};

/// The best of ours beside the best peer.
pub(super) fn comparison(report: &Report) -> String {
    let mut text = String::new();
    for (values, title) in [("copy", "`u64` to `u64`"), ("any", "`String` to `Arc<str>`")] {
        let cells: Vec<&Cell> = report.grid.iter().filter(|cell| cell.values == values).collect();
        if cells.is_empty() {
            continue;
        }
        let _ = writeln!(text, "### {title}\n");
        text.push_str(&table(&cells, values == "copy"));
        text.push('\n');
    }
    text
}

fn table(cells: &[&Cell], both: bool) -> String {
    let mut text = String::from(
        "| keys | choice | writes | threads | round trip | ours | Mops/s | best peer | Mops/s | ratio |",
    );
    let mut rule = String::from("|--:|---|--:|--:|--:|---|--:|---|--:|--:|");
    if both {
        text.push_str(" ours, any value | best peer, any value | ratio |");
        rule.push_str("---|---|--:|");
    }
    let _ = writeln!(text, "\n{rule}");
    for cell in cells {
        let Some(all) = duel(cell, false) else { continue };
        let _ = write!(
            text,
            "| {} | {} | {} % | {} | {} | {} | {} | {} | {} | {} |",
            keys(cell.keys),
            skew(cell.skew),
            cell.writes,
            cell.threads,
            round_trip(&cell.round_trips),
            all.ours.name,
            figure(all.ours.mops),
            all.peer.name,
            figure(all.peer.mops),
            ratio(all.ratio())
        );
        if let (true, Some(any)) = (both, duel(cell, true)) {
            let (ours, peer) = (any.ours, any.peer);
            let _ = write!(
                text,
                " {} {} | {} {} | {} |",
                ours.name,
                figure(ours.mops),
                peer.name,
                figure(peer.mops),
                ratio(any.ratio())
            );
        }
        text.push('\n');
    }
    let mean =
        |any_value| geometric_mean(cells.iter().filter_map(|cell| Some(duel(cell, any_value)?.ratio())));
    let _ = write!(text, "| **geometric mean** | | | | | | | | | **{:.2}** |", mean(false));
    if both {
        let _ = write!(text, " | | **{:.2}** |", mean(true));
    }
    text.push('\n');
    text
}

/// Below 1 stands out.
fn ratio(ratio: f64) -> String {
    if ratio < 1.0 { format!("**{ratio:.2}**") } else { format!("{ratio:.2}") }
}

/// Every map in every cell, folded up.
pub(super) fn everything(cells: &[Cell]) -> String {
    let mut text = String::new();
    let mut groups: Vec<Vec<&Cell>> = Vec::new();
    let group = |cell: &Cell| (cell.values.clone(), cell.keys, cell.skew.to_bits(), cell.threads);
    for cell in cells {
        match groups.last_mut() {
            Some(last) if group(last[0]) == group(cell) => last.push(cell),
            _ => groups.push(vec![cell]),
        }
    }
    for cells in groups {
        let first = cells[0];
        let held = if first.values == "any" { ", `String` to `Arc<str>`" } else { "" };
        let _ = writeln!(
            text,
            "<details><summary>{} keys, {}, {}{held}: every map, Mops/s</summary>\n",
            keys(first.keys),
            skew(first.skew),
            threads(first.threads)
        );
        text.push_str(&group_table(&cells));
        text.push_str("\n</details>\n\n");
    }
    text
}

fn group_table(cells: &[&Cell]) -> String {
    let mut names: Vec<(&str, Family)> = Vec::new();
    for map in cells.iter().flat_map(|cell| &cell.maps) {
        if !names.iter().any(|(name, _)| *name == map.name) {
            names.push((&map.name, map.family));
        }
    }
    let mut text = String::from("| map |");
    for cell in cells {
        let _ = write!(text, " {} % writes |", cell.writes);
    }
    let _ = writeln!(text, "\n|---|{}", "--:|".repeat(cells.len()));
    for (name, family) in names {
        let shown = if family == Family::Ours { format!("**{name}**") } else { name.to_owned() };
        let _ = write!(text, "| {shown} |");
        for cell in cells {
            let found = cell.maps.iter().find(|map| map.name == name);
            let _ = write!(text, " {} |", found.map_or("–".to_owned(), |map| figure(map.mops)));
        }
        text.push('\n');
    }
    if cells.iter().any(|cell| !cell.round_trips.is_empty()) {
        text.push_str("| *round trip* |");
        for cell in cells {
            let _ = write!(text, " {} |", round_trip(&cell.round_trips));
        }
        text.push('\n');
    }
    text
}
