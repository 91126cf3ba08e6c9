//! Half of the load for a long time: whether memory grows.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::failure::Failure;
use crate::measure::thousands;
use crate::report_line::step;

use super::Arguments;
use super::figures::{TARGETS, ms, percentile, target};
use super::ingest::TARGET_RATE;
use super::subject::{Kind, Subject};

/// Parts of the time; memory is read after each.
const PARTS: u32 = 10;

/// Sends for the time, and reads memory.
pub(crate) fn table(arguments: &Arguments, binary: &Path) -> Result<String, Failure> {
    let time = Duration::from_secs(arguments.scaled(60 * arguments.minutes));
    let (server, load) = (Subject::start(Kind::Sqlite, binary)?, arguments.load());
    load.warm_up(&server, "long run")?;
    let rate = TARGET_RATE / 2;
    step(&format!("sending {} records a second for {} s", thousands(rate), time.as_secs()));
    let (mut memory, mut times) = (Vec::new(), Vec::new());
    for _ in 0..PARTS {
        times.extend(load.send_at(&server, rate, time / PARTS, "long run")?.times);
        memory.push(server.cost()?.memory);
    }
    times.sort_unstable();
    let peak = server.cost()?.peak;
    server.wait_for_records(load.sent())?;
    let stop = server.stop()?;
    let mut text = format!(
        "SQLite, {} records a second for {} minutes, {} in all; memory after each tenth of the time, in MB:\n\n",
        thousands(rate),
        time.as_secs() / 60,
        thousands(load.sent())
    );
    let megabytes: Vec<_> = memory.iter().map(|bytes| (bytes / 1_000_000).to_string()).collect();
    let _ = writeln!(text, "{}\n", megabytes.join(", "));
    let _ = writeln!(
        text,
        "Acknowledged within {} ms (median), {} ms (p99), {} ms (p99.9). All of it was there when it was stopped in order, \
         within {} ms.",
        ms(percentile(&times, 500)),
        ms(percentile(&times, 990)),
        ms(percentile(&times, 999)),
        ms(stop)
    );
    text += TARGETS;
    let half = memory.len() / 2;
    let most = |part: &[u64]| part.iter().copied().max().unwrap_or(0);
    let (early, late) = (most(&memory[..half]), most(&memory[half..]));
    let measured = format!("{} MB, then {} MB", early / 1_000_000, late / 1_000_000);
    // A tenth more is what the allocator's moods are.
    text += &target(
        "memory of the second half no larger than of the first",
        &measured,
        late <= early + early / 10,
    );
    text += &target("memory under 500 MB", &format!("{} MB", peak / 1_000_000), peak < 500_000_000);
    Ok(text)
}
