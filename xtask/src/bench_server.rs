//! `cargo xtask bench server`: what `raceguard serve` takes, how soon it answers, and what that costs.
//!
//! A server process is driven over HTTP as agents drive it: [`load`] sends batches and times each acknowledgement,
//! [`subject`] starts the server on SQLite, or on PostgreSQL and NATS, and reads what it costs. [`table`] makes the page.
//! The senders share the machine's cores with the server, as the page says.

mod load;
mod questions;
mod subject;
mod table;

use std::time::Duration;

use raceguard_testbed::{nats, postgres};

use crate::failure::Failure;
use crate::measured_page::MeasuredPage;
use crate::raceguard;
use crate::report_line::step;

use load::{Load, Sent};
use subject::{Cost, Kind, Subject};
use table::{Answered, Figures};

const PAGE: MeasuredPage = MeasuredPage { file: "docs/server-performance.md", task: "bench server" };

/// Lines of a batch, as agents send them.
const BATCH: u64 = 500;

/// Lines of a batch when a database is only to be filled.
const FILLING_BATCH: u64 = 20_000;

/// The options of the task `bench server`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Records of the sustained load
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    records: u64,

    /// Questions are timed at a million records, and at each ten times as many up to here
    #[arg(long, default_value_t = 10_000_000, value_name = "N")]
    largest: u64,

    /// Senders at once
    #[arg(long, default_value_t = 8, value_name = "N")]
    senders: usize,

    /// Clients that listen to live updates
    #[arg(long, default_value_t = 1000, value_name = "N")]
    listeners: usize,

    /// Minutes at half of the load that it can take, to see whether memory grows; 30 for the whole run
    #[arg(long, default_value_t = 0, value_name = "MINUTES")]
    long_run: u64,

    /// A twentieth of everything: to see that it works
    #[arg(long, conflicts_with = "write")]
    quick: bool,

    /// Put the results into docs/server-performance.md
    #[arg(long)]
    write: bool,
}

/// The task `bench server`.
pub(crate) fn run(arguments: &Arguments, raceguard: &raceguard::Source) -> Result<(), Failure> {
    let scale = if arguments.quick { 20 } else { 1 };
    let (records, largest) = (arguments.records / scale, arguments.largest / scale);
    let binary = raceguard.binary()?;
    let mut figures = Figures { quick: arguments.quick, ..Figures::default() };
    let load = Load::new(BATCH, arguments.senders);
    let filling = Load::new(FILLING_BATCH, 4);

    let server = Subject::start(Kind::Sqlite, binary)?;
    figures.sqlite = Some(sustain(&server, &load, records)?);
    figures.fan_out =
        questions::fan_out(&server, &load, arguments.listeners / usize::try_from(scale).unwrap_or(1))?;
    let mut held = records;
    let mut size = 1_000_000 / scale;
    while size <= largest {
        if size > held {
            step(&format!("filling up to {size} records"));
            filling.send(&server, size - held, "filling")?;
            held = size;
        }
        for (name, path) in questions::QUESTIONS {
            if let Some(times) = questions::ask(&server, path)? {
                figures.answered.push(Answered { name, size, times });
            }
        }
        figures.sizes.push((held, server.cost()?, server.disk()?));
        size *= 10;
    }
    if arguments.long_run > 0 {
        let rate = figures.sqlite.as_ref().map_or(0.0, |run| run.sent.rate() / 2.0);
        figures.long_run =
            Some(long_run(&server, &load, rate, Duration::from_secs(60 * arguments.long_run))?);
    }
    figures.stop = Some(server.stop()?);

    if postgres::programs().is_some() && nats::program().is_some() {
        for kind in [Kind::Postgres, Kind::Cluster] {
            let server = Subject::start(kind, binary)?;
            let run = sustain(&server, &load, records / 2)?;
            match kind {
                Kind::Cluster => figures.cluster = Some(run),
                _ => figures.postgres = Some(run),
            }
            server.stop()?;
        }
    } else {
        step("PostgreSQL and NATS are not measured: `apt-get install postgresql nats-server` has them");
    }
    let text = table::markdown(&figures, arguments.senders);
    println!("{text}");
    if arguments.write { PAGE.write(&text) } else { Ok(()) }
}

/// A load, and what it took until all of it was written.
#[derive(Debug)]
pub(crate) struct Run {
    sent: Sent,
    /// From the first batch until the last record was in the database.
    written: Duration,
    /// What the server used for it.
    cost: Cost,
    disk: u64,
}

fn sustain(server: &Subject, load: &Load, records: u64) -> Result<Run, Failure> {
    step(&format!("sending {records} records to {}", server.name()));
    let before = server.cost()?;
    let sent = load.send(server, records, "sustained")?;
    let written = sent.took + server.wait_for_records(sent.records)?;
    let after = server.cost()?;
    let cost = Cost { cpu: after.cpu.saturating_sub(before.cpu), ..after };
    Ok(Run { sent, written, cost, disk: server.disk()? })
}

/// Memory after a tenth of the time, and at its end.
fn long_run(server: &Subject, load: &Load, rate: f64, time: Duration) -> Result<(Cost, Cost), Failure> {
    step(&format!("sending {rate:.0} records a second for {} minutes", time.as_secs() / 60));
    load.send_at(server, rate, time / 10, "warm")?;
    let early = server.cost()?;
    load.send_at(server, rate, time / 10 * 9, "long")?;
    Ok((early, server.cost()?))
}
