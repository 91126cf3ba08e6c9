//! Senders: batches over HTTP, one after the other on each connection, each timed until it is acknowledged.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::failure::Failure;
use crate::report_line::step;

use super::subject::Subject;

/// Races in a batch; the other lines are repeats of them.
const RACES: u64 = 10;

/// Different bodies, each with findings of its own: 1,000 in all.
const BODIES: u64 = 100;

/// What is sent to a server: each sender has a stream and a service of its own, and goes on where it ended.
#[derive(Debug)]
pub(crate) struct Load {
    lines: u64,
    bodies: Vec<Vec<u8>>,
    /// Lines that each sender has sent.
    senders: Vec<AtomicU64>,
    /// Races of each batch that nobody has seen before.
    new: u64,
}

/// What was sent, and how soon it was acknowledged.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) took: Duration,
    /// How long each batch took, the shortest first: from when it was to be sent, where a rate is given, so that it counts
    /// when it is late because the one before it was.
    pub(crate) times: Vec<Duration>,
    /// Batches that the server put off.
    pub(crate) postponed: u64,
}

/// When batches are sent.
#[derive(Debug, Clone, Copy)]
struct Pace {
    start: Instant,
    /// Between the beginnings of two batches; none when each follows the one before it.
    between: Option<Duration>,
}

impl Load {
    /// Batches of so many lines, sent by so many at once. The records happen now.
    pub(crate) fn new(lines: u64, senders: usize) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let bodies = (0..BODIES).map(|body| text(body, lines, now.as_secs())).collect();
        Self { lines, bodies, senders: (0..senders).map(|_| AtomicU64::new(0)).collect(), new: 0 }
    }

    /// From now on so many of the races of a batch are new findings.
    pub(crate) fn with_new(self, new: u64) -> Self {
        Self { new: new.min(RACES), ..self }
    }

    /// What the batch of this number holds.
    fn body(&self, number: u64) -> Cow<'_, [u8]> {
        let body = &self.bodies[usize::try_from(number % BODIES).unwrap_or(0)];
        if self.new == 0 {
            return Cow::Borrowed(body);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut text = String::new();
        for new in 0..self.new {
            // In a package that has findings already: the new one is diagnosed together with those.
            race_line(&mut text, number % BODIES, RACES + number * self.new + new, now);
        }
        let known = body.split_inclusive(|byte| *byte == b'\n').skip(usize::try_from(self.new).unwrap_or(0));
        Cow::Owned([text.into_bytes(), known.collect::<Vec<_>>().concat()].concat())
    }

    /// Records that were acknowledged in all.
    pub(crate) fn sent(&self) -> u64 {
        self.senders.iter().map(|sent| sent.load(Ordering::Relaxed)).sum()
    }

    /// Has each sender send everything once, and waits until the server is idle: what is new costs more than what is seen
    /// again, for it is diagnosed, and no fleet has a thousand new findings in a second.
    pub(crate) fn warm_up(&self, server: &Subject, streams: &str) -> Result<(), Failure> {
        step("sending everything once");
        let turns = self.senders.len() as u64 * BODIES;
        self.send(server, turns * self.lines, streams)?;
        server.wait_until_idle()
    }

    /// Sends until so many more records are acknowledged.
    pub(crate) fn send(&self, server: &Subject, records: u64, streams: &str) -> Result<Sent, Failure> {
        self.run(server, records.div_ceil(self.lines), streams, None)
    }

    /// Sends so many records a second for a time.
    pub(crate) fn send_at(
        &self,
        server: &Subject,
        rate: u32,
        time: Duration,
        streams: &str,
    ) -> Result<Sent, Failure> {
        let between = Duration::from_secs(self.lines) / rate.max(1);
        let batches = time.as_nanos() / between.as_nanos().max(1);
        self.run(server, u64::try_from(batches).unwrap_or(u64::MAX).max(1), streams, Some(between))
    }

    fn run(
        &self,
        server: &Subject,
        batches: u64,
        streams: &str,
        between: Option<Duration>,
    ) -> Result<Sent, Failure> {
        let (next, pace) = (AtomicU64::new(0), Pace { start: Instant::now(), between });
        let parts: Vec<Result<Part, Failure>> = thread::scope(|scope| {
            let senders: Vec<_> = (0..self.senders.len())
                .map(|sender| {
                    let (next, stream) = (&next, format!("{streams} {sender}"));
                    scope.spawn(move || self.sender(server, (sender, &stream), next, batches, pace))
                })
                .collect();
            senders
                .into_iter()
                .map(|sender| sender.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        let took = pace.start.elapsed();
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
        (sender, stream): (usize, &str),
        next: &AtomicU64,
        batches: u64,
        pace: Pace,
    ) -> Result<Part, Failure> {
        let (agent, mut part, sent) = (server.agent(), Part::default(), &self.senders[sender]);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= batches {
                return Ok(part);
            }
            let body = self.body(number);
            let begun = pace.wait_for(number);
            loop {
                let status = server.post(&agent, stream, sent.load(Ordering::Relaxed), &body)?;
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
            sent.fetch_add(self.lines, Ordering::Relaxed);
        }
    }
}

impl Pace {
    /// Waits until the batch of this number is to be sent; gives when that was.
    fn wait_for(self, number: u64) -> Instant {
        let Some(between) = self.between else { return Instant::now() };
        let due = self.start + between * u32::try_from(number).unwrap_or(u32::MAX);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        due
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
fn text(body: u64, lines: u64, now: u64) -> Vec<u8> {
    let mut text = String::new();
    for line in 0..lines {
        let race = line % RACES;
        if line < RACES {
            race_line(&mut text, body, race, now);
        } else {
            let _ = writeln!(
                text,
                r#"{{"schema":1,"kind":"repeat","race":"{body}-{race}","pid":4711,"time_unix_ns":{now}{line:09}}}"#
            );
        }
    }
    text.into_bytes()
}

fn race_line(text: &mut String, body: u64, race: u64, now: u64) {
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
        r#"{{"schema":1,"kind":"race","id":"{body}-{race}","pid":4711,"time_unix_ns":{now}000000000,"address":"0xc000012345","size":8,"object":null,"accesses":[{},{}],"goroutines":[]}}"#,
        access("write", 41),
        access("read", 52)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_body_has_its_lines_and_findings_of_its_own() {
        let (one, other) = (text(1, 500, 1_800_000_000), text(2, 500, 1_800_000_000));
        assert_eq!(one.split_inclusive(|byte| *byte == b'\n').count(), 500);
        assert_ne!(one, other);
        for line in String::from_utf8(one).unwrap().lines() {
            assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn new_races_take_the_place_of_known_ones() {
        let load = Load::new(20, 1).with_new(2);
        let (one, other) = (load.body(0).into_owned(), load.body(BODIES).into_owned());
        let lines =
            |body: &[u8]| String::from_utf8_lossy(body).lines().map(str::to_owned).collect::<Vec<_>>();
        let (one, other) = (lines(&one), lines(&other));
        assert_eq!((one.len(), other.len()), (20, 20));
        assert!(one[..2].iter().all(|line| line.contains("\"race\"") && !other.contains(line)));
        assert_eq!(one[2..], other[2..]);
    }
}
