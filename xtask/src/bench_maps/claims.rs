//! What articles say, and what was measured.

use std::fmt::Write;

use super::cells::figure;
use super::report::{Claim, Report};

/// What is said, by the name that `maps-bench` gives the claim.
struct Saying {
    id: &'static str,
    text: &'static str,
    /// Columns to compare: the figure of the first against that of the second.
    pairs: &'static [(&'static str, &'static str)],
}

const SAYINGS: &[Saying] = &[
    Saying {
        id: "padding",
        text: "Counters of different threads belong on different cache lines.",
        pairs: &[("padded", "adjacent")],
    },
    Saying { id: "shards", text: "Sixteen shards beat one lock.", pairs: &[("ShardedMap-16", "MutexMap")] },
    Saying {
        id: "rwlock",
        text: "A map that is mostly read wants a readers-writer lock.",
        pairs: &[
            ("std RwLock", "std Mutex"),
            ("parking_lot RwLock", "parking_lot Mutex"),
            ("Go RWMutex", "Go Mutex"),
        ],
    },
    Saying {
        id: "snapshot",
        text: "Readers of an immutable snapshot beat readers behind a read lock.",
        pairs: &[("SnapshotMap", "RwLockMap"), ("arc-swap-cached", "std-rwlock")],
    },
    Saying {
        id: "new-keys",
        text: "sync.Map is slow where keys are new all the time.",
        pairs: &[("go-sync-map", "go-rwmutex"), ("ReadMostlyMap", "ShardedMap")],
    },
];

/// A difference that repeats.
const CLEAR: f64 = 1.1;

pub(super) fn all(report: &Report) -> String {
    let mut text = String::new();
    for saying in SAYINGS {
        let Some(claim) = report.claims.iter().find(|claim| claim.id == saying.id) else { continue };
        let _ = writeln!(text, "**{}**\n", saying.text);
        for (one, other) in saying.pairs {
            if let Some(line) = verdict(claim, one, other) {
                let _ = writeln!(text, "- {line}");
            }
        }
        text.push('\n');
        text.push_str(&table(claim));
        text.push('\n');
    }
    text
}

/// In how many cases the first beat the second, and by how much at least and at most.
fn verdict(claim: &Claim, one: &str, other: &str) -> Option<String> {
    let place = |name: &str| claim.columns.iter().position(|column| column == name);
    let (one_at, other_at) = (place(one)?, place(other)?);
    let ratios: Vec<f64> =
        claim.rows.iter().filter_map(|row| Some(row.figures[one_at]? / row.figures[other_at]?)).collect();
    let faster = ratios.iter().filter(|ratio| **ratio > CLEAR).count();
    let slower = ratios.iter().filter(|ratio| **ratio < 1.0 / CLEAR).count();
    let (low, high) = ratios
        .iter()
        .fold((f64::INFINITY, 0.0_f64), |(low, high), ratio| (low.min(*ratio), high.max(*ratio)));
    Some(format!(
        "{one} against {other}: clearly faster in {faster} of {} cases, clearly slower in {slower}; {low:.2} to {high:.2} times",
        ratios.len()
    ))
}

fn table(claim: &Claim) -> String {
    let mut text = format!("| Mops/s | {} |", claim.columns.join(" | "));
    let trips = claim.rows.iter().any(|row| row.round_trip.is_some());
    let _ = writeln!(
        text,
        "{}\n|---|{}{}",
        if trips { " round trip |" } else { "" },
        "--:|".repeat(claim.columns.len()),
        if trips { "--:|" } else { "" }
    );
    for row in &claim.rows {
        let figures: Vec<String> =
            row.figures.iter().map(|value| figure(value.unwrap_or(f64::NAN))).collect();
        let _ = write!(text, "| {} | {} |", row.case, figures.join(" | "));
        if trips {
            let _ =
                write!(text, " {} |", row.round_trip.map_or(String::new(), |trip| format!("{trip:.0} ns")));
        }
        text.push('\n');
    }
    text
}
