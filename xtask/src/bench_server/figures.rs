//! How figures are written, and targets with what became of them.

use std::time::Duration;

use crate::measure::thousands;
use crate::measured_page::processor;

use super::Arguments;

/// What the figures were measured on, as a sentence.
pub(crate) fn machine(arguments: &Arguments) -> String {
    format!(
        "{}, {} cores that senders, server and database share{}.\n\n",
        processor(),
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        if arguments.quick { "; a quick run, which says nothing of speed" } else { "" }
    )
}

/// The head of a table of targets.
pub(crate) const TARGETS: &str = "\n| target | measured | |\n|---|--:|---|\n";

/// A row of it.
pub(crate) fn target(name: &str, measured: &str, is_met: bool) -> String {
    format!("| {name} | {measured} | {} |\n", if is_met { "met" } else { "**missed**" })
}

/// The time that a share of them does not exceed.
pub(crate) fn percentile(sorted: &[Duration], thousandths: usize) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get((sorted.len() * thousandths / 1000).min(last)).copied().unwrap_or_default()
}

/// So many a second.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "it is shown rounded"
)]
pub(crate) fn rate(records: u64, time: Duration) -> String {
    thousands((records as f64 / time.as_secs_f64().max(1e-9)) as u64)
}

/// Milliseconds.
pub(crate) fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}

/// Megabytes, with a decimal.
#[expect(clippy::cast_precision_loss, reason = "it is shown rounded")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_measured_value() {
        let times: Vec<_> = (1..=1000).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 500), Duration::from_millis(501));
        assert_eq!(percentile(&times, 999), Duration::from_secs(1));
        assert_eq!(percentile(&times[..1], 999), Duration::from_millis(1));
        assert_eq!(percentile(&[], 500), Duration::ZERO);
    }
}
