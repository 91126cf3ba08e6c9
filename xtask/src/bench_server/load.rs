//! Senders: batches over HTTP, one after the other on each connection, each timed until it is acknowledged.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;

use super::subject::Subject;

/// Races in a batch; the other lines are repeats of them.
const RACES: u64 = 10;

/// Different bodies, each with findings of its own: 1,000 in all.
const BODIES: u64 = 100;

/// What is sent.
#[derive(Debug)]
pub(crate) struct Load {
    lines: u64,
    senders: usize,
    bodies: Vec<Vec<u8>>,
}

/// What was sent, and how soon it was acknowledged.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) took: Duration,
    /// How long each batch took, the shortest first.
    pub(crate) times: Vec<Duration>,
    /// Batches that the server put off.
    pub(crate) postponed: u64,
}

impl Sent {
    /// Records a second.
    #[expect(clippy::cast_precision_loss, reason = "it is shown rounded")]
    pub(crate) fn rate(&self) -> f64 {
        self.records as f64 / self.took.as_secs_f64()
    }
}

/// The time that a share of them does not exceed.
pub(crate) fn percentile(sorted: &[Duration], thousandths: usize) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get((sorted.len() * thousandths / 1000).min(last)).copied().unwrap_or_default()
}

impl Load {
    /// Batches of so many lines, sent by so many at once.
    pub(crate) fn new(lines: u64, senders: usize) -> Self {
        Self { lines, senders, bodies: (0..BODIES).map(|body| text(body, lines)).collect() }
    }

    /// Sends until so many records are acknowledged, each sender its own stream.
    pub(crate) fn send(&self, server: &Subject, records: u64, streams: &str) -> Result<Sent, Failure> {
        self.run(server, records.div_ceil(self.lines), streams, None)
    }

    /// Sends at a rate of records a second for a time.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is a positive, small number"
    )]
    pub(crate) fn send_at(
        &self,
        server: &Subject,
        rate: f64,
        time: Duration,
        streams: &str,
    ) -> Result<Sent, Failure> {
        let batches = (rate * time.as_secs_f64()) as u64 / self.lines;
        self.run(
            server,
            batches.max(1),
            streams,
            Some(time / u32::try_from(batches.max(1)).unwrap_or(u32::MAX)),
        )
    }

    /// Sends a number of batches, with a time between the beginnings of two where one is given.
    fn run(
        &self,
        server: &Subject,
        batches: u64,
        streams: &str,
        pace: Option<Duration>,
    ) -> Result<Sent, Failure> {
        let (next, start) = (AtomicU64::new(0), Instant::now());
        let parts: Vec<Result<Part, Failure>> = thread::scope(|scope| {
            let senders: Vec<_> = (0..self.senders)
                .map(|sender| {
                    let (next, stream) = (&next, format!("{streams} {sender}"));
                    scope.spawn(move || self.sender(server, &stream, next, batches, start, pace))
                })
                .collect();
            senders
                .into_iter()
                .map(|sender| sender.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        let took = start.elapsed();
        let mut sent =
            Sent { records: batches * self.lines, bytes: 0, took, times: Vec::new(), postponed: 0 };
        for part in parts {
            let part = part?;
            sent.bytes += part.bytes;
            sent.postponed += part.postponed;
            sent.times.extend(part.times);
        }
        sent.times.sort_unstable();
        Ok(sent)
    }

    fn sender(
        &self,
        server: &Subject,
        stream: &str,
        next: &AtomicU64,
        batches: u64,
        start: Instant,
        pace: Option<Duration>,
    ) -> Result<Part, Failure> {
        let (agent, mut part, mut first) = (server.agent(), Part::default(), 0_u64);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= batches {
                return Ok(part);
            }
            if let Some(pace) = pace {
                let due = start + pace * u32::try_from(number).unwrap_or(u32::MAX);
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            let body = &self.bodies[usize::try_from(number % BODIES).unwrap_or(0)];
            loop {
                let begun = Instant::now();
                let status = server.post(&agent, stream, first, body)?;
                if status == 200 {
                    part.times.push(begun.elapsed());
                    break;
                }
                if status != 429 {
                    return Err(Failure::environment(format!("the server answered {status}"), "see its log"));
                }
                part.postponed += 1;
                thread::sleep(Duration::from_millis(20));
            }
            part.bytes += body.len() as u64;
            first += self.lines;
        }
    }
}

/// What one sender did.
#[derive(Debug, Default)]
struct Part {
    bytes: u64,
    times: Vec<Duration>,
    postponed: u64,
}

/// A batch: races, and repeats that name them.
fn text(body: u64, lines: u64) -> Vec<u8> {
    let mut text = String::new();
    for line in 0..lines {
        let race = line % RACES;
        if line < RACES {
            race_line(&mut text, body, race);
        } else {
            let _ = writeln!(
                text,
                r#"{{"schema":1,"kind":"repeat","race":"{body}-{race}","pid":4711,"time_unix_ns":1760000000{line:09}}}"#
            );
        }
    }
    text.into_bytes()
}

fn race_line(text: &mut String, body: u64, race: u64) {
    let access = |op: &str, line: u64| {
        let frame = |function: &str, line: u64| {
            format!(
                r#"{{"function":"example.com/shop/cart{body}.(*Cart).{function}{race}","file":"/home/ci/shop/cart{body}/cart.go","line":{line}}}"#
            )
        };
        let stack = [frame("Put", line), frame("Update", line + 20), frame("serve", line + 300)].join(",");
        format!(r#"{{"op":"{op}","size":8,"goroutine":{},"stack":[{stack}]}}"#, line + 7)
    };
    let _ = writeln!(
        text,
        r#"{{"schema":1,"kind":"race","id":"{body}-{race}","pid":4711,"time_unix_ns":1760000000000000000,"address":"0xc000012345","size":8,"object":null,"accesses":[{},{}],"goroutines":[]}}"#,
        access("write", 41),
        access("read", 52)
    );
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

    #[test]
    fn each_body_has_its_lines_and_findings_of_its_own() {
        let (one, other) = (text(1, 500), text(2, 500));
        assert_eq!(one.split_inclusive(|byte| *byte == b'\n').count(), 500);
        assert_ne!(one, other);
        for line in String::from_utf8(one).unwrap().lines() {
            assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
        }
    }
}
