//! `raceguard token`: who may use a server.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand, ValueEnum};
use raceguard_server::store::Store;
use raceguard_server::token::Role;

use crate::commands::place::PlaceArgs;
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

/// Does what was asked for.
pub fn run(arguments: &TokenArgs) -> Result<u8, CommandError> {
    let TokenCommand::Add { name, role, place } = &arguments.command;
    let role = match role {
        RoleName::Write => Role::Write,
        RoleName::Read => Role::Read,
        RoleName::Admin => Role::Admin,
    };
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let token =
        Store::add_token(place.place()?, name, role, i64::try_from(since.as_millis()).unwrap_or(i64::MAX))?;
    println!("{}", token.reveal());
    Ok(0)
}
