//! `raceguard push`: evidence of runs, and files of other tools, to a server.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use raceguard_server::origin::Origin;

use super::report::find_run;
use crate::error::CommandError;
use crate::fleet::client::{Client, Sent, SentFile, Target};
use crate::fleet::source_text::SourceText;

/// Flags of `raceguard push`.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// Runs, by their name in .raceguard/runs, folder, evidence file or module; or files of any format that raceguard ingest
    /// reads. The last run when left out
    #[arg(value_name = "RUN_OR_FILE")]
    what: Vec<PathBuf>,

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

    /// Send no lines of source. Without it, findings bring along the lines around their frames, of files of the module that
    /// have not changed since the run began
    #[arg(long)]
    no_source: bool,
}

/// Sends what was named. Sending it again is harmless.
pub fn run(arguments: &PushArgs) -> Result<u8, CommandError> {
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
    let client = Client::new(target)?;
    if arguments.what.is_empty() {
        push_run(&client, None, !arguments.no_source)?;
    }
    for what in &arguments.what {
        if is_foreign(what) {
            push_file(&client, what)?;
        } else {
            push_run(&client, Some(what), !arguments.no_source)?;
        }
    }
    Ok(0)
}

fn push_run(client: &Client, run: Option<&Path>, with_source: bool) -> Result<(), CommandError> {
    let mut source = SourceText::default();
    let Sent { accepted, duplicates, rejected } =
        client.send_file(&find_run(run)?.evidence_path(), with_source.then_some(&mut source))?;
    println!("{accepted} records sent, {duplicates} were there already, {rejected} lines are no records");
    if source.changed() > 0 {
        let count = source.changed();
        println!("no source of {count} files, which changed since the run began; push where and when it ran");
    }
    Ok(())
}

fn push_file(client: &Client, path: &Path) -> Result<(), CommandError> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let SentFile { format, accepted, duplicates, warnings } = client.send_raw(path, &name)?;
    println!("{}: {format}, {accepted} records sent, {duplicates} were there already", path.display());
    for warning in warnings {
        println!("{}: {warning}", path.display());
    }
    Ok(())
}

/// Whether it is a file that does not begin as evidence does.
fn is_foreign(path: &Path) -> bool {
    const START: &[u8] = b"{\"schema\":";
    if !path.is_file() {
        return false;
    }
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(START.len() as u64).read_to_end(&mut start));
    // What can't be read is told when it is sent.
    read.is_ok() && start != START
}
