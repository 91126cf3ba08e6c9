//! Races, crashes and static findings as facts, the same one of several runs once.

use std::collections::HashMap;
use std::path::Path;

use raceguard_analyzer::rules::ALL;
use raceguard_evidence::{FunctionName, StaticFinding, TestName};
use raceguard_policy::facts::FindingFact;

use super::Context;
use super::coverage::Covered;
use crate::crashes::is_finding;
use crate::gate::runs::LoadedRun;
use crate::report::brief::{Brief, brief};
use crate::report::read_source_file;

/// All findings of the runs, in their order.
pub(super) fn findings(
    runs: &[LoadedRun],
    covered: Option<&Covered>,
    context: &Context<'_>,
) -> Vec<FindingFact> {
    let mut all: Vec<FindingFact> = Vec::new();
    let mut known: HashMap<(String, usize), usize> = HashMap::new();
    for run in runs {
        // Findings of one run that share a fingerprint are different ones; those of two runs are the same.
        let mut numbers: HashMap<String, usize> = HashMap::new();
        for finding in of_run(run, covered, context) {
            let number = numbers.entry(finding.fingerprint.clone()).or_insert(0);
            *number += 1;
            if let Some(&index) = known.get(&(finding.fingerprint.clone(), *number)) {
                join(&mut all[index], finding);
            } else {
                known.insert((finding.fingerprint.clone(), *number), all.len());
                all.push(finding);
            }
        }
    }
    let mut left = context.known.counts();
    for finding in &mut all {
        finding.is_new = match left.get_mut(finding.fingerprint.as_str()) {
            // How often a race is seen is chance, so that one entry stands for it however often it comes.
            Some(_) if finding.kind != "static" => false,
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        };
    }
    all
}

fn join(known: &mut FindingFact, again: FindingFact) {
    known.occurrences += again.occurrences;
    for test in again.tests {
        if !known.tests.contains(&test) {
            known.tests.push(test);
        }
    }
}

fn of_run(run: &LoadedRun, covered: Option<&Covered>, context: &Context<'_>) -> Vec<FindingFact> {
    let evidence = &run.evidence;
    let of = Of { run, covered, context };
    let (races, crashes) = brief(evidence, &read_source_file);
    let mut facts = Vec::new();
    for (finding, brief) in evidence.findings.iter().zip(races) {
        let fact = of.fact("race", &brief, &finding.tests, finding.occurrences);
        facts.push(FindingFact { fingerprint: finding.fingerprint.to_string(), ..fact });
    }
    for (crash, brief) in evidence.crashes.iter().zip(crashes) {
        if is_finding(&crash.crash) {
            let fact = of.fact("crash", &brief, &crash.tests, crash.occurrences);
            facts.push(FindingFact { fingerprint: crash.fingerprint.to_string(), ..fact });
        }
    }
    facts.extend(evidence.static_findings.iter().map(|finding| of.static_fact(finding)));
    facts
}

/// What findings of one run have in common.
struct Of<'a> {
    run: &'a LoadedRun,
    covered: Option<&'a Covered>,
    context: &'a Context<'a>,
}

impl Of<'_> {
    fn fact(&self, kind: &str, brief: &Brief, tests: &[TestName], occurrences: u64) -> FindingFact {
        let places: Vec<(String, u32)> =
            brief.statements.iter().map(|(file, line, function)| self.place(file, *line, function)).collect();
        let function = brief.statements.first().map(|(_, _, function)| function.clone()).unwrap_or_default();
        let (file, line) = places.first().cloned().unwrap_or_default();
        FindingFact {
            kind: kind.to_owned(),
            rule: brief.rule.to_owned(),
            class: brief.class.to_owned(),
            severity: "error".to_owned(),
            message: brief.headline.clone(),
            subject: brief.subject.clone(),
            package: FunctionName::parse(&function).package().into_owned(),
            function,
            tests: tests.iter().map(test_name).collect(),
            occurrences,
            tool: "raceguard".to_owned(),
            map_trap: brief.rule.starts_with("RG1"),
            covered: self.is_covered(&places),
            changed: self.is_changed(&places),
            file,
            line: line.into(),
            run: self.run.name.clone(),
            ..FindingFact::default()
        }
    }

    fn static_fact(&self, finding: &StaticFinding) -> FindingFact {
        let sites = finding.sites.iter();
        let places: Vec<(String, u32)> =
            sites.map(|site| self.place(&site.place.file, site.place.line, &site.function)).collect();
        let function = finding.sites.first().map(|site| site.function.clone()).unwrap_or_default();
        let (file, line) = places.first().cloned().unwrap_or_default();
        let changed = self.context.change.map(|(_, changed)| changed.touches(finding));
        let foreign = finding.tool.as_deref().filter(|tool| *tool != "raceguard");
        let class = ALL.iter().find(|rule| rule.code == finding.rule).map(|rule| rule.name);
        FindingFact {
            fingerprint: finding.fingerprint.to_string(),
            kind: if foreign.is_some() { "foreign" } else { "static" }.to_owned(),
            rule: finding.rule.clone(),
            class: class.unwrap_or_default().to_owned(),
            severity: finding.severity.as_str().to_owned(),
            message: finding.message.clone(),
            subject: finding.subject.clone(),
            package: FunctionName::parse(&function).package().into_owned(),
            function,
            occurrences: 1,
            tool: foreign.unwrap_or("raceguard").to_owned(),
            map_trap: foreign.is_none() && finding.rule.starts_with("RG1"),
            covered: self.is_covered(&places),
            changed,
            fix: finding.fix.is_some(),
            file,
            line: line.into(),
            run: self.run.name.clone(),
            ..FindingFact::default()
        }
    }

    /// A place relative to the module of the run.
    fn place(&self, file: &str, line: u32, function: &str) -> (String, u32) {
        let paths = self.run.evidence.module_paths();
        let relative = paths.relative(file);
        let built_elsewhere = if relative.starts_with('/') { self.by_package(file, function) } else { None };
        (built_elsewhere.unwrap_or_else(|| relative.to_owned()), line)
    }

    /// Where a file lies in the module that was built in another folder: its function's package says so.
    fn by_package(&self, file: &str, function: &str) -> Option<String> {
        let module = &self.run.evidence.run.as_ref()?.module;
        let package = FunctionName::parse(function).package();
        let below = package.strip_suffix("_test").unwrap_or(&package).strip_prefix(module.as_str())?;
        let folder = if below.is_empty() { "" } else { below.strip_prefix('/')? };
        let name = Path::new(file).file_name()?;
        let path = Path::new(folder).join(name);
        self.context.module.join(&path).is_file().then(|| path.display().to_string())
    }

    /// Whether tests execute every statement of which that is known. A race needs all of them.
    fn is_covered(&self, places: &[(String, u32)]) -> Option<bool> {
        let covered = self.covered?;
        let counts: Vec<u64> =
            places.iter().filter_map(|(file, line)| covered.count_at(file, *line)).collect();
        (!counts.is_empty()).then(|| counts.iter().all(|count| *count > 0))
    }

    fn is_changed(&self, places: &[(String, u32)]) -> Option<bool> {
        let (_, changed) = self.context.change?;
        let is_changed =
            |(file, line): &(String, u32)| changed.contains(&self.context.module.join(file), *line);
        Some(places.iter().any(is_changed))
    }
}

/// `example.com/m/pkg.TestX`, or the package where the test is not known.
fn test_name(test: &TestName) -> String {
    match &test.test {
        Some(name) => format!("{}.{name}", test.package),
        None => test.package.clone(),
    }
}
