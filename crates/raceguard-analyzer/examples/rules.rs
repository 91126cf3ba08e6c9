//! Prints what the rules that need no race engine find, and how often: `rules [--rule RG301]... PATTERNS`.

use std::collections::BTreeMap;
use std::time::Instant;

use raceguard_analyzer::finding::{Finding, Location};
use raceguard_analyzer::pipeline::{Lowered, lower};
use raceguard_analyzer::rules::{PROGRAM_CHECKS, ProgramContext};
use raceguard_analyzer::source::{BuildContext, Environment, FileSystem, LoadOptions, Loaded, load};
use raceguard_analyzer::syntax::LineIndex;

fn main() {
    let mut patterns = Vec::new();
    let mut rules = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rule" => rules.extend(arguments.next()),
            _ => patterns.push(argument),
        }
    }
    let directory = std::env::current_dir().expect("a working directory");
    let environment = Environment::from_variables(&FileSystem, directory, &|name| std::env::var_os(name));
    let start = Instant::now();
    let options = LoadOptions::default();
    let loaded = load(&FileSystem, &environment, &BuildContext::default(), &patterns, &options, &mut |_| {});
    eprintln!("load: {:?}, {} packages", start.elapsed(), loaded.packages.len());
    let start = Instant::now();
    let mut lowered = lower(&loaded);
    eprintln!("lower: {:?}, {} syntax errors", start.elapsed(), lowered.errors.len());
    let mut findings = std::mem::take(&mut lowered.findings);
    let start = Instant::now();
    let context =
        ProgramContext { program: &lowered.program, models: &lowered.models, units: &lowered.units };
    // The last one runs the rules that follow the ways through functions; those before it are the race engine.
    if let Some(check) = PROGRAM_CHECKS.last() {
        check(&context, &mut findings);
    }
    eprintln!("rules: {:?}", start.elapsed());
    let mut counts: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for finding in &findings {
        let code = finding.rule.code;
        *counts.entry((code, format!("{:?}", finding.severity))).or_default() += 1;
        if rules.is_empty() || rules.iter().any(|rule| rule == code) {
            print(&loaded, &lowered, finding);
        }
    }
    for ((code, severity), count) in counts {
        eprintln!("{code} {severity}: {count}");
    }
}

fn print(loaded: &Loaded, lowered: &Lowered, finding: &Finding) {
    let code = finding.rule.code;
    println!("{code} {:?} {}: {}", finding.severity, finding.subject, finding.message);
    for site in &finding.sites {
        let text = place(loaded, lowered, site.location);
        println!("    {text}  [{} in {}, locks {:?}]", site.action, site.function, site.locks);
    }
    for reason in &finding.reasons {
        let at = reason.location.map(|location| place(loaded, lowered, location)).unwrap_or_default();
        println!("    because {}: {at}", reason.text);
    }
}

/// File, line, and the line's text.
fn place(loaded: &Loaded, lowered: &Lowered, location: Location) -> String {
    let origin = lowered.origins[location.package.0 as usize][location.file as usize];
    let file = &loaded.packages[origin.package.index()].files[origin.file];
    let start = location.span.start as usize;
    let begin = file.bytes[..start].iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let line = LineIndex::new(&file.bytes).line(location.span.start);
    let length = file.bytes[start..].iter().position(|&byte| byte == b'\n');
    let end = length.map_or(file.bytes.len(), |length| start + length);
    format!("{}:{line}: {}", file.relative, String::from_utf8_lossy(&file.bytes[begin..end]).trim())
}
