//! What the loader needs to know of its surroundings. The caller fills it in: the library reads no variables.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::path_names::absolute;
use super::tree::SourceTree;

/// No file of settings is larger.
const SETTINGS_LIMIT: u64 = 1 << 20;

/// Where the user stands, and what Go's environment variables say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// Patterns are relative to it. Absolute.
    pub working_directory: PathBuf,
    /// GOROOT.
    pub goroot: Option<PathBuf>,
    /// The directories of PATH, where a `go` may lie.
    pub path: Vec<PathBuf>,
    /// GOMODCACHE.
    pub module_cache: Option<PathBuf>,
    /// The directories of GOPATH.
    pub gopath: Vec<PathBuf>,
    /// The user's home directory.
    pub home: Option<PathBuf>,
    /// GOWORK.
    pub workspace: WorkspaceChoice,
    /// `-mod` in GOFLAGS.
    pub vendor: VendorChoice,
}

/// Which go.work counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum WorkspaceChoice {
    /// The one in the module's directory or above it, if it uses the module.
    #[default]
    Auto,
    /// None.
    Off,
    /// This one.
    File(PathBuf),
}

/// Whether imports are looked for in the vendor directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum VendorChoice {
    /// If there is one and go.mod says Go 1.14 or later.
    #[default]
    Auto,
    /// If there is one.
    Always,
    /// Never.
    Never,
}

impl Environment {
    /// Nothing is known but the working directory.
    pub fn new(working_directory: impl Into<PathBuf>) -> Self {
        Self { working_directory: working_directory.into(), ..Self::default() }
    }

    /// From environment variables, which the caller looks up, and from what `go env -w` has set.
    pub fn from_variables(
        tree: &dyn SourceTree,
        working_directory: PathBuf,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Self {
        let settings = go_settings(tree, variable);
        let lookup = |name: &str| {
            let stated = variable(name).filter(|value| !value.is_empty());
            stated.or_else(|| settings.get(name).map(OsString::from))
        };
        let directory = |name: &str| lookup(name).map(PathBuf::from);
        let directories = |name: &str| -> Vec<PathBuf> {
            let value = lookup(name).unwrap_or_default();
            std::env::split_paths(&value).filter(|path| path.is_absolute()).collect()
        };
        let workspace = match lookup("GOWORK") {
            Some(value) if value == "off" => WorkspaceChoice::Off,
            Some(value) if value != "auto" => {
                WorkspaceChoice::File(absolute(&working_directory, Path::new(&value)))
            }
            _ => WorkspaceChoice::Auto,
        };
        let flags = lookup("GOFLAGS").unwrap_or_default().to_string_lossy().into_owned();
        let vendor = flags.split_ascii_whitespace().fold(VendorChoice::Auto, |choice, flag| {
            match flag.trim_start_matches('-') {
                "mod=vendor" => VendorChoice::Always,
                "mod=mod" | "mod=readonly" => VendorChoice::Never,
                _ => choice,
            }
        });
        Self {
            goroot: directory("GOROOT"),
            path: directories("PATH"),
            module_cache: directory("GOMODCACHE"),
            gopath: directories("GOPATH"),
            home: directory("HOME").or_else(|| directory("USERPROFILE")),
            working_directory,
            workspace,
            vendor,
        }
    }

    /// Where downloaded modules lie: GOMODCACHE, else `pkg/mod` of the first GOPATH, else `go/pkg/mod` at home.
    pub fn module_cache_directory(&self) -> Option<PathBuf> {
        let gopath = || self.gopath.first().cloned().or_else(|| Some(self.home.as_ref()?.join("go")));
        self.module_cache.clone().or_else(|| Some(gopath()?.join("pkg").join("mod")))
    }
}

/// The settings in the file that `go env -w` writes.
fn go_settings(
    tree: &dyn SourceTree,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> HashMap<String, String> {
    let directory = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let at_home = |place: &str| Some(directory("HOME")?.join(place));
    let configuration = || match std::env::consts::OS {
        "windows" => directory("AppData"),
        "macos" => at_home("Library/Application Support"),
        _ => directory("XDG_CONFIG_HOME").or_else(|| at_home(".config")),
    };
    let path = directory("GOENV").or_else(|| Some(configuration()?.join("go").join("env")));
    // GOENV=off names a file that is not there.
    let bytes = path.and_then(|path| tree.read(&path, SETTINGS_LIMIT).ok()).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let settings = lines.filter(|(name, _)| name.starts_with("GO"));
    settings.map(|(name, value)| (name.to_owned(), value.trim_end().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemoryTree;

    #[test]
    fn variables_are_read_as_go_reads_them() {
        let variables = |name: &str| {
            let value = match name {
                "PATH" => "/bin:relative:/opt/go/bin",
                "HOME" => "/home/u",
                "GOWORK" => "off",
                "GOFLAGS" => "-trimpath -mod=vendor",
                "GOROOT" => "",
                _ => return None,
            };
            Some(OsString::from(value))
        };
        let environment = Environment::from_variables(&MemoryTree::new(), "/w".into(), &variables);
        assert_eq!(environment.path, [PathBuf::from("/bin"), PathBuf::from("/opt/go/bin")]);
        assert_eq!(environment.goroot, None);
        assert_eq!(environment.workspace, WorkspaceChoice::Off);
        assert_eq!(environment.vendor, VendorChoice::Always);
        assert_eq!(environment.module_cache_directory(), Some("/home/u/go/pkg/mod".into()));
        let with_gopath = Environment { gopath: vec!["/g".into()], ..environment };
        assert_eq!(with_gopath.module_cache_directory(), Some("/g/pkg/mod".into()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_go_env_has_set_counts_where_no_variable_does() {
        let settings = "# mine\nGOMODCACHE=/big/mod\nGOFLAGS=-mod=mod\nGOROOT=/other\nPATH=/nowhere\n";
        let tree = MemoryTree::new().with_file("/home/u/.config/go/env", settings);
        let variables = |name: &str| match name {
            "HOME" => Some(OsString::from("/home/u")),
            "GOROOT" => Some(OsString::from("/go")),
            _ => None,
        };
        let environment = Environment::from_variables(&tree, "/w".into(), &variables);
        assert_eq!(environment.module_cache, Some("/big/mod".into()));
        assert_eq!(environment.vendor, VendorChoice::Never);
        assert_eq!(environment.goroot, Some("/go".into()));
        assert!(environment.path.is_empty());
        let off = |name: &str| if name == "GOENV" { Some("off".into()) } else { variables(name) };
        assert_eq!(Environment::from_variables(&tree, "/w".into(), &off).module_cache, None);
    }
}
