//! The figures as a page, with the targets that they meet or miss.

use std::fmt::Write as _;
use std::time::Duration;

use crate::measure::thousands;
use crate::measured_page::processor;

use super::Run;
use super::load::percentile;
use super::subject::Cost;

/// What was measured; what is missing was not.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) quick: bool,
    pub(crate) sqlite: Option<Run>,
    pub(crate) postgres: Option<Run>,
    pub(crate) cluster: Option<Run>,
    pub(crate) answered: Vec<Answered>,
    /// Records held, what the process used, bytes on disk.
    pub(crate) sizes: Vec<(u64, Cost, u64)>,
    pub(crate) fan_out: Option<Vec<Duration>>,
    pub(crate) long_run: Option<(Cost, Cost)>,
    pub(crate) stop: Option<Duration>,
}

/// How soon a question was answered at a size.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) name: &'static str,
    pub(crate) size: u64,
    pub(crate) times: Vec<Duration>,
}

/// The page.
pub(crate) fn markdown(figures: &Figures, senders: usize) -> String {
    let mut text = format!(
        "{}, {} cores that {senders} senders, the server and its database share{}.\n\n",
        processor(),
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        if figures.quick { "; a quick run, which says nothing of speed" } else { "" }
    );
    ingest(&mut text, figures);
    questions(&mut text, figures);
    sizes(&mut text, figures);
    rest(&mut text, figures);
    targets(&mut text, figures);
    text
}

fn ingest(text: &mut String, figures: &Figures) {
    text.push_str(
        "Batches of 500 lines, 10 races and 490 repeats of them, each acknowledged before the next on its connection:\n\n\
         | store | records/s acknowledged | MB/s | records/s written | p50 ms | p99 ms | p99.9 ms | put off | records per second of the server's CPU | memory at most, MB | bytes on disk per record |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    let runs = [
        ("SQLite", &figures.sqlite),
        ("PostgreSQL", &figures.postgres),
        ("NATS (3 servers) and PostgreSQL, one replica", &figures.cluster),
    ];
    for (name, run) in runs.into_iter().filter_map(|(name, run)| Some((name, run.as_ref()?))) {
        let sent = &run.sent;
        let _ = writeln!(
            text,
            "| {name} | {} | {:.1} | {} | {} | {} | {} | {} | {} | {} | {} |",
            rate(sent.records, sent.took),
            megabytes(sent.bytes) / sent.took.as_secs_f64(),
            rate(sent.records, run.written),
            ms(percentile(&sent.times, 500)),
            ms(percentile(&sent.times, 990)),
            ms(percentile(&sent.times, 999)),
            sent.postponed,
            rate(sent.records, run.cost.cpu),
            run.cost.peak / 1_000_000,
            run.disk / sent.records.max(1),
        );
    }
}

fn questions(text: &mut String, figures: &Figures) {
    text.push_str("\nAnswers on SQLite, one at a time, median and p99 of 100:\n\n| question | records | median ms | p99 ms |\n|---|--:|--:|--:|\n");
    for answered in &figures.answered {
        let (median, p99) = (percentile(&answered.times, 500), percentile(&answered.times, 990));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            answered.name,
            thousands(answered.size),
            ms(median),
            ms(p99)
        );
    }
}

fn sizes(text: &mut String, figures: &Figures) {
    text.push_str(
        "\n| records | memory, MB | at most | disk, MB | bytes per record |\n|--:|--:|--:|--:|--:|\n",
    );
    for (records, cost, disk) in &figures.sizes {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            thousands(*records),
            cost.memory / 1_000_000,
            cost.peak / 1_000_000,
            disk / 1_000_000,
            disk / (*records).max(1)
        );
    }
}

fn rest(text: &mut String, figures: &Figures) {
    text.push('\n');
    if let Some(times) = &figures.fan_out {
        let last = times.last().copied().unwrap_or_default();
        let _ = writeln!(
            text,
            "- Live updates: {} clients heard of a batch, the first after {} ms, the last after {} ms; changes are gathered for up to 500 ms before they are told.",
            times.len(),
            ms(percentile(times, 0)),
            ms(last)
        );
    }
    if let Some((early, late)) = &figures.long_run {
        let _ = writeln!(
            text,
            "- At half of that load for the long run: {} MB after a tenth of the time, {} MB at its end.",
            early.memory / 1_000_000,
            late.memory / 1_000_000
        );
    }
    if let Some(stop) = figures.stop {
        let _ = writeln!(text, "- Stopped in order within {} ms.", ms(stop));
    }
}

fn targets(text: &mut String, figures: &Figures) {
    text.push_str("\n| target | measured | |\n|---|--:|---|\n");
    let mut target = |name: &str, measured: String, is_met: bool| {
        let _ = writeln!(text, "| {name} | {measured} | {} |", if is_met { "met" } else { "**missed**" });
    };
    if let Some(run) = &figures.sqlite {
        let (per_second, p99) = (run.sent.rate(), percentile(&run.sent.times, 990));
        target(
            "50,000 records/s durable, batches of 500",
            rate(run.sent.records, run.sent.took),
            per_second >= 50_000.0,
        );
        target(
            "p99 of acknowledgement under 20 ms",
            format!("{} ms", ms(p99)),
            p99 < Duration::from_millis(20),
        );
    }
    let overview = figures.answered.iter().rfind(|answered| answered.name == "overview page");
    if let Some(answered) = overview {
        let p99 = percentile(&answered.times, 990);
        let name = format!("overview page under 50 ms at {} records (p99)", thousands(answered.size));
        target(&name, format!("{} ms", ms(p99)), p99 < Duration::from_millis(50));
    }
    if let Some((_, cost, _)) = figures.sizes.last() {
        let peak = cost.peak / 1_000_000;
        target("memory under 500 MB", format!("{peak} MB"), peak < 500);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "it is shown rounded"
)]
fn rate(records: u64, time: Duration) -> String {
    thousands((records as f64 / time.as_secs_f64().max(1e-9)) as u64)
}

fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}

/// Megabytes.
#[expect(clippy::cast_precision_loss, reason = "it is shown rounded")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
