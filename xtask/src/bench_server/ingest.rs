//! What the server takes: as much as it can, and at given rates, where the time of an acknowledgement is not that of a queue.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::failure::Failure;
use crate::measure::thousands;
use crate::report_line::step;

use super::Arguments;
use super::disk::Flushes;
use super::figures::{TARGETS, megabytes, ms, percentile, rate, target};
use super::load::{Load, Sent};
use super::subject::{Cost, Kind, Subject};

/// Records a second that are to be taken.
pub(crate) const TARGET_RATE: u32 = 50_000;

/// What is sent to a server, one after the other.
const LOADS: [Option<u32>; 3] = [Some(TARGET_RATE / 2), Some(TARGET_RATE), None];

/// A load, and what it took until all of it was written.
#[derive(Debug)]
struct Run {
    kind: Kind,
    /// Records a second, where that was given.
    asked: Option<u32>,
    sent: Sent,
    /// From the first batch until the last record was in the database.
    written: Duration,
    /// What the server used for it.
    cost: Cost,
    /// Bytes, and the records that they hold.
    disk: (u64, u64),
}

/// Measures on each kind of store.
pub(crate) fn table(arguments: &Arguments, binary: &Path, kinds: &[Kind]) -> Result<String, Failure> {
    let (mut runs, mut flushes) = (Vec::new(), Vec::new());
    for kind in kinds {
        let load = arguments.load();
        let server = Subject::start(*kind, binary)?;
        load.warm_up(&server, "ingest")?;
        flushes.push(Flushes::measure(server.folder())?);
        for asked in LOADS {
            runs.push(run(&server, &load, asked, arguments)?);
        }
        flushes.push(Flushes::measure(server.folder())?);
        server.stop()?;
    }
    Ok(markdown(&runs, &flushes))
}

fn run(server: &Subject, load: &Load, asked: Option<u32>, arguments: &Arguments) -> Result<Run, Failure> {
    let before = server.cost()?;
    let sent = if let Some(rate) = asked {
        let time = Duration::from_secs(arguments.scaled(arguments.seconds));
        step(&format!("sending {} records a second to {}", thousands(rate), server.name()));
        load.send_at(server, rate, time, "ingest")?
    } else {
        let records = arguments.scaled(arguments.records);
        step(&format!("sending {} records to {}", thousands(records), server.name()));
        load.send(server, records, "ingest")?
    };
    let records = load.sent();
    let written = sent.took + server.wait_for_records(records)?;
    let after = server.cost()?;
    let cost = Cost { cpu: after.cpu.saturating_sub(before.cpu), ..after };
    Ok(Run { kind: server.kind(), asked, sent, written, cost, disk: (server.disk()?, records) })
}

fn markdown(runs: &[Run], flushes: &[Flushes]) -> String {
    let mut text = String::from(
        "| store | load, records/s | acknowledged a second | MB/s | written a second | p50 ms | p99 ms | p99.9 ms | put off | records per second of the server's CPU | memory at most, MB | bytes on disk per record |\n\
         |---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for run in runs {
        let sent = &run.sent;
        let asked = run.asked.map_or_else(|| "all it takes".to_owned(), thousands);
        let _ = writeln!(
            text,
            "| {} | {asked} | {} | {:.1} | {} | {} | {} | {} | {} | {} | {} | {} |",
            run.kind.name(),
            rate(sent.records, sent.took),
            megabytes(sent.bytes) / sent.took.as_secs_f64(),
            rate(sent.records, run.written),
            ms(percentile(&sent.times, 500)),
            ms(percentile(&sent.times, 990)),
            ms(percentile(&sent.times, 999)),
            sent.postponed,
            rate(sent.records, run.cost.cpu),
            run.cost.peak / 1_000_000,
            run.disk.0 / run.disk.1.max(1),
        );
    }
    text.push_str("\nA flush of 64 KiB to the same disk, with no server at work, median and p99:\n\n");
    for (number, flushes) in flushes.iter().enumerate() {
        let when = if number % 2 == 0 { "before" } else { "after" };
        let _ = writeln!(text, "- {when} {}: {flushes}", runs[number / 2 * LOADS.len()].kind.name());
    }
    text.push_str(TARGETS);
    for runs in runs.chunks(LOADS.len()) {
        text.push_str(&targets(runs));
    }
    text
}

fn targets(runs: &[Run]) -> String {
    let mut text = String::new();
    let Some(kind) = runs.first().map(|run| run.kind.name()) else { return text };
    if let Some(most) = runs.iter().find(|run| run.asked.is_none()) {
        text += &target(
            &format!("{kind}: {} records/s durable", thousands(TARGET_RATE)),
            &rate(most.sent.records, most.written),
            most.sent.records >= u64::from(TARGET_RATE) * most.written.as_secs().max(1),
        );
    }
    for run in runs {
        let Some(asked) = run.asked else { continue };
        let p99 = percentile(&run.sent.times, 990);
        let name = format!("{kind}: p99 of acknowledgement under 20 ms at {} records/s", thousands(asked));
        text += &target(&name, &format!("{} ms", ms(p99)), p99 < Duration::from_millis(20));
    }
    text
}
