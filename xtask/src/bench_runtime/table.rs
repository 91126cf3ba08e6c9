//! The table: absolute figures, ratios to stock `-race`, geometric means, and whether the targets are met.

use std::fmt::Write;

use crate::measure::Cost;

/// The most that raceguard may cost, as a part of what stock `-race` costs, in the geometric mean of all workloads.
const MEAN_TARGET: f64 = 0.7;
/// The same for the CPU of any one workload.
const WORST_TARGET: f64 = 1.2;

/// One workload: plain, stock, raceguard.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) costs: [Cost; 3],
}

impl Row {
    fn ratio(&self, of: impl Fn(&Cost) -> f64) -> f64 {
        let [_, stock, raceguard] = &self.costs;
        of(raceguard) / of(stock).max(f64::MIN_POSITIVE)
    }

    fn cpu_ratio(&self) -> f64 {
        self.ratio(|costs| costs.cpu.as_secs_f64())
    }

    fn wall_ratio(&self) -> f64 {
        self.ratio(|costs| costs.wall.as_secs_f64())
    }

    fn rss_ratio(&self) -> f64 {
        self.ratio(|costs| megabytes(costs.peak_rss))
    }
}

/// The table and the lines below it, in Markdown.
pub(super) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| workload | CPU s: plain | stock | raceguard | ratio | wall s: plain | stock | raceguard | ratio \
         | RSS MB: plain | stock | raceguard | ratio |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let cpu = row.costs.map(|costs| format!("{:.2}", costs.cpu.as_secs_f64())).join(" | ");
        let wall = row.costs.map(|costs| format!("{:.2}", costs.wall.as_secs_f64())).join(" | ");
        let rss = row.costs.map(|costs| format!("{:.0}", megabytes(costs.peak_rss))).join(" | ");
        let (cpu_ratio, wall_ratio, rss_ratio) = (row.cpu_ratio(), row.wall_ratio(), row.rss_ratio());
        let _ = writeln!(
            text,
            "| {} | {cpu} | {cpu_ratio:.2} | {wall} | {wall_ratio:.2} | {rss} | {rss_ratio:.2} |",
            row.name
        );
    }
    if rows.is_empty() {
        return text;
    }
    let cpu = geometric_mean(rows.iter().map(Row::cpu_ratio));
    let wall = geometric_mean(rows.iter().map(Row::wall_ratio));
    let rss = geometric_mean(rows.iter().map(Row::rss_ratio));
    let _ = writeln!(
        text,
        "| **geometric mean** | | | | **{cpu:.2}** | | | | **{wall:.2}** | | | | **{rss:.2}** |"
    );
    let over: Vec<&str> =
        rows.iter().filter(|row| row.cpu_ratio() > WORST_TARGET).map(|row| row.name).collect();
    let _ = writeln!(text, "\nRatios are raceguard to stock `-race`. Targets:\n");
    let _ = writeln!(text, "- CPU, geometric mean at most {MEAN_TARGET}: {}", verdict(cpu <= MEAN_TARGET));
    let _ =
        writeln!(text, "- peak RSS, geometric mean at most {MEAN_TARGET}: {}", verdict(rss <= MEAN_TARGET));
    let _ = write!(text, "- CPU of each workload at most {WORST_TARGET}: {}", verdict(over.is_empty()));
    if !over.is_empty() {
        let _ = write!(text, " by {}", over.join(", "));
    }
    text.push('\n');
    text
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "missed" }
}

fn geometric_mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "the number of workloads is small")]
    let count = values.len() as f64;
    (values.map(|value| value.max(f64::MIN_POSITIVE).ln()).sum::<f64>() / count).exp()
}

#[expect(clippy::cast_precision_loss, reason = "shown without decimals")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn costs(milliseconds: u64, megabytes: u64) -> Cost {
        let time = Duration::from_millis(milliseconds);
        Cost { cpu: time, wall: time, peak_rss: megabytes * 1_000_000 }
    }

    #[test]
    fn ratios_means_and_targets_are_stated() {
        let rows = [
            Row { name: "fast", costs: [costs(100, 5), costs(1000, 100), costs(250, 50)] },
            Row { name: "slow", costs: [costs(100, 5), costs(1000, 100), costs(4000, 200)] },
        ];
        let text = markdown(&rows);
        assert!(text.contains("| fast | 0.10 | 1.00 | 0.25 | 0.25 | 0.10 |"), "{text}");
        assert!(
            text.contains("| **geometric mean** | | | | **1.00** | | | | **1.00** | | | | **1.00** |"),
            "{text}"
        );
        assert!(text.contains("- CPU of each workload at most 1.2: missed by slow"), "{text}");
    }
}
