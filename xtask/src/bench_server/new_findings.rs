//! New findings: how long acknowledgements take while they come, and until all of them have their root causes.

use std::fmt::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::measure::thousands;
use crate::report_line::step;

use super::Arguments;
use super::figures::{TARGETS, ms, percentile, rate, target};
use super::ingest::TARGET_RATE;
use super::subject::{Kind, Subject};

/// Of the ten races of a batch, so many are new findings.
const NEW: u64 = 2;

/// How long diagnosing what came may take.
const DIAGNOSIS_TIME: Duration = Duration::from_mins(10);

/// Sends at half load, first what is known and then with new findings.
pub(crate) fn table(arguments: &Arguments, binary: &Path, kinds: &[Kind]) -> Result<String, Failure> {
    let time = Duration::from_secs(arguments.scaled(arguments.seconds));
    let asked = TARGET_RATE / 2;
    let mut text = format!(
        "{} records a second, {NEW} of the 10 races in each batch of 500 are new findings, in packages that have findings \
         already. *Diagnosed* is from the last acknowledgement until no finding waits for its root cause.\n\n\
         | store | new findings | a second | p50 ms | p99 ms | p99.9 ms | put off | diagnosed after, s |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|\n",
        thousands(asked)
    );
    let mut targets = String::new();
    for kind in kinds {
        let load = arguments.load();
        let server = Subject::start(*kind, binary)?;
        load.warm_up(&server, "new")?;
        let load = load.with_new(NEW);
        let before = findings(&server)?;
        step(&format!("sending new findings to {}", server.name()));
        let sent = load.send_at(&server, asked, time, "new")?;
        let diagnosed = wait_until_diagnosed(&server)?;
        let new = findings(&server)? - before;
        let p99 = percentile(&sent.times, 990);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {:.1} |",
            kind.name(),
            thousands(new),
            rate(new, sent.took),
            ms(percentile(&sent.times, 500)),
            ms(p99),
            ms(percentile(&sent.times, 999)),
            sent.postponed,
            diagnosed.as_secs_f64(),
        );
        let name = format!("{}: p99 of acknowledgement under 20 ms while new findings come", kind.name());
        targets += &target(&name, &format!("{} ms", ms(p99)), p99 < Duration::from_millis(20));
        server.stop()?;
    }
    Ok(text + TARGETS + &targets)
}

/// Findings that the server knows.
fn findings(server: &Subject) -> Result<u64, Failure> {
    let (_, answer) = server.get(&server.agent(), "/v1/findings?limit=1")?;
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
    answer["totals"]["findings"].as_u64().ok_or_else(|| {
        Failure::environment("the server does not say how many findings there are", "see its log")
    })
}

fn wait_until_diagnosed(server: &Subject) -> Result<Duration, Failure> {
    let (agent, start) = (server.agent(), Instant::now());
    while start.elapsed() < DIAGNOSIS_TIME {
        let (_, answer) = server.get(&agent, "/metrics")?;
        let answer = String::from_utf8_lossy(&answer);
        if answer
            .lines()
            .any(|line| matches!(line.split_once(' '), Some(("raceguard_undiagnosed_findings", "0" | "0.0"))))
        {
            return Ok(start.elapsed());
        }
        thread::sleep(Duration::from_millis(100));
    }
    Err(Failure::environment("findings still wait for their root causes", "see the server's log"))
}
