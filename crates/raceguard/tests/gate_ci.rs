//! The files in docs/ci, run as far as a machine without the platform can: their shell lines in a module of Go.

mod support;

use std::path::Path;
use std::process::Command;

use raceguard_policy::yaml::{Content, Node};
use support::{CLEAN_TEST, Ended, GoModule, RACY, RACY_TEST, go, run};

/// A file of docs/ci.
fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ci").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The texts below a key, wherever it stands.
fn below(node: &Node, key: &str, found: &mut Vec<String>) {
    match &node.content {
        Content::Map(entries) => {
            for (name, value) in entries {
                match &value.content {
                    Content::Scalar { text, .. } if name.name == key => found.push(text.clone()),
                    Content::List(items) if name.name == key => {
                        found.extend(items.iter().filter_map(|item| item.text().map(str::to_owned)));
                    }
                    _ => below(value, key, found),
                }
            }
        }
        Content::List(items) => items.iter().for_each(|item| below(item, key, found)),
        Content::Scalar { .. } => {}
    }
}

fn yaml_lines(file: &str, key: &str) -> Vec<String> {
    let root = Node::parse(&read(file)).unwrap_or_else(|error| panic!("{file}: {error:?}"));
    let mut lines = Vec::new();
    below(&root, key, &mut lines);
    lines
}

/// The words of `sh '…'` in a pipeline of Jenkins.
fn jenkins_lines() -> Vec<String> {
    let text = read("Jenkinsfile");
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("sh '")?.strip_suffix('\''));
    lines.map(str::to_owned).collect()
}

/// Runs a line as the platform does: in a shell, in the module, with raceguard and Go on PATH.
fn shell(module: &GoModule, line: &str) -> Ended {
    let folder = |program: &Path| program.parent().unwrap().display().to_string();
    let raceguard = folder(Path::new(env!("CARGO_BIN_EXE_raceguard")));
    let path = format!("{raceguard}:{}:{}", folder(&go()), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("sh");
    command.arg("-ec").arg(line).current_dir(module.path()).env("PATH", path);
    for variable in
        ["GOFLAGS", "GORACE", "RACEGUARD", "RACEGUARD_EVIDENCE", "GITHUB_BASE_REF", "CHANGE_TARGET"]
    {
        command.env_remove(variable);
    }
    command.env("GITHUB_STEP_SUMMARY", module.join("summary.md"));
    run(&mut command)
}

/// Runs raceguard's lines up to the first that fails; only the platform has the commands of others.
fn job(module: &GoModule, lines: &[String]) -> Ended {
    let mut last = None;
    for line in lines.iter().filter(|line| line.starts_with("raceguard ")) {
        let ended = shell(module, line);
        if ended.code != 0 {
            return ended;
        }
        last = Some(ended);
    }
    last.expect("a line that can be run")
}

#[test]
fn every_platform_passes_what_is_clean_and_stops_what_races() {
    for (lines, report) in [
        (yaml_lines("github-actions.yml", "run"), "gate.md"),
        (yaml_lines("gitlab-ci.yml", "script"), "gl-code-quality-report.json"),
        (jenkins_lines(), "gate.json"),
    ] {
        assert!(lines.iter().any(|line| line.starts_with("raceguard gate")), "{lines:?}");
        let clean = GoModule::new(&[("m_test.go", CLEAN_TEST)]);
        job(&clean, &lines).expect(0, &["gate passed"]);
        assert!(clean.join(report).is_file(), "{report}");
        let racy = GoModule::new(&[("m_test.go", RACY_TEST)]);
        job(&racy, &lines).expect(1, &["gate failed", "no-race", "TestRacy"]);
        assert!(racy.join(report).is_file(), "{report}");
    }
}

#[test]
fn hooks_judge_the_source_alone() {
    let hook = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ci/pre-commit");
    let entries = yaml_lines("pre-commit-config.yaml", "entry");
    for line in [hook.display().to_string(), entries[0].clone()] {
        let clean = GoModule::new(&[("m_test.go", CLEAN_TEST)]);
        shell(&clean, &line).expect(0, &["allowed on the command line"]);
        assert!(!clean.join(".raceguard/gate").exists(), "a hook keeps no verdicts");
        let racy = GoModule::new(&[("m.go", RACY)]);
        shell(&racy, &line).expect(1, &["gate failed", "no-new-error"]);
    }
}
