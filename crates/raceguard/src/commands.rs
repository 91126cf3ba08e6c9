//! The commands, one module each, and what several of them begin with.

pub mod advise;
pub mod agent;
pub mod build;
pub mod check;
pub mod doctor;
pub mod explain;
pub mod gate;
pub mod ingest;
pub mod policy;
pub mod push;
pub mod report;
pub mod rule;
pub mod run;
pub mod serve;
pub mod test;
pub mod token;
pub mod toolexec;

use std::env;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use raceguard_gotool::environment::Environment;
use raceguard_gotool::flags::CommandLine;

use crate::error::{CommandError, print_warning};

/// A checked environment, and the path of this program.
#[derive(Debug)]
struct Prepared {
    environment: Environment,
    raceguard: PathBuf,
}

/// Asks the user's Go in the folder that the command line names, and checks that it can do what is to be done.
fn prepare(line: &CommandLine) -> Result<Prepared, CommandError> {
    let environment = Environment::load(line.value("C").map_or(Path::new("."), Path::new))?;
    for warning in environment.check()? {
        print_warning(warning);
    }
    let raceguard = env::current_exe()
        .map_err(|source| CommandError::System { action: "find the raceguard program".to_owned(), source })?;
    Ok(Prepared { environment, raceguard })
}

/// Becomes `command`; returns only when that fails.
fn become_command(mut command: Command) -> CommandError {
    let source = command.exec();
    CommandError::Start { program: command.get_program().into(), source }
}
