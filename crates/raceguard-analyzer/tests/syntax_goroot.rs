//! Our parser against go/parser, over every Go file of the toolchain's sources and tests: the same files are accepted,
//! with the same nodes at the same places and the same comments attached; and bodies parsed by themselves give what
//! they give within their file.

#[path = "syntax_support/census.rs"]
mod census;
#[path = "syntax_support/go_toolchain.rs"]
mod go_toolchain;
#[path = "syntax_support/mutation.rs"]
mod mutation;

use std::collections::BTreeMap;
use std::path::PathBuf;

use census::Census;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use raceguard_analyzer::syntax::ast::{Body, Decl};
use raceguard_analyzer::syntax::{Mode, Parsed, parse_body, parse_file};

const FULL: Mode = Mode { bodies: true, comments: true };
const SKIPPING: Mode = Mode { bodies: false, comments: true };

/// Files on which we differ from go/parser, by the end of their path, and why.
const EXCEPTIONS: [(&str, &str); 0] = [];

/// What go/parser says of a file.
struct Verdict {
    path: String,
    accepted: bool,
    /// Numbers by kind; none if the file has what our tree has no place for.
    census: Option<BTreeMap<String, u64>>,
}

fn verdict(line: &str) -> Verdict {
    let mut columns = line.split('\t');
    let path = columns.next().expect("a path").to_owned();
    let accepted = match columns.next() {
        Some("accept") => true,
        Some("reject") => false,
        other => panic!("{path}: {other:?}"),
    };
    let census = columns.next().map(|pairs| {
        let pair = |pair: &str| {
            let (kind, number) = pair.split_once('=').expect("kind=number");
            (kind.to_owned(), number.parse().expect("a number"))
        };
        pairs.split(' ').filter(|pair| !pair.is_empty()).map(pair).collect::<BTreeMap<_, _>>()
    });
    let census = census.filter(|census| !census.keys().any(|kind| kind.starts_with("odd")));
    Verdict { path, accepted, census }
}

fn verdicts(folders: &[PathBuf]) -> Vec<Verdict> {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/syntax_census.go");
    let mut arguments = vec!["run", program];
    arguments.extend(folders.iter().filter(|folder| folder.is_dir()).filter_map(|folder| folder.to_str()));
    let output = String::from_utf8(go_toolchain::go(&arguments)).expect("paths in UTF-8");
    output.lines().map(verdict).collect()
}

fn differences(ours: &Census, theirs: &BTreeMap<String, u64>) -> Vec<String> {
    let kinds = ours.keys().copied().chain(theirs.keys().map(String::as_str));
    let kinds: std::collections::BTreeSet<_> = kinds.collect();
    let number = |found: Option<&u64>| found.copied().unwrap_or(0);
    kinds
        .into_iter()
        .map(|kind| (kind, number(ours.get(kind)), number(theirs.get(kind))))
        .filter(|(_, ours, theirs)| ours != theirs)
        .map(|(kind, ours, theirs)| format!("{kind}: {ours}, go/parser {theirs}"))
        .collect()
}

/// What is wrong with our reading of a file.
fn faults(source: &[u8], verdict: &Verdict) -> Vec<String> {
    let full = parse_file(source, FULL);
    let accepted = full.errors.is_empty();
    if accepted != verdict.accepted {
        let first = full.errors.first().map(|error| error.message.clone());
        return vec![format!("accepted: {accepted}, go/parser {}; {first:?}", verdict.accepted)];
    }
    let skipping = parse_file(source, SKIPPING);
    let mut faults = Vec::new();
    if skipping_accepts(source, &skipping) != accepted {
        faults.push(format!("accepted: {accepted}, but not so when bodies are parsed by themselves"));
    }
    if accepted {
        let whole = census::of_file(source, &full.file);
        if let Some(theirs) = &verdict.census {
            faults.extend(differences(&whole, theirs));
        }
        let parts = census::of_file(source, &skipping.file);
        let whole = whole.into_iter().map(|(kind, number)| (kind.to_owned(), number)).collect();
        // Comments inside of bodies parsed by themselves are attached to nothing.
        let attached = ["Spec.doc", "VarSpec.comment", "Field.doc", "Field.comment"];
        let of_parts = differences(&parts, &whole);
        let of_parts =
            of_parts.into_iter().filter(|line| !attached.iter().any(|kind| line.starts_with(kind)));
        faults.extend(of_parts.map(|line| format!("{line} (bodies by themselves)")));
        if skipping.file.comments != full.file.comments {
            faults.push("other comments when bodies are skipped".to_owned());
        }
    }
    faults
}

fn skipping_accepts(source: &[u8], parsed: &Parsed) -> bool {
    let body = |decl: &Decl| match decl {
        Decl::Func(function) => match function.body {
            Body::Skipped(span) => parse_body(source, span).errors.is_empty(),
            _ => true,
        },
        _ => true,
    };
    parsed.errors.is_empty() && parsed.file.decls.iter().all(body)
}

#[test]
fn every_file_of_the_toolchain_reads_as_go_parser_reads_it() {
    let goroot = go_toolchain::goroot();
    let verdicts = verdicts(&["src", "test"].map(|folder| goroot.join(folder)));
    assert!(verdicts.len() > 5000, "GOROOT has only {} Go files", verdicts.len());
    let rejected = verdicts.iter().filter(|verdict| !verdict.accepted).count();
    assert!(rejected > 20, "go/parser rejects only {rejected} files, so rejection is hardly tested");
    compare(&verdicts);
}

#[test]
fn go_with_mutations_reads_as_go_parser_reads_it() {
    const SOURCES: usize = 3000;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut runner = TestRunner::deterministic();
    for number in 0..SOURCES {
        let source = mutation::mutated(4).new_tree(&mut runner).expect("nothing is filtered out").current();
        std::fs::write(folder.path().join(format!("{number:04}.go")), source).expect("a writable folder");
    }
    let verdicts = verdicts(&[folder.path().to_owned()]);
    assert_eq!(verdicts.len(), SOURCES);
    let accepted = verdicts.iter().filter(|verdict| verdict.accepted).count();
    assert!(
        accepted > SOURCES / 100,
        "only {accepted} of {SOURCES} are accepted, so acceptance is hardly tested"
    );
    compare(&verdicts);
}

fn compare(verdicts: &[Verdict]) {
    let mut wrong = Vec::new();
    for verdict in verdicts {
        let source = std::fs::read(&verdict.path).expect("a readable file");
        let faults = faults(&source, verdict);
        let exception = EXCEPTIONS.iter().find(|(path, _)| verdict.path.ends_with(path));
        match exception {
            None => wrong.extend(faults.into_iter().map(|fault| format!("{}: {fault}", verdict.path))),
            Some((path, reason)) => assert!(!faults.is_empty(), "{path} is no exception any more ({reason})"),
        }
    }
    let rejected = verdicts.iter().filter(|verdict| !verdict.accepted).count();
    println!("{} files, {rejected} of them rejected", verdicts.len());
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong[..wrong.len().min(60)].join("\n"));
}
