//! The user's Go: where it is, what `go env` says in the folder they work in, and whether programs can be
//! built there under raceguard.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::error::EnvironmentError;
use crate::quoting;
use crate::version::{GoVersion, NEWEST_TESTED, OLDEST_SUPPORTED};

const VARIABLES: [&str; 15] = [
    "GOVERSION",
    "GOOS",
    "GOARCH",
    "GOHOSTOS",
    "GOHOSTARCH",
    "GOAMD64",
    "CGO_ENABLED",
    "CC",
    "GOMOD",
    "GOWORK",
    "GOFLAGS",
    "GOROOT",
    "GOCACHE",
    "GOMODCACHE",
    "GOTMPDIR",
];

/// What `go env` says. A variable that this Go does not know is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE", default)]
#[expect(missing_docs, reason = "`go help environment` documents these")]
pub struct GoEnv {
    pub goversion: String,
    pub goos: String,
    pub goarch: String,
    pub gohostos: String,
    pub gohostarch: String,
    pub goamd64: String,
    pub cgo_enabled: String,
    pub cc: String,
    pub gomod: String,
    pub gowork: String,
    pub goflags: String,
    pub goroot: String,
    pub gocache: PathBuf,
    pub gomodcache: PathBuf,
    pub gotmpdir: PathBuf,
}

/// A Go installation, asked in one folder.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The `go` command, absolute.
    pub go: PathBuf,
    /// The folder in which Go was asked: the current one, or that of `-C`.
    pub folder: PathBuf,
    /// Its answers.
    pub env: GoEnv,
}

/// Something that works, but that the user should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// Go is newer than the runtime was tested with.
    NewerThanTested(GoVersion),
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NewerThanTested(found) => write!(
                f,
                "Go {found} is newer than {NEWEST_TESTED}, the newest that raceguard was tested with; \
                 it should work, and an update of raceguard may know it"
            ),
        }
    }
}

impl Environment {
    /// Asks the `go` on PATH in `folder`.
    pub fn load(folder: &Path) -> Result<Self, EnvironmentError> {
        let go = find_program("go").ok_or(EnvironmentError::GoNotFound)?;
        let folder_error = |source| EnvironmentError::Folder { folder: folder.to_owned(), source };
        let folder = std::path::absolute(folder).map_err(folder_error)?;
        folder.read_dir().map_err(folder_error)?;
        let output = Command::new(&go)
            .args(["env", "-json"])
            .args(VARIABLES)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .output()
            .map_err(|source| EnvironmentError::Folder { folder: folder.clone(), source })?;
        let failed = |message: String| EnvironmentError::GoCommandFailed {
            command: "go env".to_owned(),
            folder: folder.clone(),
            message,
        };
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim_end().to_owned()));
        }
        let env = serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))?;
        Ok(Self { go, folder, env })
    }

    /// The version of Go, where GOVERSION has one.
    pub fn version(&self) -> Option<GoVersion> {
        GoVersion::parse(&self.env.goversion)
    }

    /// Checks that programs can be built with `-race` and run here; the first thing that is missing is the
    /// error.
    pub fn check(&self) -> Result<Vec<Warning>, EnvironmentError> {
        let warnings = self.check_version()?;
        self.check_platform()?;
        self.check_cgo()?;
        Ok(warnings)
    }

    /// Checks GOVERSION alone.
    pub fn check_version(&self) -> Result<Vec<Warning>, EnvironmentError> {
        let found = self
            .version()
            .ok_or_else(|| EnvironmentError::UnknownGoVersion { text: self.env.goversion.clone() })?;
        if found < OLDEST_SUPPORTED {
            return Err(EnvironmentError::GoTooOld { found });
        }
        Ok((found > NEWEST_TESTED).then_some(Warning::NewerThanTested(found)).into_iter().collect())
    }

    /// Checks GOOS and GOARCH of the machine and of the build.
    pub fn check_platform(&self) -> Result<(), EnvironmentError> {
        let GoEnv { goos, goarch, gohostos, gohostarch, .. } = &self.env;
        if (gohostos.as_str(), gohostarch.as_str()) != ("linux", "amd64") {
            return Err(EnvironmentError::UnsupportedHost {
                goos: gohostos.clone(),
                goarch: gohostarch.clone(),
            });
        }
        if (goos.as_str(), goarch.as_str()) != ("linux", "amd64") {
            return Err(EnvironmentError::CrossBuild { goos: goos.clone(), goarch: goarch.clone() });
        }
        Ok(())
    }

    /// Checks CGO_ENABLED and that the C compiler exists.
    ///
    /// Without a C compiler on PATH `go env` reports CGO_ENABLED=0 of its own accord; then the compiler is
    /// what is missing.
    pub fn check_cgo(&self) -> Result<(), EnvironmentError> {
        let missing_compiler = self.missing_compiler();
        if self.env.cgo_enabled != "1" {
            let is_set = env::var_os("CGO_ENABLED").is_some_and(|value| !value.is_empty());
            return Err(match missing_compiler {
                Some(compiler) if !is_set => EnvironmentError::NoCCompiler { compiler },
                _ => EnvironmentError::CgoDisabled,
            });
        }
        missing_compiler.map_or(Ok(()), |compiler| Err(EnvironmentError::NoCCompiler { compiler }))
    }

    fn missing_compiler(&self) -> Option<String> {
        let compiler = quoting::split(&self.env.cc).ok()?.into_iter().next()?;
        find_program(&compiler).is_none().then_some(compiler)
    }

    /// The folder that `.raceguard` belongs into: that of go.mod, or of go.work when the folder is in no
    /// module, or the folder itself when there is neither.
    pub fn module_root(&self) -> &Path {
        [&self.env.gomod, &self.env.gowork]
            .into_iter()
            .filter(|file| !matches!(file.as_str(), "" | "off" | "/dev/null"))
            .find_map(|file| Path::new(file).parent())
            .unwrap_or(&self.folder)
    }
}

