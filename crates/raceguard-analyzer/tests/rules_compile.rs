//! The examples and fixtures of the rules are Go that compiles: all of them in one module, a package each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use raceguard_analyzer::rules::ALL;

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a readable folder");
    entries.map(|entry| entry.expect("a readable folder").path()).collect()
}

fn put(module: &Path, package: &str, text: &str) {
    let folder = module.join(package);
    fs::create_dir_all(&folder).expect("a writable folder");
    fs::write(folder.join("example.go"), text).expect("a writable folder");
}

#[test]
fn examples_and_fixtures_compile() {
    let module = tempfile::tempdir().expect("a temporary folder");
    fs::write(module.path().join("go.mod"), "module example.com/rules\n\ngo 1.25\n")
        .expect("a writable folder");
    for rule in ALL.iter().filter(|rule| rule.code != "RG209") {
        put(module.path(), &format!("{}/bad", rule.code), rule.bad);
        put(module.path(), &format!("{}/good", rule.code), rule.good);
    }
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for path in entries(&fixtures).iter().flat_map(|folder| entries(folder)) {
        if path.extension().is_some_and(|extension| extension == "go") {
            let code = path.parent().and_then(Path::file_name).expect("a folder").display().to_string();
            let name = path.file_stem().expect("a name").display().to_string();
            put(module.path(), &format!("{code}/{name}"), &fs::read_to_string(&path).expect("a fixture"));
        }
    }
    let mut go = Command::new("go");
    go.args(["build", "./..."]).current_dir(module.path());
    go.env("GOFLAGS", "-mod=mod").env("GOWORK", "off").env("GOTOOLCHAIN", "local");
    let output = go.output().expect("this test needs Go on PATH");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
