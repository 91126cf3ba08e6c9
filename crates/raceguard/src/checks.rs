//! The single checks of `raceguard doctor`.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use raceguard_gotool::cache::user_cache_folder;
use raceguard_gotool::environment::{Environment, find_program};
use raceguard_gotool::quoting;
use raceguard_gotool::substitution::Substitution;
use rustix::process::{Resource, getrlimit};
use serde::Serialize;

/// Address space that a program with a race runtime may reserve: its shadow is mapped as a whole and filled
/// as needed.
const ADDRESS_SPACE: u64 = 1 << 46;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Good,
    /// Works, but not as well as it could.
    Warning,
    /// Programs can't be built or run.
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it is.
    pub state: State,
    /// What was found.
    pub detail: String,
    /// What the user does about it.
    pub mend: Option<String>,
}

impl Check {
    /// A check that found all well.
    pub fn good(name: &str, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), state: State::Good, detail: detail.into(), mend: None }
    }

    /// A check that found what can be better.
    pub fn warning(name: &str, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { state: State::Warning, mend: Some(mend.into()), ..Self::good(name, detail) }
    }

    /// A check that found what has to be mended.
    pub fn failed(name: &str, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { state: State::Failed, mend: Some(mend.into()), ..Self::good(name, detail) }
    }
}

/// Checks of the user's Go and of the folders it works in.
pub fn environment_checks(environment: &Environment) -> Vec<Check> {
    let evidence = environment.module_root().join(".raceguard");
    let go_cache_mend = "make it writable, or set GOCACHE to a folder that is: go env -w GOCACHE=/path";
    let temporary = Some(environment.env.gotmpdir.clone()).filter(|folder| !folder.as_os_str().is_empty());
    let mut checks = vec![
        go_version(environment),
        platform(environment),
        architecture_level(environment),
        cgo(environment),
        folder("Go build cache", &environment.env.gocache, State::Failed, go_cache_mend),
        folder(
            "Go module cache",
            &environment.env.gomodcache,
            State::Warning,
            "only needed for downloads; make it writable, or run `go mod download` where it is",
        ),
        folder("evidence", &evidence, State::Failed, "make the module's folder writable"),
        temporary_folder(&temporary.unwrap_or_else(env::temp_dir)),
    ];
    // It builds Go's runtime, so all the rest has to be there.
    if checks.iter().all(|check| check.state != State::Failed) {
        checks.push(fast_path(environment));
    }
    checks
}

/// Checks of the machine, whatever Go is there.
pub fn machine_checks() -> Vec<Check> {
    vec![archive_cache(), address_space(), overcommit()]
}

fn go_version(environment: &Environment) -> Check {
    let found = format!("{} at {}", environment.env.goversion, environment.go.display());
    match environment.check_version() {
        Err(error) => error.into(),
        Ok(warnings) => match warnings.first() {
            None => Check::good("Go", found),
            Some(warning) => {
                Check::warning("Go", format!("{found}\n{warning}"), "look for a newer raceguard")
            }
        },
    }
}

fn platform(environment: &Environment) -> Check {
    match environment.check_platform() {
        Err(error) => error.into(),
        Ok(()) => Check::good("platform", format!("{}/{}", environment.env.goos, environment.env.goarch)),
    }
}

/// GOAMD64 chooses between two builds of Go's race package; a program built for more than the processor has
/// stops at its start.
fn architecture_level(environment: &Environment) -> Check {
    let level = environment.env.goamd64.as_str();
    let known = matches!(level, "v1" | "v2" | "v3" | "v4");
    let missing = missing_processor_feature(level, &fs::read_to_string("/proc/cpuinfo").unwrap_or_default());
    match missing {
        _ if !known => Check::failed(
            "GOAMD64",
            format!("`{level}` is no level of amd64"),
            "set GOAMD64 to v1, v2, v3 or v4: go env -w GOAMD64=v1",
        ),
        Some(feature) => Check::failed(
            "GOAMD64",
            format!("{level} needs a processor with {feature}"),
            "set a lower level: go env -w GOAMD64=v1",
        ),
        None => Check::good("GOAMD64", level),
    }
}

/// The first feature that `level` needs and the `flags` line of `cpuinfo` lacks.
fn missing_processor_feature(level: &str, cpuinfo: &str) -> Option<&'static str> {
    let flags = cpuinfo.lines().find_map(|line| line.strip_prefix("flags")?.split_once(':'))?.1;
    let needed: &[&str] = match level {
        "v2" => &["sse4_2", "popcnt", "ssse3"],
        "v3" => &["avx2", "bmi2", "fma"],
        "v4" => &["avx512f", "avx512bw", "avx512vl"],
        _ => &[],
    };
    needed.iter().copied().find(|feature| !flags.split_whitespace().any(|flag| flag == *feature))
}

fn cgo(environment: &Environment) -> Check {
    if let Err(error) = environment.check_cgo() {
        return error.into();
    }
    let words = quoting::split(&environment.env.cc).unwrap_or_default();
    let compiler = words.first().and_then(|program| find_program(program));
    Check::good("C compiler", compiler.map(|path| path.display().to_string()).unwrap_or_default())
}

fn folder(name: &str, folder: &Path, state: State, mend: &str) -> Check {
    match try_writing(folder) {
        Ok(()) => Check::good(name, folder.display().to_string()),
        Err(error) => {
            let detail = format!("{} can't be written: {error}", folder.display());
            Check { state, ..Check::failed(name, detail, mend) }
        }
    }
}

