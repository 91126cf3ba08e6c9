//! `raceguard toolexec`: called by cmd/go in front of every tool. Not for people.

use std::ffi::OsString;

use raceguard_gotool::toolexec::ToolCall;

use crate::child::shell_code;
use crate::error::CommandError;

/// Runs one tool; `arguments` are those after `toolexec`.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<u8, CommandError> {
    Ok(shell_code(ToolCall::parse(arguments)?.run()?))
}
