//! What triggers cost: time of evaluation for each record that comes.

use std::fmt::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::measure::thousands;
use crate::report_line::step;

use super::Arguments;
use super::figures::rate;
use super::subject::{Kind, Subject};

/// How many triggers are in force, one after the other.
const TRIGGERS: [u64; 3] = [0, 10, 100];

/// How long what was sent may take to be evaluated.
const EVALUATION_TIME: Duration = Duration::from_mins(2);

/// What the stream of triggers says of itself.
#[derive(Debug, Clone, Copy, Default)]
struct Stream {
    sightings: u64,
    busy: Duration,
}

/// Sends with more and more triggers in force.
pub(crate) fn table(arguments: &Arguments, binary: &Path) -> Result<String, Failure> {
    let (server, load) = (Subject::start(Kind::Sqlite, binary)?, arguments.load());
    load.warm_up(&server, "policies")?;
    let mut text = String::from(
        "Triggers see each finding once for each batch that shows it: 10 sightings for the 500 records of a batch here.\n\n\
         | triggers | records/s acknowledged | sightings | evaluation, µs per sighting | µs per record | share of the time | records per second of the server's CPU |\n\
         |--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for triggers in TRIGGERS {
        if triggers > 0 {
            server.put_policy("bench", &policy(triggers))?;
        }
        step(&format!("sending with {triggers} triggers in force"));
        let (before, cost) = (settled(&server)?, server.cost()?);
        let records = arguments.scaled(arguments.records);
        let sent = load.send(&server, records, "policies")?;
        let after = settled(&server)?;
        let cpu = server.cost()?.cpu.saturating_sub(cost.cpu);
        let (sightings, busy) = (after.sightings - before.sightings, after.busy.saturating_sub(before.busy));
        let _ = writeln!(
            text,
            "| {triggers} | {} | {} | {:.1} | {:.2} | {:.1} % | {} |",
            rate(sent.records, sent.took),
            thousands(sightings),
            each(busy, sightings),
            each(busy, sent.records),
            busy.as_secs_f64() / sent.took.as_secs_f64() * 100.0,
            rate(sent.records, cpu),
        );
    }
    server.stop()?;
    Ok(text)
}

/// The state of the stream once it has evaluated all that was sent.
fn settled(server: &Subject) -> Result<Stream, Failure> {
    let (agent, start) = (server.agent(), Instant::now());
    let mut last = Stream::default();
    while start.elapsed() < EVALUATION_TIME {
        let (_, answer) = server.get(&agent, "/v1/policies")?;
        let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
        let count = |name: &str| answer["stream"][name].as_u64().unwrap_or(0);
        let now = Stream { sightings: count("sightings"), busy: Duration::from_nanos(count("busy_ns")) };
        if now.sightings > 0 && now.sightings == last.sightings {
            return Ok(now);
        }
        last = now;
        thread::sleep(Duration::from_millis(500));
    }
    Err(Failure::environment("triggers are still behind", "see what the server is doing"))
}

/// Triggers with conditions as people write them: half of them count, and none fires.
fn policy(triggers: u64) -> String {
    let mut text = String::from("schema: 1\ntriggers:\n");
    for number in 0..triggers {
        let when = if number % 2 == 0 {
            format!("sighting.kind == 'race' && sighting.service.startsWith('policies {}')", number % 8)
        } else {
            "sighting.kind == 'crash' && sighting.concurrency && sighting.environment == 'canary'".to_owned()
        };
        let _ = write!(
            text,
            "  - id: bench-{number}\n    version: 1\n    description: One of many\n    when: {when}\n    window: 10m\n    \
             threshold: 1000000000\n    group_by: [service, fingerprint]\n    responses: [alert]\n"
        );
    }
    text
}

/// Microseconds of each.
#[expect(clippy::cast_precision_loss, reason = "it is shown rounded")]
fn each(time: Duration, count: u64) -> f64 {
    time.as_secs_f64() * 1e6 / count.max(1) as f64
}
