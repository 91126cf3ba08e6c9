//! Loading compared with the Go toolchain's own view, on packages of the standard library. Where there is no
//! toolchain these tests say so and pass; continuous integration has one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use raceguard_analyzer::source::{
    BuildContext, Environment, FileKind, FileSystem, IgnoreReason, LoadOptions, Loaded, Package, load,
};
use serde_json::Value;

fn environment(working_directory: &Path) -> Environment {
    Environment::from_variables(&FileSystem, working_directory.to_path_buf(), &|name| std::env::var_os(name))
}

fn load_std(build: &BuildContext, patterns: &[&str]) -> Option<Loaded> {
    let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    let directory = std::env::temp_dir();
    let environment = environment(&directory);
    let loaded = load(&FileSystem, &environment, build, &patterns, &LoadOptions::default(), &mut |_| {});
    if loaded.goroot.is_none() {
        eprintln!("no Go installation: nothing to compare with");
        return None;
    }
    Some(loaded)
}

/// `go list -json` of packages, by import path.
fn go_list(
    loaded: &Loaded,
    variables: &[(&str, &str)],
    packages: &[&str],
) -> Option<BTreeMap<String, Value>> {
    let go = loaded.goroot.as_ref()?.directory.join("bin").join("go");
    let mut command = Command::new(go);
    command.args(["list", "-json"]).args(packages).current_dir(std::env::temp_dir());
    command.env_remove("GOFLAGS").env("GOWORK", "off").env("GOTOOLCHAIN", "local").env("GO111MODULE", "on");
    command.envs(variables.iter().copied());
    let output = command.output().ok()?;
    assert!(output.status.success(), "go list: {}", String::from_utf8_lossy(&output.stderr));
    let stream = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let by_path = stream.map(|package| {
        let package = package.expect("go list writes JSON");
        (package["ImportPath"].as_str().expect("an import path").to_owned(), package)
    });
    Some(by_path.collect())
}

fn listed(package: &Value, key: &str) -> Vec<String> {
    let names = package[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut names: Vec<String> = names.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    names.sort();
    names
}

fn name(path: &Path) -> String {
    path.file_name().expect("a file has a name").to_string_lossy().into_owned()
}

fn selected(package: &Package, kind: FileKind) -> Vec<String> {
    package.files.iter().filter(|file| file.kind == kind).map(|file| name(&file.path)).collect()
}

fn ignored(package: &Package) -> Vec<String> {
    let files = package.ignored.iter().filter(|file| file.reason != IgnoreReason::HiddenName);
    files.map(|file| name(&file.path)).collect()
}

/// Import paths of the packages that files of some kinds import; what was not found as it is written.
fn imports(loaded: &Loaded, package: &Package, kinds: &[FileKind]) -> Vec<String> {
    let files = package.files.iter().filter(|file| kinds.contains(&file.kind));
    let meaning = |path: &String| {
        let package = package.resolve_import(path).map(|id| &loaded.package(id).import_path);
        package.unwrap_or(path).clone()
    };
    let mut paths: Vec<String> =
        files.flat_map(|file| file.imports.iter().map(|import| meaning(&import.path))).collect();
    paths.sort();
    paths.dedup();
    paths
}

fn assert_same_files(loaded: &Loaded, theirs: &BTreeMap<String, Value>) {
    for (path, theirs) in theirs {
        let ours = loaded.roots().find(|package| package.import_path == *path);
        let ours = ours.unwrap_or_else(|| panic!("{path} is not loaded"));
        assert_eq!(ours.name, theirs["Name"].as_str().expect("a name"), "{path}: name");
        assert_eq!(ours.directory, PathBuf::from(theirs["Dir"].as_str().expect("a directory")), "{path}");
        assert_eq!(selected(ours, FileKind::Go), listed(theirs, "GoFiles"), "{path}: GoFiles");
        assert_eq!(selected(ours, FileKind::Cgo), listed(theirs, "CgoFiles"), "{path}: CgoFiles");
        assert_eq!(selected(ours, FileKind::Test), listed(theirs, "TestGoFiles"), "{path}: TestGoFiles");
        assert_eq!(selected(ours, FileKind::XTest), listed(theirs, "XTestGoFiles"), "{path}: XTestGoFiles");
        assert_eq!(ignored(ours), listed(theirs, "IgnoredGoFiles"), "{path}: IgnoredGoFiles");
        let of = |kinds| imports(loaded, ours, kinds);
        assert_eq!(of(&[FileKind::Go, FileKind::Cgo]), listed(theirs, "Imports"), "{path}: Imports");
        assert_eq!(of(&[FileKind::Test]), listed(theirs, "TestImports"), "{path}: TestImports");
        assert_eq!(of(&[FileKind::XTest]), listed(theirs, "XTestImports"), "{path}: XTestImports");
    }
}

#[test]
fn files_of_the_standard_library_are_those_that_go_chooses() {
    let Some(loaded) = load_std(&BuildContext::default(), &["std"]) else { return };
    let platform = [("GOOS", "linux"), ("GOARCH", "amd64"), ("CGO_ENABLED", "1")];
    let theirs = go_list(&loaded, &platform, &["std"]).expect("a Go toolchain runs");
    assert_same_files(&loaded, &theirs);
    let mut ours: Vec<&String> = loaded.roots().map(|package| &package.import_path).collect();
    ours.sort();
    assert_eq!(ours, theirs.keys().collect::<Vec<_>>());
    assert_eq!(loaded.losses(), 0, "{:#?}", loaded.problems);
    assert_eq!(loaded.missing, []);
    let position: BTreeMap<&str, usize> =
        (0..).zip(&loaded.packages).map(|(index, package)| (package.import_path.as_str(), index)).collect();
    assert!(position["unsafe"] < position["runtime"] && position["runtime"] < position["fmt"]);
    assert!(position["fmt"] < position["net/http"]);
}

#[test]
fn another_platform_without_cgo_has_other_files() {
    let build = BuildContext { cgo: false, ..BuildContext::new("windows", "arm64") };
    let Some(loaded) = load_std(&build, &["std"]) else { return };
    let platform = [("GOOS", "windows"), ("GOARCH", "arm64"), ("CGO_ENABLED", "0")];
    let theirs = go_list(&loaded, &platform, &["std"]).expect("a Go toolchain runs");
    assert_same_files(&loaded, &theirs);
}
