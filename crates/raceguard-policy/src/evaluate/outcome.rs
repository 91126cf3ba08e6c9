//! What an evaluation leaves: for each policy what it looked at, what matched, what it came to and why.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use crate::policy::{Count, Level, Policy, Response, Severity, Ticket, Window};

/// The outcome of all policies.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Evaluation {
    /// One for each policy, in their order.
    pub outcomes: Vec<Outcome>,
    /// Findings that count for nothing at present.
    pub set_aside: Vec<SetAside>,
}

impl Evaluation {
    /// The worst level.
    pub fn level(&self) -> Level {
        self.outcomes.iter().map(|outcome| outcome.level).max().unwrap_or(Level::Pass)
    }

    /// The outcomes of a level.
    pub fn at(&self, level: Level) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(move |outcome| outcome.level == level)
    }
}

/// What one policy came to.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The policy.
    pub policy: String,
    /// Its version.
    pub version: u64,
    /// Hash of its content.
    pub hash: String,
    /// What it demands.
    pub description: String,
    /// The file it stands in.
    pub file: PathBuf,
    /// Its condition.
    pub when: String,
    /// What it goes over.
    pub over: &'static str,
    /// What it came to.
    pub level: Level,
    /// How it came to that.
    pub status: Status,
    /// Why, one sentence without a full stop.
    pub reason: String,
    /// How bad a match is.
    pub severity: Severity,
    /// How far back it looked.
    pub window: Window,
    /// What it counts.
    pub counting: Count,
    /// What it counted.
    pub count: u64,
    /// How many items it looked at.
    pub looked_at: u64,
    /// How many of them could not be judged.
    pub unmeasured: u64,
    /// Every response with the count from which on it is given.
    pub thresholds: Vec<Reached>,
    /// The responses that are given.
    pub reached: Vec<Reached>,
    /// The items that match.
    pub matched: Vec<Match>,
    /// What a ticket is to say, when one is drafted.
    #[serde(skip)]
    pub ticket: Option<Ticket>,
}

impl Outcome {
    /// A policy that has not been evaluated yet.
    pub(super) fn new(policy: &Policy) -> Self {
        let thresholds = policy.responses.iter();
        let ticket = policy.responses.iter().find_map(|it| match &it.response {
            Response::Ticket(ticket) => Some(ticket.clone()),
            _ => None,
        });
        Self {
            policy: policy.id.clone(),
            version: policy.version,
            hash: policy.hash.clone(),
            description: policy.description.clone(),
            file: policy.file.clone(),
            when: policy.when.source().trim().to_owned(),
            over: policy.over.word(),
            level: Level::Pass,
            status: Status::Judged,
            reason: String::new(),
            severity: policy.severity,
            window: policy.window,
            counting: policy.count,
            count: 0,
            looked_at: 0,
            unmeasured: 0,
            thresholds: thresholds
                .map(|it| Reached { response: it.response.name().to_owned(), at: it.at })
                .collect(),
            reached: Vec::new(),
            matched: Vec::new(),
            ticket,
        }
    }

    /// Whether a response is given.
    pub fn gives(&self, response: &str) -> bool {
        self.reached.iter().any(|reached| reached.response == response)
    }

    /// Whether its matches are to be annotated where code is reviewed.
    pub fn annotates(&self) -> bool {
        self.gives("annotate")
    }
}

/// How a policy came to its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// By its condition.
    Judged,
    /// There was nothing that could be judged.
    Unmeasured,
    /// It is not in force at present.
    NotInForce,
    /// It failed, and that is allowed this time.
    Allowed,
    /// Its condition could not be evaluated.
    Broken,
}

/// A response, and from which count on it is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// Name.
    pub response: String,
    /// Least count.
    pub at: u64,
}

/// An item that matches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Match {
    /// What makes it the same one in several runs.
    pub id: String,
    /// What it is, one line.
    pub title: String,
    /// Code of the rule; empty for what is no finding.
    pub rule: String,
    /// File, relative to the module; empty when it has none.
    pub file: String,
    /// Line; 0 when unknown.
    pub line: u64,
    /// Function.
    pub function: String,
    /// Tests that show it.
    pub tests: Vec<String>,
    /// How often it was seen, in all runs of the window.
    pub occurrences: u64,
    /// The runs that show it.
    pub seen_in: Vec<String>,
    /// Who owns the file, when that was asked.
    pub owners: Vec<String>,
    /// More on it, a line each.
    pub details: Vec<String>,
}

impl Match {
    /// Counts it once more, in another run.
    pub(super) fn see(&mut self, other: &Self, run: &str) {
        if !self.seen_in.is_empty() {
            self.occurrences += other.occurrences;
            for test in &other.tests {
                if !self.tests.contains(test) {
                    self.tests.push(test.clone());
                }
            }
        }
        self.seen_in.push(run.to_owned());
    }
}

/// A finding that counts for nothing at present.
#[derive(Debug, Clone, Serialize)]
pub struct SetAside {
    /// The policy with the quarantine.
    pub policy: String,
    /// Its end.
    pub until: String,
    /// Why.
    pub reason: String,
    /// Who mends it.
    pub owner: String,
    /// The finding.
    pub found: Match,
}

/// `2 of 14 findings match; it warns from 2 and fails from 3`.
pub(super) fn counted_reason(policy: &Policy, outcome: &Outcome) -> String {
    let items = policy.over.word();
    let matched = outcome.matched.len() as u64;
    let of = outcome.looked_at;
    let mut reason = match matched {
        0 if of == 0 => format!("there are no {items}"),
        0 => format!("none of {of} {items} match"),
        count => format!("{count} of {of} {items} match"),
    };
    match policy.count {
        Count::Items => {}
        Count::Occurrences => {
            let _ = write!(reason, ", seen {} times", outcome.count);
        }
        Count::Runs => {
            let _ = write!(reason, ", in {} runs", outcome.count);
        }
    }
    if outcome.unmeasured > 0 {
        let _ = write!(reason, ", {} could not be judged", outcome.unmeasured);
    }
    if outcome.count > 0 {
        let given: Vec<String> =
            outcome.thresholds.iter().map(|it| format!("{} from {}", it.response, it.at)).collect();
        let _ = write!(reason, "; {}", given.join(", "));
    }
    reason
}
