//! The commands, one module each, and what several of them begin with.

pub mod advise;
pub mod agent;
pub mod audit;
pub mod backup;
pub mod build;
pub mod check;
pub mod doctor;
pub mod explain;
pub mod gate;
pub mod ingest;
pub mod place;
pub mod policy;
pub mod push;
pub mod queue;
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

/// Who acts at the server's machine, for its audit log.
fn local_actor() -> String {
    let name = env::var("SUDO_USER").or_else(|_| env::var("USER")).unwrap_or_default();
    let name: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
    if name.is_empty() {
        format!("local:uid {}", rustix::process::getuid().as_raw())
    } else {
        format!("local:{name}")
    }
}

/// Refuses a data folder that has no database: asking one would make it.
fn existing_database(data: &Path) -> Result<(), CommandError> {
    if data.join("server.db").is_file() {
        return Ok(());
    }
    Err(raceguard_server::backup::BackupError::NoDatabase(data.to_owned()).into())
}

/// Becomes `command`; returns only when that fails.
fn become_command(mut command: Command) -> CommandError {
    let source = command.exec();
    CommandError::Start { program: command.get_program().into(), source }
}
