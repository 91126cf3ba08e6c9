//! Sends what the spool holds, in the order it came, and goes on only when the server has it.
//!
//! The server knows each line by its stream and number, so a batch whose answer was lost is sent again without harm.

use std::time::{Duration, Instant};

use raceguard_server::origin::Origin;
use serde::Deserialize;

use super::dead_letters::DeadLetters;
use super::entry::Entry;
use super::error::AgentError;
use super::pause::Pauses;
use super::spool::Spool;
use super::state::Counts;
use super::stop::Stop;
use crate::error::print_warning;
use crate::fleet::connection::{Answer, Connection, Outgoing};

/// Bytes of text that are taken from the spool at once.
const WINDOW: usize = 4 << 20;
/// Lines and bytes of one request, unless a line is longer.
const BATCH_LINES: usize = 500;
const BATCH_BYTES: usize = 2 << 20;
/// How long after it was told to stop the agent goes on to send.
pub const STOP_TIME: Duration = Duration::from_secs(10);
/// How long no evidence arrives before it is said again that the server does not answer.
const TELL_EVERY: Duration = Duration::from_mins(5);

/// Sends to one server.
#[derive(Debug)]
pub struct Sender<'a> {
    spool: &'a Spool,
    connection: &'a Connection,
    letters: DeadLetters,
    stop: &'a Stop,
    pauses: Pauses,
    told: Option<Instant>,
}

/// Lines that follow each other in a stream.
#[derive(Debug)]
struct Batch<'b> {
    stream: &'b str,
    origin: &'b Origin,
    first: u64,
    lines: Vec<&'b [u8]>,
    bytes: usize,
}

/// Why a batch was not sent.
enum Unsent {
    /// The agent is to stop.
    Stopped,
    /// The dead letters can't be written.
    Letters(AgentError),
}

#[derive(Deserialize)]
struct Acknowledgement {
    accepted: u64,
    duplicates: u64,
    rejected: Vec<Rejected>,
}

#[derive(Deserialize)]
struct Rejected {
    line: usize,
    reason: String,
}

impl<'a> Sender<'a> {
    /// A sender of the spool; what is refused is put beside it.
    pub fn new(spool: &'a Spool, connection: &'a Connection, letters: DeadLetters, stop: &'a Stop) -> Self {
        let pauses = Pauses::new(Duration::from_millis(500), Duration::from_mins(1));
        Self { spool, connection, letters, stop, pauses, told: None }
    }

    /// Sends until the agent is to stop and all is sent, or it was to stop for long enough.
    pub fn run(&mut self) -> Result<(), AgentError> {
        loop {
            let entries = self.spool.next(WINDOW, Duration::from_millis(250))?;
            let Some(last) = entries.last().map(|entry| entry.number) else {
                if self.stop.is_set() {
                    return Ok(());
                }
                continue;
            };
            match self.send(&entries) {
                Ok(mut counts) => {
                    counts.dropped = entries.iter().map(Entry::dropped).sum();
                    self.spool.acknowledge(last, counts)?;
                }
                Err(Unsent::Stopped) => return Ok(()),
                Err(Unsent::Letters(error)) => return Err(error),
            }
        }
    }

    fn send(&mut self, entries: &[Entry]) -> Result<Counts, Unsent> {
        let parts: Vec<_> = entries
            .iter()
            .flat_map(|entry| &entry.parts)
            .filter(|part| !part.dropped)
            .map(|part| (part, part.text()))
            .collect();
        let mut batches: Vec<Batch<'_>> = Vec::new();
        let mut order: Vec<_> = parts.iter().collect();
        order.sort_by(|(one, _), (other, _)| (&one.stream, one.first).cmp(&(&other.stream, other.first)));
        for (part, text) in order {
            for (number, line) in (part.first..).zip(text.split_inclusive(|byte| *byte == b'\n')) {
                match batches.last_mut() {
                    Some(batch) if batch.is_followed_by(&part.stream, number, &part.origin, line) => {
                        batch.push(line);
                    }
                    _ => batches.push(Batch::new(&part.stream, &part.origin, number, line)),
                }
            }
        }
        let mut counts = Counts::default();
        for batch in &batches {
            self.deliver(batch, &mut counts)?;
        }
        Ok(counts)
    }

