//! Packages of the system that tasks need: installed with apt-get by root, named to everyone else.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::failure::Failure;
use crate::process;

/// Whether this process can install packages without asking anyone: root, with apt-get.
pub(crate) fn may_install() -> bool {
    is_root() && process::on_path("apt-get")
}

/// Installs one package; the caller has checked [`may_install`].
pub(crate) fn install(package: &str) -> Result<(), Failure> {
    apt_get(&["update"])?;
    apt_get(&["install", "--yes", "--no-install-recommends", package])
}

fn apt_get(arguments: &[&str]) -> Result<(), Failure> {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::from(std::io::stderr()));
    if process::run(&mut command)?.success() {
        return Ok(());
    }
    Err(Failure::environment(
        format!("`{}` failed", process::shown(&command)),
        "check that this machine reaches its package mirrors",
    ))
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    Path::new("/proc/self").metadata().is_ok_and(|process| process.uid() == 0)
}
