//! The items that a policy goes over: their values for conditions, and what people see of them.

use std::collections::HashMap;

use cel::Value;

use super::outcome::Match;
use crate::facts::typed::Fact;
use crate::facts::{ClusterFact, CoverageFact, EvidenceFact, Facts, FindingFact, LockFact, Over, RunFact};

/// An item.
pub(super) struct Item {
    /// What makes items of several runs the same one.
    pub(super) id: String,
    /// What a condition sees.
    pub(super) value: Value,
    /// What people see.
    pub(super) shown: Match,
}

/// The items of a kind.
pub(super) fn of(facts: &Facts, over: Over) -> Vec<Item> {
    match over {
        Over::Findings => numbered(facts.findings.iter().map(|it| item(it, finding(it))).collect()),
        Over::Clusters => facts.clusters.iter().map(|it| item(it, cluster(it))).collect(),
        Over::Locks => facts.locks.iter().map(|it| item(it, lock(it))).collect(),
        Over::Coverage => facts.coverage.iter().map(|it| item(it, coverage(it))).collect(),
        Over::Runs => facts.runs.iter().map(|it| item(it, run(it))).collect(),
        Over::Evidence => vec![item(&facts.evidence, evidence(&facts.evidence))],
    }
}

/// Tells findings of one fingerprint apart: the second one of it is another item than the first.
fn numbered(mut items: Vec<Item>) -> Vec<Item> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for item in &mut items {
        let number = seen.entry(item.id.clone()).or_insert(0);
        *number += 1;
        if *number > 1 {
            item.id = format!("{}-{number}", item.id);
            item.shown.id.clone_from(&item.id);
        }
    }
    items
}

fn item(fact: &impl Fact, shown: Match) -> Item {
    Item { id: shown.id.clone(), value: fact.value(), shown }
}

fn finding(fact: &FindingFact) -> Match {
    let about = if fact.subject.is_empty() { String::new() } else { format!(" ({})", fact.subject) };
    Match {
        id: fact.fingerprint.clone(),
        title: format!("{} {}{about}", fact.rule, fact.message).trim().to_owned(),
        file: fact.file.clone(),
        line: fact.line,
        function: fact.function.clone(),
        tests: fact.tests.clone(),
        occurrences: fact.occurrences,
        rule: fact.rule.clone(),
        ..Match::default()
    }
}

fn cluster(fact: &ClusterFact) -> Match {
    Match {
        id: fact.id.clone(),
        title: fact.title.clone(),
        file: fact.file.clone(),
        line: fact.line,
        tests: fact.tests.clone(),
        occurrences: fact.occurrences,
        ..Match::default()
    }
}

fn lock(fact: &LockFact) -> Match {
    Match {
        id: format!("{} {}", fact.name, fact.site),
        title: format!(
            "{}: {} waits, {:.1} ms each, {:.1} s in all",
            fact.name,
            fact.contentions,
            fact.mean_wait_ms,
            std::time::Duration::from_nanos(fact.total_wait_ns).as_secs_f64()
        ),
        file: fact.file.clone(),
        line: fact.line,
        function: fact.name.clone(),
        occurrences: fact.contentions,
        ..Match::default()
    }
}

fn coverage(fact: &CoverageFact) -> Match {
    let title = match fact.changed_percent {
        Some(changed) => {
            format!("{changed:.1} % of changed statements are tested, {:.1} % of all", fact.percent)
        }
        None => format!("{:.1} % of statements are tested", fact.percent),
    };
    // The file with most untested lines is where to begin.
    let worst = fact.changed.iter().max_by_key(|file| file.missing.len());
    let lines =
        |missing: &[u64]| missing.iter().take(8).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let details = fact
        .changed
        .iter()
        .filter(|file| !file.missing.is_empty())
        .map(|file| format!("{}: {:.1} %, untested lines {}", file.file, file.percent, lines(&file.missing)))
        .collect();
    Match {
        id: "coverage".to_owned(),
        title,
        file: worst.map(|file| file.file.clone()).unwrap_or_default(),
        line: worst.and_then(|file| file.missing.first().copied()).unwrap_or(0),
        occurrences: 1,
        details,
        ..Match::default()
    }
}

fn run(fact: &RunFact) -> Match {
    let mut details = Vec::new();
    let mut note = |holds: bool, text: String| {
        if holds {
            details.push(text);
        }
    };
    note(!fact.complete, "it did not come to its end".to_owned());
    note(fact.interrupted, "it was interrupted".to_owned());
    note(fact.packages_not_run > 0, format!("did not run with the detector: {}", fact.not_run.join(", ")));
    note(fact.files_unparsed > 0, format!("not read or parsed: {}", fact.unparsed.join(", ")));
    note(fact.lines_damaged > 0, format!("{} lines of its evidence are damaged", fact.lines_damaged));
    note(fact.stale == Some(true), format!("it looked at commit {}", fact.commit));
    note(
        matches!(fact.mode.as_str(), "test" | "run") && !fact.instrumented,
        "the detector was not on".to_owned(),
    );
    Match {
        id: fact.id.clone(),
        title: format!("{} run {}", fact.mode, fact.id),
        occurrences: 1,
        details,
        ..Match::default()
    }
}

fn evidence(fact: &EvidenceFact) -> Match {
    let mut details = Vec::new();
    if !fact.detector_ran {
        details.push("no run had the race detector on".to_owned());
    }
    if fact.baseline_gone > 0 {
        details.push(format!("{} entries of the baseline no longer occur", fact.baseline_gone));
    }
    let runs = if fact.runs == 1 { "1 run".to_owned() } else { format!("{} runs", fact.runs) };
    Match {
        id: "evidence".to_owned(),
        title: format!("the evidence of {runs}"),
        occurrences: 1,
        details,
        ..Match::default()
    }
}
