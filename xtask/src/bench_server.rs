//! `cargo xtask bench server`: what `raceguard serve` takes, how soon it answers, and what that costs.
//!
//! A server process is driven over HTTP as agents drive it: [`load`] sends batches and times each acknowledgement,
//! [`subject`] starts the server on SQLite, or on PostgreSQL and NATS, and reads what it costs. The parts can be measured
//! apart, and each has its own place on the page. The senders share the machine's cores with the server, as the page says.

mod disk;
mod figures;
mod ingest;
mod live;
mod load;
mod long_run;
mod new_findings;
mod policies;
mod questions;
mod subject;

use raceguard_testbed::{nats, postgres};

use crate::failure::Failure;
use crate::measured_page::MeasuredPage;
use crate::raceguard;
use crate::report_line::step;

use load::Load;
use subject::Kind;

/// Lines of a batch, as agents send them.
const BATCH: u64 = 500;

/// Lines of a batch when a database is only to be filled.
const FILLING_BATCH: u64 = 20_000;

/// What is measured, each on a server of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Ingest on SQLite
    Ingest,
    /// Ingest on PostgreSQL, and on NATS and PostgreSQL
    Databases,
    /// New findings, on SQLite and where it is installed on PostgreSQL
    NewFindings,
    /// Pages and API with much in the database
    Questions,
    /// Live updates to many clients
    Live,
    /// Triggers
    Policies,
    /// Memory over a long time; only when asked for
    LongRun,
}

impl Part {
    /// What is measured when nothing is asked for.
    const USUAL: [Self; 6] =
        [Self::Ingest, Self::Databases, Self::NewFindings, Self::Questions, Self::Live, Self::Policies];

    const fn page(self) -> MeasuredPage {
        let task = match self {
            Self::Ingest => "bench server ingest",
            Self::Databases => "bench server databases",
            Self::NewFindings => "bench server new-findings",
            Self::Questions => "bench server questions",
            Self::Live => "bench server live",
            Self::Policies => "bench server policies",
            Self::LongRun => "bench server long-run",
        };
        MeasuredPage { file: "docs/server-performance.md", task }
    }
}

/// The options of the task `bench server`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Parts to be measured; without any, all but the long run
    #[arg(value_enum, value_name = "PART")]
    parts: Vec<Part>,

    /// Records of a load without a limit
    #[arg(long, default_value_t = 10_000_000, value_name = "N")]
    records: u64,

    /// Seconds of a load at a given rate
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    seconds: u64,

    /// Questions are timed at a million records, and at each ten times as many up to here
    #[arg(long, default_value_t = 10_000_000, value_name = "N")]
    largest: u64,

    /// Senders at once
    #[arg(long, default_value_t = 8, value_name = "N")]
    senders: usize,

    /// Clients that listen to live updates
    #[arg(long, default_value_t = 1000, value_name = "N")]
    listeners: usize,

    /// Minutes of the long run
    #[arg(long, default_value_t = 30, value_name = "MINUTES")]
    minutes: u64,

    /// A twentieth of everything: to see that it works
    #[arg(long, conflicts_with = "write")]
    quick: bool,

    /// Put the results into docs/server-performance.md
    #[arg(long)]
    write: bool,
}

impl Arguments {
    /// What is sent to a server.
    fn load(&self) -> Load {
        Load::new(BATCH, self.senders)
    }

    fn scaled(&self, number: u64) -> u64 {
        if self.quick { (number / 20).max(1) } else { number }
    }
}

/// The task `bench server`.
pub(crate) fn run(arguments: &Arguments, raceguard: &raceguard::Source) -> Result<(), Failure> {
    let binary = raceguard.binary()?;
    let parts = if arguments.parts.is_empty() { Part::USUAL.to_vec() } else { arguments.parts.clone() };
    for part in parts {
        let measured = match part {
            Part::Ingest => ingest::table(arguments, binary, &[Kind::Sqlite])?,
            Part::Databases if postgres::programs().is_none() || nats::program().is_none() => {
                step(
                    "PostgreSQL and NATS are not measured: `apt-get install postgresql nats-server` has them",
                );
                continue;
            }
            Part::Databases => ingest::table(arguments, binary, &[Kind::Postgres, Kind::Cluster])?,
            Part::NewFindings if postgres::programs().is_none() => {
                new_findings::table(arguments, binary, &[Kind::Sqlite])?
            }
            Part::NewFindings => new_findings::table(arguments, binary, &[Kind::Sqlite, Kind::Postgres])?,
            Part::Questions => questions::table(arguments, binary)?,
            Part::Live => live::table(arguments, binary)?,
            Part::Policies => policies::table(arguments, binary)?,
            Part::LongRun => long_run::table(arguments, binary)?,
        };
        let text = format!("{}{measured}", figures::machine(arguments));
        println!("{text}");
        if arguments.write {
            part.page().write(&text)?;
        }
    }
    Ok(())
}
