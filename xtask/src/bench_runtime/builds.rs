//! The three builds of every workload.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::workloads::{Source, Workload};
use crate::failure::Failure;
use crate::report_line::step;
use crate::toolchain::Go;
use crate::{process, raceguard, workspace};

/// How a workload is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    Plain,
    Stock,
    Raceguard,
}

/// All binaries of one variant.
pub(super) struct Build {
    pub(super) variant: Variant,
    folder: PathBuf,
    programs: PathBuf,
    library: PathBuf,
}

/// Builds the workloads in all three ways, in the order of [`Variant`].
pub(super) fn all(
    go: &Go,
    raceguard: &raceguard::Source,
    workloads: &[Workload],
) -> Result<[Build; 3], Failure> {
    let toolexec = format!("-toolexec={}", raceguard.toolexec()?);
    let mut sources: Vec<Source> = Vec::new();
    for workload in workloads {
        if !sources.contains(&workload.source) {
            sources.push(workload.source);
        }
    }
    let make = |variant, flags: &[&str]| {
        step(&format!("building {} workloads: {variant}", sources.len()));
        let build = Build::new(go, variant)?;
        for source in &sources {
            build.make(go, *source, flags)?;
        }
        Ok(build)
    };
    Ok([
        make(Variant::Plain, &[])?,
        make(Variant::Stock, &["-race"])?,
        make(Variant::Raceguard, &["-race", &toolexec])?,
    ])
}

impl Build {
    fn new(go: &Go, variant: Variant) -> Result<Self, Failure> {
        let name = match variant {
            Variant::Plain => "plain",
            Variant::Stock => "stock",
            Variant::Raceguard => "raceguard",
        };
        let folder = workspace::products("bench-runtime")?.join(&go.version).join(name);
        std::fs::create_dir_all(&folder).map_err(|error| Failure::file("create", &folder, &error))?;
        let programs = workspace::root().join("bench/runtime");
        Ok(Self { variant, folder, programs, library: go.root.join("src") })
    }

    fn make(&self, go: &Go, source: Source, flags: &[&str]) -> Result<(), Failure> {
        let mut command = go.command();
        match source {
            Source::Program(name) => {
                command.arg("build").args(flags).arg("-o").arg(self.binary(source)).arg(format!("./{name}"));
                command.current_dir(&self.programs);
            }
            Source::Package(path) => {
                command.args(["test", "-c"]).args(flags).arg("-o").arg(self.binary(source)).arg(path);
                command.current_dir(&self.library);
            }
        }
        process::demand(&mut command, "see whether `raceguard doctor` names what is missing").map(drop)
    }

    fn binary(&self, source: Source) -> PathBuf {
        self.folder.join(source.binary())
    }

    /// One run of a workload.
    pub(super) fn command(&self, workload: &Workload) -> Command {
        let mut command = Command::new(self.binary(workload.source));
        command.args(workload.arguments).current_dir(self.run_folder(workload.source));
        for variable in ["GODEBUG", "GOMAXPROCS", "RACEGUARD", "RACEGUARD_EVIDENCE"] {
            command.env_remove(variable);
        }
        command.env("GORACE", "atexit_sleep_ms=0");
        command
    }

    /// Tests of the standard library read files beside their source.
    fn run_folder(&self, source: Source) -> PathBuf {
        match source {
            Source::Program(_) => self.folder.clone(),
            Source::Package(path) => self.library.join(Path::new(path)),
        }
    }
}
