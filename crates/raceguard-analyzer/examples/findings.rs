//! Prints findings: `findings [PATTERNS]`, as one block each; with `CODES=RG1,RG2` only those.

use std::time::Instant;

use raceguard_analyzer::check::check;
use raceguard_analyzer::finding::Location;
use raceguard_analyzer::source::{BuildContext, Environment, FileSystem, LoadOptions, load};

fn main() {
    let patterns: Vec<String> = std::env::args().skip(1).collect();
    let here = std::env::current_dir().expect("a working directory");
    let environment = Environment::from_variables(&FileSystem, here, &|name| std::env::var_os(name));
    let start = Instant::now();
    let options = LoadOptions { tests: std::env::var_os("NO_TESTS").is_none(), ..LoadOptions::default() };
    let loaded = load(&FileSystem, &environment, &BuildContext::default(), &patterns, &options, &mut |_| {});
    eprintln!("load {:?}: {} packages", start.elapsed(), loaded.packages.len());
    let start = Instant::now();
    let checked = check(&loaded);
    eprintln!(
        "check {:?}: {} units, {} findings",
        start.elapsed(),
        checked.lowered.units.units.len(),
        checked.findings.len()
    );
    let place = |location: &Location| {
        let origin = checked.lowered.origins[location.package.0 as usize][location.file as usize];
        let file = &loaded.packages[origin.package.index()].files[origin.file];
        let before = &file.bytes[..location.span.start as usize];
        let line = before.split(|&byte| byte == b'\n').count();
        let text = &file.bytes[location.span.start as usize..location.span.end as usize];
        let text = String::from_utf8_lossy(text);
        format!("{}:{line}: {}", file.relative, text.lines().next().unwrap_or(""))
    };
    let codes = std::env::var("CODES").unwrap_or_default();
    for finding in &checked.findings {
        if !codes.is_empty() && !codes.split(',').any(|code| finding.rule.code.starts_with(code)) {
            continue;
        }
        println!("{} {:?} {}", finding.rule.code, finding.severity, finding.message);
        for site in &finding.sites {
            println!(
                "    {} {} in {} locks {:?}",
                site.action,
                place(&site.location),
                site.function,
                site.locks
            );
            for (function, location) in &site.calls {
                println!("        called by {function} {}", place(location));
            }
            for reason in &site.origin {
                let at = reason.location.as_ref().map(place).unwrap_or_default();
                println!("        {} {at}", reason.text);
            }
        }
        for reason in &finding.reasons {
            let at = reason.location.as_ref().map(place).unwrap_or_default();
            println!("    - {} {at}", reason.text);
        }
    }
}
