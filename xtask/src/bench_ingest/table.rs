//! The table of `bench ingest`.

use std::fmt::Write as _;

use super::subjects::Target;
use crate::measure::Cost;

/// One file, read.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) size: String,
    pub(super) bytes: u64,
    pub(super) ours: Cost,
    /// The tool that read the same file, and what that cost.
    pub(super) peer: Option<(&'static str, Cost)>,
    pub(super) target: Option<Target>,
}

/// The table and the targets.
pub(super) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| file | size | ms | CPU ms | MB/s | peak MB | the same by | ms | CPU ms | MB/s | peak MB |\n\
         |---|--:|--:|--:|--:|--:|---|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let peer = row.peer.map_or_else(
            || "| | | |".to_owned(),
            |(name, cost)| format!("{name} | {}", figures(cost, row.bytes)),
        );
        let _ = writeln!(text, "| {} | {} | {} | {peer} |", row.name, row.size, figures(row.ours, row.bytes));
    }
    text.push_str(
        "\nTimes are those of whole processes. MB/s are per second of CPU time, user and system, so that other work of the \
         machine does not count. Targets:\n\n",
    );
    for rows in rows.chunk_by(|one, next| one.name == next.name) {
        if let Some(line) = rows[0].target.and_then(|target| verdict(rows, target)) {
            let _ = writeln!(text, "- {line}");
        }
    }
    text
}

fn figures(cost: Cost, bytes: u64) -> String {
    let (wall, cpu) = (cost.wall.as_millis(), cost.cpu.as_millis());
    format!("{wall} | {cpu} | {:.0} | {}", throughput(cost, bytes), cost.peak_rss / 1_000_000)
}

#[expect(clippy::cast_precision_loss, reason = "shown without digits behind the point")]
fn throughput(cost: Cost, bytes: u64) -> f64 {
    bytes as f64 / 1e6 / cost.cpu.as_secs_f64()
}

fn verdict(rows: &[Row], target: Target) -> Option<String> {
    let word = |met: bool| if met { "met" } else { "missed" };
    match target {
        Target::Throughput(least) => {
            let row = rows.last()?;
            let met = throughput(row.ours, row.bytes) >= f64::from(least);
            Some(format!("{}, {}: at least {least} MB/s: {}", row.name, row.size, word(met)))
        }
        Target::Time(place, most) => {
            let row = rows.get(place)?;
            let met = row.ours.cpu <= most;
            Some(format!(
                "{}, {}: at most {} ms of CPU time: {}",
                row.name,
                row.size,
                most.as_millis(),
                word(met)
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn rows_and_targets_are_told() {
        let row = |size: &str, bytes, peer| Row {
            name: "log",
            size: size.to_owned(),
            bytes,
            ours: Cost { wall: Duration::from_secs(1), cpu: Duration::from_millis(500), peak_rss: 7_500_000 },
            peer,
            target: Some(Target::Throughput(300)),
        };
        let peer = Cost { wall: Duration::from_secs(3), cpu: Duration::from_secs(2), peak_rss: 90_000_000 };
        let text =
            markdown(&[row("1 MB", 1_000_000, None), row("200 MB", 200_000_000, Some(("peer", peer)))]);
        assert!(text.contains("| log | 1 MB | 1000 | 500 | 2 | 7 | | | | | |\n"), "{text}");
        assert!(
            text.contains("| log | 200 MB | 1000 | 500 | 400 | 7 | peer | 3000 | 2000 | 100 | 90 |\n"),
            "{text}"
        );
        assert!(text.ends_with("- log, 200 MB: at least 300 MB/s: met\n"), "{text}");
    }
}
