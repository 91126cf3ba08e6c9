//! The agent's threads: they begin together, and end together when one of them does.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::config::Config;
use super::dead_letters::DeadLetters;
use super::error::AgentError;
use super::instructions::Instructed;
use super::pause::Pauses;
use super::scrape::Scraper;
use super::sender::Sender;
use super::spool::Spool;
use super::stop::{Stop, StopWhenDropped};
use super::tail::Tails;
use crate::error::print_warning;
use crate::fleet::connection::Connection;

/// Runs until SIGTERM or Ctrl-C, then sends what it can for a few seconds; the rest stays in the spool.
pub fn run(config: &Config, connection: &Connection) -> Result<(), AgentError> {
    let folder =
        || AgentError::Folder { folder: config.state.clone(), source: std::io::ErrorKind::Other.into() };
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(|_| folder())?;
    let signals_end = signals.handle();
    let spool = Spool::open(&config.state, config.spool.max_size.0)?;
    eprintln!("raceguard: sending evidence to {}, state in {}", connection.server(), config.state.display());
    let (stop, files) = (Stop::default(), AtomicUsize::new(0));
    let scraper = Scraper::new(config, &spool, &stop);
    let letters = DeadLetters::new(&config.state);
    let result = thread::scope(|scope| {
        let (stop, spool, scraper, files) = (&stop, &spool, &scraper, &files);
        scope.spawn(move || {
            let _all_end = StopWhenDropped(stop);
            signals.forever().next();
        });
        scope.spawn(move || {
            let _all_end = StopWhenDropped(stop);
            tail(config, spool, stop, files);
        });
        for _ in 0..config.pprof_at_once.min(config.pprof.len() * 4) {
            scope.spawn(move || {
                let _all_end = StopWhenDropped(stop);
                scraper.run();
            });
        }
        scope.spawn(move || {
            let _all_end = StopWhenDropped(stop);
            Instructed::new(connection, config).run(stop);
        });
        scope.spawn(move || {
            while !stop.wait(config.status.0) {
                eprintln!("raceguard: {}", status(spool, scraper, files));
            }
        });
        let sent = {
            let _all_end = StopWhenDropped(stop);
            Sender::new(spool, connection, letters, stop).run()
        };
        signals_end.close();
        sent
    });
    let saved = spool.save();
    eprintln!("raceguard: stopped; {}", status(&spool, &scraper, &files));
    result.and(saved)
}

/// Follows files until the agent is to stop. What goes wrong is tried again: nothing counts as read until it is durable.
fn tail(config: &Config, spool: &Spool, stop: &Stop, files: &AtomicUsize) {
    if config.tail.is_empty() {
        stop.wait(Duration::MAX);
        return;
    }
    let mut tails = Tails::new(config, spool);
    let mut pauses = Pauses::new(Duration::from_millis(200), Duration::from_secs(15));
    let mut told = false;
    loop {
        let pause = match tails.round() {
            Ok(more) => {
                pauses.reset();
                if std::mem::take(&mut told) {
                    eprintln!("raceguard: files are read again");
                }
                if more { Duration::ZERO } else { config.poll.0 }
            }
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    print_warning(error);
                }
                pauses.next(None)
            }
        };
        files.store(tails.len(), Ordering::Relaxed);
        if stop.wait(pause) {
            return;
        }
    }
}

/// One line that says how it goes.
fn status(spool: &Spool, scraper: &Scraper<'_>, files: &AtomicUsize) -> String {
    let (fill, counts, profiles) = (spool.fill(), spool.state().counts, scraper.counts());
    let mut text = format!(
        "{} files followed, {} records sent, {} entries ({} KiB) wait",
        files.load(Ordering::Relaxed),
        counts.accepted + counts.duplicates,
        fill.entries,
        fill.bytes.div_ceil(1024),
    );
    for (count, what) in [
        (profiles.taken, "profiles taken"),
        (profiles.failed, "profiles failed"),
        (counts.duplicates, "were there already"),
        (counts.dropped, "dropped for want of room"),
        (counts.dead, "refused (dead-letters.jsonl)"),
        (counts.unread_bytes, "bytes vanished unread"),
        (counts.damaged, "damaged by the disk"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    text
}