/// Tests are built in and run from the temporary folder.
fn temporary_folder(folder: &Path) -> Check {
    const NAME: &str = "temporary folder";
    const MEND: &str = "set GOTMPDIR to a folder that can be written and run from: go env -w GOTMPDIR=/path";
    match try_running_in(folder) {
        Ok(()) => Check::good(NAME, folder.display().to_string()),
        Err(error) => {
            Check::failed(NAME, format!("programs can't be run from {}: {error}", folder.display()), MEND)
        }
    }
}

/// Whether programs call the race runtime directly, or through Go's slower stubs.
fn fast_path(environment: &Environment) -> Check {
    const NAME: &str = "fast path";
    const MEND: &str = "programs work all the same, only slower; look for a newer raceguard";
    match runtime_archive(environment).and_then(fs::read) {
        Ok(archive) if Substitution::for_runtime(&archive).is_direct() => {
            Check::good(NAME, "Go code calls the race runtime directly")
        }
        Ok(_) => Check::warning(NAME, "the stubs of this Go are not known, its own ones are used", MEND),
        Err(error) => Check::failed(
            NAME,
            format!("Go's runtime can't be built with -race: {error}"),
            "run `go build -race runtime` and mend what it says",
        ),
    }
}

/// Go's runtime as compiled for `-race`.
fn runtime_archive(environment: &Environment) -> io::Result<PathBuf> {
    let output = Command::new(&environment.go)
        .args(["list", "-race", "-export", "-f", "{{.Export}}", "runtime"])
        .current_dir(&environment.folder)
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
    } else {
        Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

fn archive_cache() -> Check {
    const NAME: &str = "raceguard cache";
    let mend = "set XDG_CACHE_HOME to a folder that can be written; until then each link step takes longer";
    match user_cache_folder() {
        Some(path) => folder(NAME, &path, State::Warning, mend),
        None => Check::warning(NAME, "neither XDG_CACHE_HOME nor HOME is set", mend),
    }
}

fn address_space() -> Check {
    const NAME: &str = "address space";
    match getrlimit(Resource::As).current {
        Some(limit) if limit < ADDRESS_SPACE => Check::failed(
            NAME,
            format!("limited to {} MiB, and the race runtime's shadow needs more", limit >> 20),
            "lift the limit: ulimit -v unlimited",
        ),
        _ => Check::good(NAME, "not limited"),
    }
}

/// With strict accounting the kernel refuses reservations that are larger than the memory.
fn overcommit() -> Check {
    const NAME: &str = "memory overcommit";
    match fs::read_to_string("/proc/sys/vm/overcommit_memory").unwrap_or_default().trim() {
        "2" => Check::failed(
            NAME,
            "vm.overcommit_memory is 2, which forbids to reserve the race runtime's shadow",
            "sysctl vm.overcommit_memory=0",
        ),
        _ => Check::good(NAME, "allowed"),
    }
}

/// Makes and removes a file in `folder`, or in what is there of it: the rest would be made when needed.
fn try_writing(folder: &Path) -> io::Result<()> {
    let folder = std::path::absolute(folder)?;
    let existing = folder.ancestors().find(|ancestor| ancestor.symlink_metadata().is_ok()).unwrap_or(&folder);
    tempfile::tempfile_in(existing).map(|_| ())
}

fn try_running_in(folder: &Path) -> io::Result<()> {
    let folder = tempfile::Builder::new().prefix("raceguard-doctor-").tempdir_in(folder)?;
    let script: PathBuf = folder.path().join("true");
    let mut file = fs::File::create(&script)?;
    file.write_all(b"#!/bin/sh\nexit 0\n")?;
    drop(file);
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    let status =
        Command::new(&script).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("it ended with {status}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raceguard_gotool::environment::GoEnv;

    fn environment(folder: &Path, goamd64: &str) -> Environment {
        let env = GoEnv {
            goversion: "go1.26.8".into(),
            goamd64: goamd64.into(),
            gocache: folder.join("cache/not/made/yet"),
            ..GoEnv::default()
        };
        Environment { go: "/go/bin/go".into(), folder: folder.to_owned(), env }
    }

    fn state(checks: &[Check], name: &str) -> State {
        checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no check {name}")).state
    }

    #[test]
    fn folders_are_tried_without_being_made() {
        let folder = tempfile::tempdir().unwrap();
        let checks = environment_checks(&environment(folder.path(), "v1"));
        assert_eq!(state(&checks, "Go build cache"), State::Good);
        assert_eq!(state(&checks, "evidence"), State::Good);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn evidence_that_cannot_be_written_fails_with_a_way_to_mend_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".raceguard"), "a file").unwrap();
        let checks = environment_checks(&environment(folder.path(), "v1"));
        let check = checks.iter().find(|check| check.name == "evidence").unwrap();
        assert_eq!(check.state, State::Failed);
        assert!(check.mend.as_ref().unwrap().contains("writable"));
    }

    #[test]
    fn levels_of_amd64_are_compared_with_the_processor() {
        let cpuinfo = "processor : 0\nflags\t\t: fpu sse4_2 popcnt ssse3 avx2 fma\n";
        assert_eq!(missing_processor_feature("v1", cpuinfo), None);
        assert_eq!(missing_processor_feature("v2", cpuinfo), None);
        assert_eq!(missing_processor_feature("v3", cpuinfo), Some("bmi2"));
        assert_eq!(missing_processor_feature("v4", cpuinfo), Some("avx512f"));
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(state(&environment_checks(&environment(folder.path(), "v9")), "GOAMD64"), State::Failed);
    }

    #[test]
    fn a_folder_that_programs_cannot_run_from_is_found() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(temporary_folder(folder.path()).state, State::Good);
        assert_eq!(temporary_folder(&folder.path().join("missing")).state, State::Failed);
    }
}
