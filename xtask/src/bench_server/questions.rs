//! What is asked while there is much in the database, and live updates to many.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::report_line::step;

use super::load::Load;
use super::subject::Subject;

/// What people and gates ask most, and where.
pub(crate) const QUESTIONS: [(&str, &str); 6] = [
    ("overview page", "/"),
    ("findings, the last 100", "/v1/findings?limit=100"),
    ("root causes", "/v1/causes"),
    ("services", "/v1/services"),
    ("locks", "/v1/locks"),
    ("metrics", "/metrics"),
];

/// How often each is asked.
const TIMES: usize = 100;

/// Without an event for so long, none of what was sent before is left to be told.
const QUIET: Duration = Duration::from_secs(4);

/// Listeners wait no longer for an event.
const EVENT_TIME: Duration = Duration::from_secs(20);

/// How long each of the answers took, the quickest first; nothing where this version answers nothing.
pub(crate) fn ask(server: &Subject, path: &str) -> Result<Option<Vec<Duration>>, Failure> {
    let agent = server.agent();
    let (status, _) = server.get(&agent, path)?;
    if status == 404 {
        return Ok(None);
    }
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let start = Instant::now();
        let (status, _) = server.get(&agent, path)?;
        times.push(start.elapsed());
        if status != 200 {
            return Err(Failure::environment(
                format!("{path} answered {status}"),
                "see what it says by hand",
            ));
        }
    }
    times.sort_unstable();
    Ok(Some(times))
}

/// How long after a batch was sent each of the listeners heard of it, the first one first. Nothing where this version
/// has no live updates.
pub(crate) fn fan_out(
    server: &Subject,
    load: &Load,
    listeners: usize,
) -> Result<Option<Vec<Duration>>, Failure> {
    step(&format!("{listeners} clients listen to live updates"));
    let (heard, all_heard) = mpsc::channel();
    let is_sent = Arc::new(AtomicBool::new(false));
    for number in 0..listeners {
        let Some(reader) = listen(server)? else { return Ok(None) };
        let (heard, is_sent) = (heard.clone(), Arc::clone(&is_sent));
        let thread = thread::Builder::new().stack_size(64 << 10);
        let thread = thread.spawn(move || tell_events(reader, number, &heard, &is_sent));
        thread.map_err(|error| {
            Failure::environment(format!("listener {number}: {error}"), "allow more threads")
        })?;
    }
    // What was sent before is told first.
    while all_heard.recv_timeout(QUIET).is_ok() {}
    is_sent.store(true, Ordering::SeqCst);
    let start = Instant::now();
    load.send(server, 1, "fan-out")?;
    let mut first = BTreeMap::new();
    while first.len() < listeners {
        let Ok((number, at)) = all_heard.recv_timeout(EVENT_TIME) else { break };
        first.entry(number).or_insert(at);
    }
    let mut times: Vec<_> = first.into_values().map(|at| at.saturating_duration_since(start)).collect();
    times.sort_unstable();
    Ok(Some(times))
}

/// Tells of each event; ends after the first one that follows the batch.
fn tell_events(
    mut reader: BufReader<TcpStream>,
    number: usize,
    heard: &mpsc::Sender<(usize, Instant)>,
    is_sent: &AtomicBool,
) {
    let mut line = String::new();
    // Comments keep the connection alive; data is an event.
    while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
        if line.starts_with("data:") {
            let _ = heard.send((number, Instant::now()));
            if is_sent.load(Ordering::SeqCst) {
                return;
            }
        }
        line.clear();
    }
}

/// A connection on which events come; nothing when there are none to be had.
fn listen(server: &Subject) -> Result<Option<BufReader<TcpStream>>, Failure> {
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
    Ok(status.contains(" 200 ").then_some(reader))
}
