//! `raceguard push`: evidence of a run to a server.

use std::path::PathBuf;

use clap::Args;
use raceguard_server::origin::Origin;

use super::report::find_run;
use crate::error::CommandError;
use crate::fleet::client::{Client, Sent, Target};

/// Flags of `raceguard push`.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// The run: its name in .raceguard/runs, its folder or its evidence file, or a module; the last one when left out
    #[arg(value_name = "RUN")]
    run: Option<PathBuf>,

    /// The server, http://HOST:PORT
    #[arg(long, value_name = "URL", env = "RACEGUARD_SERVER")]
    server: String,

    /// A token that may write
    #[arg(long, value_name = "TOKEN", env = "RACEGUARD_TOKEN", hide_env_values = true)]
    token: String,

    /// Certificates (PEM) of who signed that of the server; without it those of the public authorities
    #[arg(long, value_name = "FILE", env = "RACEGUARD_CA")]
    ca: Option<PathBuf>,

    /// Name of the service that the evidence is from
    #[arg(long, value_name = "NAME", default_value = "")]
    service: String,

    /// Version of the service
    #[arg(long, value_name = "VERSION", default_value = "")]
    version: String,

    /// Name of the environment, such as ci, canary or production
    #[arg(long, value_name = "NAME", default_value = "")]
    environment: String,
}

/// Sends the run. Sending it again is harmless.
pub fn run(arguments: &PushArgs) -> Result<u8, CommandError> {
    let folder = find_run(arguments.run.as_deref())?;
    let target = Target {
        server: arguments.server.clone(),
        token: arguments.token.clone(),
        ca: arguments.ca.clone(),
        origin: Origin {
            service: arguments.service.clone(),
            version: arguments.version.clone(),
            instance: String::new(),
            environment: arguments.environment.clone(),
        },
    };
    let Sent { accepted, duplicates, rejected } = Client::new(target)?.send_file(&folder.evidence_path())?;
    println!("{accepted} records sent, {duplicates} were there already, {rejected} lines are no records");
    Ok(0)
}
