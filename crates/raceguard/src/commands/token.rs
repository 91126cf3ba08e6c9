//! `raceguard token`: who may use a server.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use raceguard_server::clock::now_ms;
use raceguard_server::store::Store;
use raceguard_server::token::Role;
use raceguard_server::token::table::{self, NewToken, TokenRow};

use super::local_actor;
use super::place::PlaceArgs;
use crate::agent::quantity::Period;
use crate::error::CommandError;

/// Flags of `raceguard token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token and print it; it is kept nowhere and can't be shown again
    Add {
        /// What it is for; unique
        name: String,
        /// What its holder may do
        #[arg(long, default_value = "write")]
        role: RoleName,
        /// How long it holds, such as 12h or 90d; for ever when left out
        #[arg(long, value_name = "TIME", value_parser = duration)]
        expires: Option<Duration>,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// List all tokens: name, role, state, last use
    List {
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Revoke a token; a running server refuses it within a second
    Revoke {
        /// Its name
        name: String,
        #[command(flatten)]
        place: PlaceArgs,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleName {
    /// Send evidence
    Write,
    /// Ask
    Read,
    /// Everything
    Admin,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Write => Self::Write,
            RoleName::Read => Self::Read,
            RoleName::Admin => Self::Admin,
        }
    }
}

/// As in the agent's configuration, and in days.
fn duration(text: &str) -> Result<Duration, String> {
    let days = text.strip_suffix('d').and_then(|days| days.trim().parse::<u32>().ok());
    match days.filter(|days| *days > 0) {
        Some(days) => Ok(Duration::from_hours(24) * days),
        None => Period::try_from(text.to_owned()).map(|period| period.0),
    }
}

/// Does what was asked for.
pub fn run(arguments: &TokenArgs) -> Result<u8, CommandError> {
    let now = now_ms();
    match &arguments.command {
        TokenCommand::Add { name, role, expires, place } => {
            let end =
                |time: Duration| now.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
            let new = NewToken { name, role: (*role).into(), expires_ms: expires.map(end) };
            let token =
                Store::change(place.place()?, |connection| table::add(connection, new, &local_actor(), now))?;
            println!("{}", token.reveal());
        }
        TokenCommand::List { place } => {
            for token in Store::change(place.existing()?, |connection| table::list(connection))? {
                println!("{}", line(&token, now));
            }
        }
        TokenCommand::Revoke { name, place } => {
            let revoked = Store::change(place.existing()?, |connection| {
                table::revoke(connection, name, &local_actor(), now)
            })?;
            println!("{name} {}", if revoked { "is revoked" } else { "was revoked before" });
        }
    }
    Ok(0)
}

fn line(token: &TokenRow, now: i64) -> String {
    let time =
        |ms: i64| Timestamp::from_millisecond(ms).map_or_else(|_| "?".to_owned(), |at| format!("{at:.0}"));
    let state = match (token.revoked_ms, token.expires_ms) {
        (Some(at), _) => format!("revoked {}", time(at)),
        (None, Some(end)) if end <= now => format!("over since {}", time(end)),
        (None, Some(end)) => format!("until {}", time(end)),
        (None, None) => "for ever".to_owned(),
    };
    let used = token.last_used_ms.map_or_else(|| "never".to_owned(), time);
    format!("{:<24} {:<6} {state:<32} last used {used}", token.name, token.role)
}
