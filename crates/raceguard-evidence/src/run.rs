//! Records of the course of a run: the command, its processes, the tests they ran, and the end.

use serde::{Deserialize, Serialize};

use crate::record::Extra;

/// The run itself; the first record of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Name of the run's folder: start in UTC, then the process id of the command.
    pub id: String,
    /// The command line.
    #[serde(default)]
    pub command: Vec<String>,
    /// What the command did.
    pub mode: RunMode,
    /// Start, in nanoseconds since the Unix epoch.
    #[serde(default)]
    pub started_unix_ns: u64,
    /// Import path of the module, empty when there is none.
    #[serde(default)]
    pub module: String,
    /// Absolute folder of the module.
    #[serde(default)]
    pub module_dir: String,
    /// Commit of the working tree, when it is one.
    #[serde(default)]
    pub commit: Option<String>,
    /// Whether the working tree had changes on top of the commit.
    #[serde(default)]
    pub dirty: Option<bool>,
    /// As `go version` names it, e.g. `go1.26.8`.
    #[serde(default)]
    pub go_version: String,
    /// Target operating system.
    #[serde(default)]
    pub goos: String,
    /// Target architecture.
    #[serde(default)]
    pub goarch: String,
    /// Name of the machine.
    #[serde(default)]
    pub host: String,
    /// Version of the raceguard that ran.
    #[serde(default)]
    pub raceguard_version: String,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What a run does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RunMode {
    /// `raceguard test`
    Test,
    /// `raceguard run`
    Run,
    /// `raceguard build`
    Build,
    /// `raceguard check`
    Check,
    /// `raceguard ingest`
    Ingest,
    /// A mode this version does not know.
    #[serde(untagged)]
    Other(String),
}

impl RunMode {
    /// As on the command line.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Test => "test",
            Self::Run => "run",
            Self::Build => "build",
            Self::Check => "check",
            Self::Ingest => "ingest",
            Self::Other(name) => name,
        }
    }
}

/// A process started to run the program or a test binary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u64,
    /// Start, in nanoseconds since the Unix epoch.
    #[serde(default)]
    pub time_unix_ns: u64,
    /// Path of the executable.
    #[serde(default)]
    pub executable: String,
    /// Arguments, without the name of the program.
    #[serde(default)]
    pub args: Vec<String>,
    /// Folder it was started in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A process ended in an orderly way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Its number.
    pub pid: u64,
    /// End, in nanoseconds since the Unix epoch.
    #[serde(default)]
    pub time_unix_ns: u64,
    /// Races that it reported.
    #[serde(default)]
    pub races: u64,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A test that failed or during which a race happened, or a whole package (`test` is `None`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// Import path of the package.
    pub package: String,
    /// Name with subtests, e.g. `TestX/sub`; `None` for the package as a whole.
    #[serde(default)]
    pub test: Option<String>,
    /// How it ended.
    pub result: TestResult,
    /// Duration, in seconds.
    #[serde(default)]
    pub elapsed_s: f64,
    /// Start, in nanoseconds since the Unix epoch.
    #[serde(default)]
    pub started_unix_ns: u64,
    /// End, in nanoseconds since the Unix epoch.
    #[serde(default)]
    pub ended_unix_ns: u64,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TestResult {
    /// Passed.
    Pass,
    /// Failed.
    Fail,
    /// Skipped.
    Skip,
    /// A result this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// Which tests a race belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution {
    /// The `id` of the race.
    pub race: String,
    /// Import path of the package.
    pub package: String,
    /// Names of the tests; empty when only the package is known.
    #[serde(default)]
    pub tests: Vec<String>,
    /// What the attribution rests on.
    pub by: AttributionBy,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What an attribution rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AttributionBy {
    /// The test's function is in a stack of the race.
    Stack,
    /// The test ran when the race was found.
    Time,
    /// A way this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// The end of the run; the last record of a run that was not killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnd {
    /// End, in nanoseconds since the Unix epoch.
    #[serde(default)]
    pub ended_unix_ns: u64,
    /// Exit code of the command.
    #[serde(default)]
    pub exit_code: i32,
    /// Whether the user interrupted the run.
    #[serde(default)]
    pub interrupted: bool,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}
