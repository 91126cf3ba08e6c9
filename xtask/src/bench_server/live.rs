//! How soon live updates reach many clients, and what these cost.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::measure::thousands;
use crate::report_line::step;

use super::Arguments;
use super::figures::{ms, percentile};
use super::load::Load;
use super::subject::{Kind, Subject};

/// Batches that are told of, one after the other.
const ROUNDS: usize = 10;

/// Without an event for so long, none of what was sent before is left to be told.
const QUIET: Duration = Duration::from_secs(2);

/// Listeners wait no longer for an event.
const EVENT_TIME: Duration = Duration::from_secs(20);

/// Somebody who listens heard an event.
type Heard = (usize, Instant);

/// When the listeners heard of batches, after these were acknowledged; each the quickest first.
#[derive(Debug, Default)]
struct Times {
    /// The first listener of each round.
    first: Vec<Duration>,
    /// All listeners of all rounds.
    all: Vec<Duration>,
    /// From the first listener of a round to the last one.
    spread: Vec<Duration>,
    /// Listeners that heard nothing, over all rounds.
    deaf: usize,
}

/// Lets many listen, and sends.
pub(crate) fn table(arguments: &Arguments, binary: &Path) -> Result<String, Failure> {
    let listeners = usize::try_from(arguments.scaled(arguments.listeners as u64)).unwrap_or(usize::MAX);
    let server = Subject::start(Kind::Sqlite, binary)?;
    // One sender: its next batch follows the one before.
    let load = Load::new(super::BATCH, 1);
    load.send(&server, 50_000, "live")?;
    let before = server.cost()?;
    step(&format!("{listeners} clients listen to live updates"));
    let (heard, all_heard) = mpsc::channel();
    for number in 0..listeners {
        let (reader, heard) = (listen(&server)?, heard.clone());
        let thread = thread::Builder::new().stack_size(64 << 10);
        let thread = thread.spawn(move || tell_events(reader, number, &heard));
        thread.map_err(|error| {
            Failure::environment(format!("listener {number}: {error}"), "allow more threads")
        })?;
    }
    let mut times = Times::default();
    for _ in 0..ROUNDS {
        round(&server, &load, listeners, &all_heard, &mut times)?;
    }
    for times in [&mut times.first, &mut times.all, &mut times.spread] {
        times.sort_unstable();
    }
    let after = server.cost()?;
    let grown = after.memory.saturating_sub(before.memory);
    let mut text = format!(
        "{} clients on `/events`, {ROUNDS} batches one at a time, times since the batch was acknowledged. Changes are gathered for \
         up to 500 ms before they are told.\n\n| | median ms | p99 ms | most ms |\n|---|--:|--:|--:|\n",
        thousands(listeners)
    );
    for (name, times) in [
        ("until the first client heard", &times.first),
        ("until a client heard", &times.all),
        ("from the first client to the last", &times.spread),
    ] {
        let most = times.last().copied().unwrap_or_default();
        let [median, p99] = [500, 990].map(|part| ms(percentile(times, part)));
        let _ = writeln!(text, "| {name} | {median} | {p99} | {} |", ms(most));
    }
    let _ = writeln!(
        text,
        "\n{} of {} events were not heard. The server's memory grew by {} MB for all clients, {} KB for each; {} MB at most.",
        times.deaf,
        thousands(ROUNDS * listeners),
        grown / 1_000_000,
        grown / 1_000 / (listeners as u64).max(1),
        after.peak / 1_000_000
    );
    server.stop()?;
    Ok(text)
}

/// Sends a batch, and waits until all have heard of it.
fn round(
    server: &Subject,
    load: &Load,
    listeners: usize,
    all_heard: &mpsc::Receiver<Heard>,
    times: &mut Times,
) -> Result<(), Failure> {
    // What was sent before is told first.
    while all_heard.recv_timeout(QUIET).is_ok() {}
    load.send(server, 1, "live")?;
    let start = Instant::now();
    let mut first = BTreeMap::new();
    while first.len() < listeners {
        let Ok((number, at)) = all_heard.recv_timeout(EVENT_TIME) else { break };
        first.entry(number).or_insert(at);
    }
    times.deaf += listeners - first.len();
    let mut heard: Vec<_> = first.into_values().map(|at| at.saturating_duration_since(start)).collect();
    heard.sort_unstable();
    if let (Some(first), Some(last)) = (heard.first(), heard.last()) {
        times.first.push(*first);
        times.spread.push(last.saturating_sub(*first));
    }
    times.all.extend(heard);
    Ok(())
}

/// Tells of each event, until the server ends the stream.
fn tell_events(mut reader: BufReader<TcpStream>, number: usize, heard: &mpsc::Sender<Heard>) {
    let mut line = String::new();
    // Comments keep the connection alive; data is an event.
    while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
        if line.starts_with("data:") && heard.send((number, Instant::now())).is_err() {
            return;
        }
        line.clear();
    }
}

/// A connection on which events come.
fn listen(server: &Subject) -> Result<BufReader<TcpStream>, Failure> {
    let (address, token) = server.reader();
    let failed = |error: std::io::Error| {
        Failure::environment(
            format!("cannot listen to {address}: {error}"),
            "allow more open files: ulimit -n 4096",
        )
    };
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    stream.set_read_timeout(Some(EVENT_TIME * 2)).map_err(failed)?;
    let request = format!(
        "GET /events HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\naccept: text/event-stream\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut reader = BufReader::with_capacity(1024, stream);
    let mut status = String::new();
    reader.read_line(&mut status).map_err(failed)?;
    if status.contains(" 200 ") {
        return Ok(reader);
    }
    Err(Failure::environment(format!("/events answered {}", status.trim()), "listen by hand"))
}
