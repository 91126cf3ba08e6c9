//! The figures as Markdown.

use std::fmt::Write as _;
use std::time::Duration;

use crate::measure::Cost;

/// Evidence of one size, ingested and explained.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) size: String,
    pub(super) bytes: u64,
    pub(super) ingest: Cost,
    pub(super) explain: Cost,
    /// The most CPU time that both may take together at the largest size.
    pub(super) limit: Option<Duration>,
}

/// Memory that neither command may exceed.
const MOST_MEMORY: u64 = 1_000_000_000;

/// The table and the targets.
pub(super) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| evidence | size | MB | ingest s | CPU s | peak MB | explain s | CPU s | peak MB | CPU s for each 100 MB |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let together = (row.ingest.cpu + row.explain.cpu).as_secs_f64();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {:.2} |",
            row.name,
            row.size,
            row.bytes / 1_000_000,
            figures(row.ingest),
            figures(row.explain),
            together / megabytes(row.bytes) * 100.0
        );
    }
    text.push_str("\nTargets:\n\n");
    for rows in rows.chunk_by(|one, next| one.name == next.name) {
        let Some(row) = rows.last() else { continue };
        let peak = row.ingest.peak_rss.max(row.explain.peak_rss);
        let _ = writeln!(
            text,
            "- {}, {}: under 1 GB of memory: {}",
            row.name,
            row.size,
            word(peak < MOST_MEMORY)
        );
        if let Some(limit) = row.limit {
            let met = row.ingest.cpu + row.explain.cpu <= limit;
            let seconds = limit.as_secs();
            let _ = writeln!(
                text,
                "- {}, {}: at most {seconds} s of CPU time: {}",
                row.name,
                row.size,
                word(met)
            );
        }
    }
    text
}

fn word(met: bool) -> &'static str {
    if met { "met" } else { "missed" }
}

fn figures(cost: Cost) -> String {
    let (wall, cpu) = (cost.wall.as_secs_f64(), cost.cpu.as_secs_f64());
    format!("{wall:.2} | {cpu:.2} | {}", cost.peak_rss / 1_000_000)
}

#[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_and_targets_are_told() {
        let row = |bytes, cpu, peak_rss| {
            let cost = Cost { wall: Duration::from_secs(3), cpu: Duration::from_millis(cpu), peak_rss };
            Row {
                name: "dumps",
                size: "2".to_owned(),
                bytes,
                ingest: cost,
                explain: cost,
                limit: Some(Duration::from_secs(5)),
            }
        };
        let text = markdown(&[row(100_000_000, 500, 5_000_000), row(200_000_000, 3_000, 2_000_000_000)]);
        assert!(text.contains("| dumps | 2 | 100 | 3.00 | 0.50 | 5 | 3.00 | 0.50 | 5 | 1.00 |\n"), "{text}");
        assert!(text.contains("- dumps, 2: under 1 GB of memory: missed\n"), "{text}");
        assert!(text.ends_with("- dumps, 2: at most 5 s of CPU time: missed\n"), "{text}");
    }
}
