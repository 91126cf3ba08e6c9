//! `raceguard build`: `go build` of a program with the race runtime in it.

use raceguard_gotool::command;
use raceguard_gotool::flags::CommandLine;

use super::{Prepared, become_command, prepare};
use crate::error::CommandError;

/// Becomes `go build -race`; its exit code is Go's own.
pub fn run(line: &CommandLine) -> Result<u8, CommandError> {
    let Prepared { environment, raceguard } = prepare(line)?;
    Err(become_command(command::build(&environment, line, &raceguard)?))
}
