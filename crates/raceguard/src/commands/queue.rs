//! `raceguard queue`: messages of a cluster's queue that could not be written.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::error::CommandError;
use crate::fleet::connection::Connection;

/// Messages that are asked for, or tried again, with one request.
const AT_ONCE: u64 = 1_000;

/// Flags of `raceguard queue`.
#[derive(Debug, Args)]
pub struct QueueArgs {
    #[command(subcommand)]
    command: QueueCommand,
}

#[derive(Debug, Subcommand)]
enum QueueCommand {
    /// Print the messages that were set aside because they could not be written, the oldest first
    List(Place),
    /// Put them back into the queue; what still can't be written is set aside again
    Replay(Place),
}

#[derive(Debug, Args)]
struct Place {
    /// A replica of the cluster, http://HOST:PORT or https://HOST:PORT
    #[arg(long, value_name = "URL", env = "RACEGUARD_SERVER")]
    server: String,

    /// A token that may administer
    #[arg(long, value_name = "TOKEN", env = "RACEGUARD_TOKEN", hide_env_values = true)]
    token: String,

    /// Certificates (PEM) of who signed that of the server; without it those of the public authorities
    #[arg(long, value_name = "FILE", env = "RACEGUARD_CA")]
    ca: Option<PathBuf>,
}

/// The answer to a question for them.
#[derive(Debug, Deserialize)]
struct List {
    total: u64,
    messages: Vec<Message>,
}

/// A message that was set aside.
#[derive(Debug, Deserialize)]
struct Message {
    number: u64,
    partition: String,
    at_ms: i64,
    bytes: u64,
    reason: String,
}

/// What became of those that were tried again.
#[derive(Debug, Deserialize)]
struct Replayed {
    replayed: u64,
    left: u64,
}

/// Does what was asked for; the exit code is 1 when messages are set aside.
pub fn run(arguments: &QueueArgs) -> Result<u8, CommandError> {
    match &arguments.command {
        QueueCommand::List(place) => list(&place.connect()?),
        QueueCommand::Replay(place) => replay(&place.connect()?),
    }
}

impl Place {
    fn connect(&self) -> Result<Connection, CommandError> {
        Ok(Connection::new(&self.server, &self.token, self.ca.as_deref())?)
    }
}

/// The oldest messages, and how many there are.
fn ask(connection: &Connection, limit: u64) -> Result<List, CommandError> {
    let answer = connection.get(&format!("/v1/queue/set-aside?limit={limit}"));
    let answer = answer.map_err(|error| connection.unanswered(&error))?;
    Ok(answer.done(connection.server())?)
}

fn list(connection: &Connection) -> Result<u8, CommandError> {
    let List { total, messages } = ask(connection, AT_ONCE)?;
    for Message { number, partition, at_ms, bytes, reason } in &messages {
        let at = Timestamp::from_millisecond(*at_ms).map_or_else(|_| "?".to_owned(), |at| format!("{at:.0}"));
        println!("{number:>6} {at} partition {partition:<2} {bytes:>9} bytes  {reason}");
    }
    match total - total.min(messages.len() as u64) {
        0 if total == 0 => println!("nothing is set aside"),
        0 => {}
        more => println!("and {more} more"),
    }
    Ok(u8::from(total > 0))
}

fn replay(connection: &Connection) -> Result<u8, CommandError> {
    // Those that are set aside again meanwhile are not tried again.
    let most = ask(connection, 1)?.total;
    let mut all = Replayed { replayed: 0, left: most };
    while all.replayed < most {
        let path = format!("/v1/queue/set-aside/replay?limit={}", AT_ONCE.min(most - all.replayed));
        let answer = connection.post_json(&path, &json!({}));
        let answer = answer.map_err(|error| connection.unanswered(&error))?;
        let Replayed { replayed, left } = answer.done(connection.server())?;
        all = Replayed { replayed: all.replayed + replayed, left };
        if replayed == 0 {
            break;
        }
    }
    println!("{} messages are in the queue again, {} are set aside", all.replayed, all.left);
    Ok(u8::from(all.left > 0))
}
