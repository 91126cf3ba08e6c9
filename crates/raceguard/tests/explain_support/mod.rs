//! Go programs that are built and run in the test, and what `raceguard explain` makes of what they leave.

#![allow(dead_code, reason = "each test program uses a part of this")]

use std::process::Command;

use serde_json::Value;

use crate::support::{GoModule, go, run};

/// A module with `main.go`, built as `program`.
pub(crate) fn built(main: &str) -> GoModule {
    let module = GoModule::new(&[("main.go", main)]);
    run(Command::new(go()).args(["build", "-o", "program", "."]).current_dir(module.path())).expect(0, &[]);
    module
}

/// What a program of the module prints to its end, stdout and stderr in one, with GOTRACEBACK=all.
pub(crate) fn output(module: &GoModule, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(module.path()).env("GOTRACEBACK", "all");
    let output = command.output().expect("it starts");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What the module's `program` prints.
pub(crate) fn program_output(module: &GoModule, arguments: &[&str]) -> String {
    output(module, module.join("program").to_str().expect("text"), arguments)
}

/// What `go` prints.
pub(crate) fn go_output(module: &GoModule, arguments: &[&str]) -> String {
    output(module, go().to_str().expect("text"), arguments)
}

/// Reads files into the evidence.
#[track_caller]
pub(crate) fn ingest(module: &GoModule, files: &[&str]) {
    let words: Vec<&str> = ["ingest"].iter().chain(files).copied().collect();
    module.raceguard(&words).expect(0, &[]);
}

/// The diagnosis, as JSON.
#[track_caller]
pub(crate) fn diagnosis(module: &GoModule, arguments: &[&str]) -> Value {
    let words: Vec<&str> = ["explain", "--format", "json"].iter().chain(arguments).copied().collect();
    let ended = module.raceguard(&words);
    let document = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}\n{ended}"));
    let document: Value = document;
    let is_clean = list(&document["clusters"]).is_empty();
    assert_eq!(ended.code, i32::from(!is_clean), "{ended}");
    document
}

/// The elements of a list.
#[track_caller]
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

/// All texts of a list.
#[track_caller]
pub(crate) fn texts(value: &Value) -> Vec<&str> {
    list(value).iter().filter_map(Value::as_str).collect()
}
