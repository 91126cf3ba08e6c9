//! What go/types says of some packages of the standard library, and the same packages as a program.

use std::collections::HashMap;
use std::process::Command;
use std::sync::Arc;

use raceguard_analyzer::syntax::name::Name;
use raceguard_analyzer::syntax::{Mode, parse_file};
use raceguard_analyzer::types::{FileInput, PackageId, PackageInput, Program, Role};

/// A line on an expression or a call of a target package.
#[derive(Debug)]
pub(crate) struct Fact {
    /// Index of the file.
    pub(crate) file: u32,
    /// Offset of the first byte.
    pub(crate) start: u32,
    /// Offset after the last byte.
    pub(crate) end: u32,
    /// What kind, see the Go program.
    pub(crate) kind: String,
    /// The type, or the callee.
    pub(crate) text: String,
}

/// A package, as the Go program prints it.
#[derive(Debug, Default)]
pub(crate) struct ReferencePackage {
    /// Import path.
    pub(crate) path: String,
    name: String,
    /// Names of its files.
    pub(crate) files: Vec<String>,
    imports: Vec<(String, String)>,
    /// Types of expressions.
    pub(crate) exprs: Vec<Fact>,
    /// Callees of calls.
    pub(crate) calls: Vec<Fact>,
}

/// Runs the Go program on packages of the standard library.
///
/// # Panics
///
/// Without Go on PATH.
pub(crate) fn reference(packages: &[&str]) -> Vec<ReferencePackage> {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/types_reference/main.go");
    let output = Command::new("go")
        .arg("run")
        .arg(program)
        .args(packages)
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "")
        .output()
        .expect("these tests need Go on PATH");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut read: Vec<ReferencePackage> = Vec::new();
    for line in text.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        if let ["package", path, name, _] = columns.as_slice() {
            read.push(ReferencePackage {
                path: (*path).to_owned(),
                name: (*name).to_owned(),
                ..ReferencePackage::default()
            });
            continue;
        }
        let last = read.last_mut().expect("a package line first");
        match columns.as_slice() {
            ["file", name] => last.files.push((*name).to_owned()),
            ["import", path, resolved] => last.imports.push(((*path).to_owned(), (*resolved).to_owned())),
            ["expr", rest @ ..] => last.exprs.push(fact(rest)),
            ["call", rest @ ..] => last.calls.push(fact(rest)),
            other => panic!("{other:?}"),
        }
    }
    read
}

fn fact(columns: &[&str]) -> Fact {
    let [file, start, end, kind, text] = columns else { panic!("{columns:?}") };
    let number = |text: &str| text.parse().expect("a number");
    Fact {
        file: number(file),
        start: number(start),
        end: number(end),
        kind: (*kind).to_owned(),
        text: (*text).to_owned(),
    }
}

/// The packages as a program, with bodies skipped. Package ids are indexes of `packages`.
pub(crate) fn program(packages: &[ReferencePackage]) -> Program {
    let ids: HashMap<&str, PackageId> =
        packages.iter().zip(0..).map(|(package, id)| (package.path.as_str(), PackageId(id))).collect();
    let inputs = packages.iter().map(|package| PackageInput {
        path: Name::new(&package.path),
        name: Name::new(&package.name),
        files: package.files.iter().map(|file| read_file(file)).collect(),
        imports: package
            .imports
            .iter()
            .filter_map(|(path, resolved)| Some((Name::new(path), *ids.get(resolved.as_str())?)))
            .collect(),
        role: Role::Root,
    });
    Program::new(inputs.collect())
}

fn read_file(name: &str) -> FileInput {
    let source: Arc<[u8]> = std::fs::read(name).expect("a readable file").into();
    let parsed = parse_file(&source, Mode { bodies: false, comments: false });
    assert!(parsed.errors.is_empty(), "{name}: {:?}", parsed.errors);
    FileInput { source, syntax: parsed.file, language: (1, 26) }
}
