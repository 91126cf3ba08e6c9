//! `raceguard build`: `go build` of a program with the race runtime in it.

use raceguard_gotool::command;
use raceguard_gotool::flags::CommandLine;

use super::{Prepared, prepare};
use crate::error::CommandError;
use crate::go_build;

/// Runs `go build -race`.
pub fn run(line: &CommandLine) -> Result<u8, CommandError> {
    let Prepared { environment, raceguard } = prepare(line)?;
    go_build::run(command::build(&environment, line, &raceguard)?, &environment)
}
