//! The Go installation whose standard library gives types: where it lies, its version, its experiments.

use std::path::{Path, PathBuf};

use super::build_context::BuildContext;
use super::environment::Environment;
use super::tree::{Entry, SourceTree, is_directory, is_file};
use super::versions::{LanguageVersion, compare_module_versions};

/// Installations that packages and installers make.
const USUAL_PLACES: [&str; 4] =
    ["/usr/local/go", "/usr/lib/go", "/usr/lib/golang", "/opt/homebrew/opt/go/libexec"];

/// No file that is read from an installation on its own is larger.
const LIMIT: u64 = 1 << 20;

/// A Go installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goroot {
    /// GOROOT.
    pub directory: PathBuf,
    /// The language version of its release, if its VERSION file says it.
    pub release: Option<LanguageVersion>,
}

impl Goroot {
    /// Looks at GOROOT, then for a `go` on PATH, then in the usual places, then for a toolchain in the module
    /// cache. No program is run.
    pub fn find(tree: &dyn SourceTree, environment: &Environment) -> Option<Self> {
        let stated = environment.goroot.iter().cloned();
        let on_path = environment.path.iter().filter_map(|directory| {
            let names = ["go", "go.exe"].map(|name| directory.join(name));
            let program = names.into_iter().find(|program| is_file(tree, program))?;
            // bin/go of the installation, once links are followed.
            let program = tree.metadata(&program).ok()?.canonical;
            Some(program.parent()?.parent()?.to_path_buf())
        });
        let usual = USUAL_PLACES.iter().map(PathBuf::from);
        let installed = stated.chain(on_path).chain(usual).find(|root| Self::is_at(tree, root));
        let directory = installed.or_else(|| downloaded(tree, environment))?;
        let version = tree.read(&directory.join("VERSION"), LIMIT).ok();
        let release = version.and_then(|bytes| release(&String::from_utf8_lossy(&bytes)));
        Some(Self { directory, release })
    }

    /// Where the standard library lies.
    pub fn sources(&self) -> PathBuf {
        self.directory.join("src")
    }

    /// Whether a directory holds the standard library's sources.
    pub(crate) fn is_at(tree: &dyn SourceTree, directory: &Path) -> bool {
        is_directory(tree, &directory.join("src").join("runtime"))
    }

    /// The context that this installation builds with: its release, and the experiments it enables by default.
    pub(crate) fn complete(&self, tree: &dyn SourceTree, build: &BuildContext) -> BuildContext {
        let mut build = build.clone();
        build.release = build.release.or(self.release.map(|release| release.minor));
        let path = self.sources().join("internal").join("buildcfg").join("exp.go");
        if let Ok(bytes) = tree.read(&path, LIMIT) {
            build.tags.extend(default_experiments(&String::from_utf8_lossy(&bytes)));
        }
        build
    }
}

/// The newest toolchain that Go has downloaded into the module cache.
fn downloaded(tree: &dyn SourceTree, environment: &Environment) -> Option<PathBuf> {
    let directory = environment.module_cache_directory()?.join("golang.org");
    let toolchain = |entry: Entry| {
        let name = entry.name.to_str()?;
        let version = name.strip_prefix("toolchain@v0.0.1-go")?.split('-').next()?;
        // As a module version, `1.27.3` and `1.27rc1` have an order.
        let version = format!("v{}", version.replace("rc", ".0-rc"));
        Some((version, directory.join(name)))
    };
    let toolchains = tree.list(&directory).ok()?.into_iter().filter_map(toolchain);
    let usable = toolchains.filter(|(_, root)| Goroot::is_at(tree, root));
    usable.max_by(|(left, _), (right, _)| compare_module_versions(left, right)).map(|(_, root)| root)
}

/// The release in a VERSION file: `go1.26.8`, `devel go1.27-abc`.
fn release(version: &str) -> Option<LanguageVersion> {
    let mut words = version.split_ascii_whitespace().filter(|word| word.starts_with("go"));
    words.find_map(LanguageVersion::parse)
}

/// The tags of the experiments in the literal `baseline := goexperiment.Flags{…}`. What depends on the platform
/// counts as enabled: it is on all that Go supports best.
fn default_experiments(source: &str) -> Vec<String> {
    let Some((_, after)) = source.split_once("baseline := goexperiment.Flags{") else { return Vec::new() };
    let literal = after.split_once("\n\t}").map_or(after, |(literal, _)| literal);
    let field = |line: &str| -> Option<String> {
        let line = line.split("//").next().unwrap_or(line);
        let (name, value) = line.trim().strip_suffix(',')?.split_once(':')?;
        (value.trim() != "false").then(|| format!("goexperiment.{}", name.trim().to_ascii_lowercase()))
    };
    literal.lines().filter_map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemoryTree;

    #[test]
    fn the_stated_installation_comes_before_one_on_the_path() {
        let tree = MemoryTree::new()
            .with_file("/opt/go1.26/src/runtime/proc.go", "package runtime")
            .with_file("/opt/go1.26/VERSION", "go1.26.8\ntime 2026-08-28T16:20:06Z\n")
            .with_file("/opt/go1.26/bin/go", "")
            .with_symlink("/usr/bin/go", "../../opt/go1.26/bin/go")
            .with_file("/my/go/src/runtime/proc.go", "package runtime");
        let mut environment = Environment::new("/");
        assert_eq!(Goroot::find(&tree, &environment), None);
        environment.path = vec!["/bin".into(), "/usr/bin".into()];
        let found = Goroot::find(&tree, &environment).expect("the one that /usr/bin/go leads to");
        assert_eq!(found.directory, Path::new("/opt/go1.26"));
        assert_eq!(found.release, Some(LanguageVersion::go1(26)));
        environment.goroot = Some("/my/go".into());
        let found = Goroot::find(&tree, &environment).expect("the stated one");
        assert_eq!((found.directory.as_path(), found.release), (Path::new("/my/go"), None));
        environment.goroot = Some("/nothing/here".into());
        assert_eq!(
            Goroot::find(&tree, &environment).expect("the next one").directory,
            Path::new("/opt/go1.26")
        );
    }

    #[test]
    fn a_downloaded_toolchain_is_better_than_none() {
        let mut tree = MemoryTree::new();
        for version in ["1.22.9", "1.27rc1", "1.26.10", "1.26.9"] {
            let root = format!("/home/u/go/pkg/mod/golang.org/toolchain@v0.0.1-go{version}.linux-amd64");
            tree = tree.with_file(&format!("{root}/src/runtime/proc.go"), "package runtime");
        }
        let mut environment = Environment { home: Some("/home/u".into()), ..Environment::new("/") };
        let newest = "/home/u/go/pkg/mod/golang.org/toolchain@v0.0.1-go1.27rc1.linux-amd64";
        assert_eq!(Goroot::find(&tree, &environment).expect("downloaded").directory, Path::new(newest));
        let tree = tree.with_file("/go/src/runtime/proc.go", "package runtime");
        environment.goroot = Some("/go".into());
        assert_eq!(Goroot::find(&tree, &environment).expect("installed").directory, Path::new("/go"));
    }

    #[test]
    fn experiments_are_those_that_are_on_by_default() {
        let source = "func f() {\n\tbaseline := goexperiment.Flags{\n\t\tRegabiArgs:  supported, // why\n\t\tLoopVar: false,\n\
            \t\tGreenTeaGC: true,\n\t}\n\tother := Flags{\n\t\tNo: true,\n\t}\n";
        assert_eq!(default_experiments(source), ["goexperiment.regabiargs", "goexperiment.greenteagc"]);
        assert!(default_experiments("package buildcfg").is_empty());
    }
}
