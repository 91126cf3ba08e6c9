//! `raceguard backup` and `raceguard restore`: copies of a server's data.

use std::path::PathBuf;

use clap::Args;
use raceguard_server::backup::{self, BackupError, Manifest};

use super::local_actor;
use crate::error::CommandError;

/// Flags of `raceguard backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file to be made
    file: PathBuf,

    /// The data folder of the server, which may be running
    #[arg(long, value_name = "DIR", env = "RACEGUARD_DATA")]
    data: PathBuf,
}

/// Flags of `raceguard restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// What raceguard backup made
    file: PathBuf,

    /// The data folder to be made; it must not exist, or be empty
    #[arg(long, value_name = "DIR", env = "RACEGUARD_DATA")]
    data: PathBuf,
}

/// Makes a backup.
pub fn backup(arguments: &BackupArgs) -> Result<u8, CommandError> {
    let manifest = backup::backup(&arguments.data, &arguments.file, &local_actor())?;
    println!("{}: {}", arguments.file.display(), content(&manifest));
    Ok(0)
}

/// Makes a data folder of a backup.
pub fn restore(arguments: &RestoreArgs) -> Result<u8, CommandError> {
    let manifest = backup::restore(&arguments.file, &arguments.data, &local_actor())?;
    println!("{}: {}", arguments.data.display(), content(&manifest));
    Ok(0)
}

fn content(manifest: &Manifest) -> String {
    let Manifest { bytes, audit_id, .. } = manifest;
    format!("a database of {} KiB, checked, with {audit_id} entries in its audit log", bytes.div_ceil(1024))
}

impl From<BackupError> for CommandError {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Store(error) => Self::Store(error),
            error => Self::Backup(error),
        }
    }
}
