//! The table of the server's metrics, for `docs/metrics.md`.

use std::fmt::Write as _;

// The table is data and needs nothing of the server, whose dependencies would make every task slower to build.
#[allow(dead_code, unreachable_pub, reason = "the server uses the rest of it")]
#[path = "../../../crates/raceguard-server/src/metrics/definitions.rs"]
mod definitions;

/// One row for each metric.
pub(super) fn table() -> String {
    let mut table = String::from("| metric | kind | labels | what it says |\n|---|---|---|---|\n");
    for metric in definitions::METRICS {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | {} |",
            metric.name,
            metric.kind.as_str(),
            labels.join(", "),
            metric.help
        );
    }
    table
}