    /// Sends a batch until the server has all of it, except lines that it will never take.
    fn deliver(&mut self, batch: &Batch<'_>, counts: &mut Counts) -> Result<(), Unsent> {
        let body = zstd::bulk::compress(&batch.lines.concat(), 3)
            .unwrap_or_else(|error| unreachable!("memory can be compressed: {error}"));
        let Batch { stream, origin, first, .. } = *batch;
        let outgoing = Outgoing { stream, first, origin, encoding: "zstd", body: &body };
        loop {
            let (reason, asked) = match self.connection.post_evidence(&outgoing) {
                Ok(answer @ Answer { status: 200, .. }) => match serde_json::from_str(&answer.text) {
                    Ok(known) => return self.acknowledged(batch, known, counts),
                    Err(error) => (format!("its answer is none of a raceguard server: {error}"), None),
                },
                Ok(answer) if is_hopeless(answer.status) => return self.divide(batch, &answer, counts),
                Ok(answer) => (format!("{}: {}", answer.status, answer.explanation()), answer.retry_after),
                Err(error) => (error.to_string(), None),
            };
            self.tell(&reason);
            if !self.pause(asked) {
                return Err(Unsent::Stopped);
            }
        }
    }

    fn acknowledged(
        &mut self,
        batch: &Batch<'_>,
        known: Acknowledgement,
        counts: &mut Counts,
    ) -> Result<(), Unsent> {
        self.pauses.reset();
        if self.told.take().is_some() {
            eprintln!("raceguard: {} takes evidence again", self.connection.server());
        }
        counts.accepted += known.accepted;
        counts.duplicates += known.duplicates;
        for Rejected { line, reason } in known.rejected {
            self.bury(batch, line.saturating_sub(1), 200, &reason, counts)?;
        }
        Ok(())
    }

    /// The server will never take this batch: perhaps its halves, until it is clear which line is to blame.
    fn divide(&mut self, batch: &Batch<'_>, answer: &Answer, counts: &mut Counts) -> Result<(), Unsent> {
        if batch.lines.len() == 1 {
            return self.bury(batch, 0, answer.status, &answer.explanation(), counts);
        }
        let middle = batch.lines.len() / 2;
        for (skipped, lines) in [(0, &batch.lines[..middle]), (middle, &batch.lines[middle..])] {
            let lines = lines.to_vec();
            let (stream, origin, first) = (batch.stream, batch.origin, batch.first + skipped as u64);
            self.deliver(&Batch { stream, origin, first, lines, bytes: 0 }, counts)?;
        }
        Ok(())
    }

    fn bury(
        &self,
        batch: &Batch<'_>,
        line: usize,
        status: u16,
        reason: &str,
        counts: &mut Counts,
    ) -> Result<(), Unsent> {
        let text = batch.lines.get(line).copied().unwrap_or_default();
        let place = (batch.stream, batch.first + line as u64);
        let added = self.letters.add(status, reason, place, &batch.origin.service, text.trim_ascii_end());
        added.map_err(|source| {
            Unsent::Letters(AgentError::Write { path: self.letters.path().to_owned(), source })
        })?;
        counts.dead += 1;
        Ok(())
    }

    /// Waits for the next try; `false` when there is to be none.
    fn pause(&mut self, asked: Option<Duration>) -> bool {
        let pause = self.pauses.next(asked);
        if !self.stop.wait(pause) {
            return true;
        }
        let left = STOP_TIME.saturating_sub(self.stop.since().unwrap_or_default());
        std::thread::sleep(left.min(Duration::from_millis(200)));
        !left.is_zero()
    }

    fn tell(&mut self, reason: &str) {
        if self.told.is_none_or(|told| told.elapsed() > TELL_EVERY) {
            self.told = Some(Instant::now());
            let server = self.connection.server();
            print_warning(format!("{server} takes no evidence now ({reason}); it waits in the spool"));
        }
    }
}

/// Whether sending the same again never helps. A token or an address can be mended while evidence waits.
fn is_hopeless(status: u16) -> bool {
    matches!(status, 400..500)
        && !matches!(status, 401 | 403 | 404 | 405 | 407 | 408 | 415 | 421 | 425 | 426 | 429)
}

impl<'b> Batch<'b> {
    fn new(stream: &'b str, origin: &'b Origin, first: u64, line: &'b [u8]) -> Self {
        Self { stream, origin, first, lines: vec![line], bytes: line.len() }
    }

    fn is_followed_by(&self, stream: &str, number: u64, origin: &Origin, line: &[u8]) -> bool {
        self.stream == stream
            && self.first + self.lines.len() as u64 == number
            && self.origin == origin
            && self.lines.len() < BATCH_LINES
            && self.bytes + line.len() <= BATCH_BYTES
    }

    fn push(&mut self, line: &'b [u8]) {
        self.bytes += line.len();
        self.lines.push(line);
    }
}
