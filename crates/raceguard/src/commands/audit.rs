//! `raceguard audit`: what administrators of a server did, and whether the log of it is whole.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use raceguard_server::audit::{self, Chain, Entry, Head};
use raceguard_server::store::Store;
use serde::Deserialize;

use crate::error::CommandError;
use crate::fleet::connection::Connection;
use crate::fleet::error::SendError;

/// Entries that are asked for at once.
const PAGE: usize = 1_000;

/// Flags of `raceguard audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Print the log, the oldest entry first
    List(Place),
    /// Check that no entry was changed, removed or put between; prints the newest one's number and hash, to be noted elsewhere
    Verify {
        #[command(flatten)]
        place: Place,
        /// What was noted before; shows when the log was written anew or its end cut off
        #[arg(long, value_name = "NUMBER:HASH", value_parser = head)]
        since: Option<Head>,
    },
}

#[derive(Debug, Args)]
#[group(skip)]
struct Place {
    /// The data folder of the server, which may be running
    #[arg(
        long,
        value_name = "DIR",
        env = "RACEGUARD_DATA",
        conflicts_with = "server",
        required_unless_present = "server"
    )]
    data: Option<PathBuf>,

    /// The server, http://HOST:PORT or https://HOST:PORT
    #[arg(long, value_name = "URL")]
    server: Option<String>,

    /// A token that may administer
    #[arg(long, value_name = "TOKEN", env = "RACEGUARD_TOKEN", hide_env_values = true, default_value = "")]
    token: String,

    /// Certificates (PEM) of who signed that of the server; without it those of the public authorities
    #[arg(long, value_name = "FILE", env = "RACEGUARD_CA")]
    ca: Option<PathBuf>,
}

fn head(text: &str) -> Result<Head, String> {
    let (id, hash) = text.split_once(':').ok_or("write NUMBER:HASH, as raceguard audit verify prints it")?;
    let id = id.parse().map_err(|_| format!("{id:?} is no number"))?;
    Ok(Head { id, hash: hash.to_owned() })
}

/// Does what was asked for; the exit code is 1 when the log was tampered with.
pub fn run(arguments: &AuditArgs) -> Result<u8, CommandError> {
    match &arguments.command {
        AuditCommand::List(place) => {
            place.each(|entry| println!("{}", line(entry)))?;
            Ok(0)
        }
        AuditCommand::Verify { place, since } => {
            let mut chain = Chain::new(since.clone());
            let mut tampered = None;
            place.each(|entry| {
                if tampered.is_none() {
                    tampered = chain.check(entry).err();
                }
            })?;
            match tampered.map_or_else(|| chain.end(), Err) {
                Ok(head) => {
                    println!(
                        "{} entries, none of them changed; the newest is {}:{}",
                        head.id, head.id, head.hash
                    );
                    Ok(0)
                }
                Err(tampered) => {
                    eprintln!("raceguard: the audit log was tampered with: {tampered}");
                    Ok(1)
                }
            }
        }
    }
}

/// The answer of a server.
#[derive(Deserialize)]
struct Page {
    entries: Vec<Entry>,
}

impl Place {
    /// Shows all entries, the oldest first.
    fn each(&self, mut show: impl FnMut(&Entry)) -> Result<(), CommandError> {
        let connection = match &self.server {
            Some(server) => Some(Connection::new(server, &self.token, self.ca.as_deref())?),
            None => None,
        };
        if let Some(data) = &self.data {
            super::existing_database(data)?;
        }
        let mut after = 0;
        loop {
            let page = match (&connection, &self.data) {
                (Some(connection), _) => ask(connection, after)?,
                (None, Some(data)) => Store::read(data, |connection| audit::page(connection, after, PAGE))?,
                (None, None) => Vec::new(),
            };
            page.iter().for_each(&mut show);
            match page.last() {
                Some(last) => after = last.id.max(after + 1),
                None => return Ok(()),
            }
        }
    }
}

fn ask(connection: &Connection, after: u64) -> Result<Vec<Entry>, SendError> {
    let answer = connection.get(&format!("/v1/audit?after={after}&limit={PAGE}"));
    let answer = answer.map_err(|error| connection.unanswered(&error))?;
    let page: Page = answer.done(connection.server())?;
    Ok(page.entries)
}

fn line(entry: &Entry) -> String {
    let at =
        Timestamp::from_millisecond(entry.at_ms).map_or_else(|_| "?".to_owned(), |at| format!("{at:.0}"));
    let Entry { id, actor, act, subject, detail, .. } = entry;
    format!("{id:>6} {at} {actor:<20} {act:<16} {subject} {detail}").trim_end().to_owned()
}