/// The file that running `program` would start, absolute: `program` itself when it has a slash, or else the
/// first executable of that name on PATH.
pub fn find_program(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        let path = std::path::absolute(program).ok()?;
        return is_executable(&path).then_some(path);
    }
    env::split_paths(&env::var_os("PATH")?)
        .filter_map(|folder| std::path::absolute(folder.join(program)).ok())
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(change: impl FnOnce(&mut GoEnv)) -> Environment {
        let mut env = GoEnv {
            goversion: "go1.26.8".into(),
            goos: "linux".into(),
            goarch: "amd64".into(),
            gohostos: "linux".into(),
            gohostarch: "amd64".into(),
            cgo_enabled: "1".into(),
            cc: "sh".into(),
            ..GoEnv::default()
        };
        change(&mut env);
        Environment { go: "/go/bin/go".into(), folder: "/work".into(), env }
    }

    #[test]
    fn a_usable_environment_passes_without_a_warning() {
        assert_eq!(environment(|_| ()).check().unwrap(), []);
    }

    #[test]
    fn go_before_1_22_is_an_error_and_after_1_27_a_warning() {
        let old = environment(|env| env.goversion = "go1.21.13".into()).check();
        assert!(matches!(old, Err(EnvironmentError::GoTooOld { .. })), "{old:?}");
        let new = environment(|env| env.goversion = "go1.29.0".into()).check().unwrap();
        assert_eq!(new, [Warning::NewerThanTested(GoVersion { major: 1, minor: 29 })]);
    }

    #[test]
    fn other_platforms_and_cross_builds_are_told_apart() {
        let mac = environment(|env| env.gohostos = "darwin".into()).check();
        assert!(matches!(mac, Err(EnvironmentError::UnsupportedHost { .. })), "{mac:?}");
        let cross = environment(|env| env.goarch = "arm64".into()).check();
        assert!(matches!(cross, Err(EnvironmentError::CrossBuild { .. })), "{cross:?}");
    }

    #[test]
    fn a_missing_compiler_is_named() {
        let error = environment(|env| env.cc = "no-such-cc -m64".into()).check().unwrap_err();
        assert!(error.to_string().contains("`no-such-cc`"), "{error}");
    }

    #[test]
    fn the_module_root_prefers_go_mod_over_go_work() {
        let root = |gomod: &str, gowork: &str| {
            environment(|env| (env.gomod, env.gowork) = (gomod.into(), gowork.into()))
                .module_root()
                .to_owned()
        };
        assert_eq!(root("/m/go.mod", "/w/go.work"), Path::new("/m"));
        assert_eq!(root("/dev/null", "/w/go.work"), Path::new("/w"));
        assert_eq!(root("/dev/null", "off"), Path::new("/work"));
        assert_eq!(root("", ""), Path::new("/work"));
    }
}
