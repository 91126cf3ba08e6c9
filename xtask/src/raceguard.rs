//! The `raceguard` binary that tasks drive: built once per run of `cargo xtask`, in release mode.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::release_build;
use crate::toolchain::Go;

/// Where the binary comes from.
pub(crate) struct Source {
    given: Option<PathBuf>,
    built: OnceCell<PathBuf>,
}

impl Source {
    /// The binary that the user named, or else the one of this workspace.
    pub(crate) fn new(given: Option<PathBuf>) -> Self {
        Self { given, built: OnceCell::new() }
    }

    /// The binary, after building it if need be.
    pub(crate) fn binary(&self) -> Result<&Path, Failure> {
        if let Some(path) = self.built.get() {
            return Ok(path);
        }
        let path = match &self.given {
            Some(path) => path.canonicalize().map_err(|error| Failure::file("find", path, &error))?,
            None => release_build::binary("raceguard")?,
        };
        Ok(self.built.get_or_init(|| path))
    }

    /// A command that runs raceguard on the given Go, in an environment without the user's own race options.
    pub(crate) fn command(&self, go: &Go) -> Result<Command, Failure> {
        let mut command = Command::new(self.binary()?);
        go.set_environment(&mut command);
        Ok(command)
    }

    /// The value of `-toolexec` that links raceguard's runtime in.
    pub(crate) fn toolexec(&self) -> Result<String, Failure> {
        let binary = self.binary()?.display().to_string();
        let quoted = if binary.contains(' ') { format!("\"{binary}\"") } else { binary };
        Ok(format!("{quoted} toolexec"))
    }
}
