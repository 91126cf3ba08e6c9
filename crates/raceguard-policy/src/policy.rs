//! A policy and its parts, as they are after reading and checking.

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use crate::condition::Condition;
use crate::facts::{Facts, Over};
use crate::problem::Position;
use crate::trigger::Trigger;

/// One rule of the gate.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Name, unique among all policies.
    pub id: String,
    /// Raised by its author with each change of meaning.
    pub version: u64,
    /// What it demands, for people.
    pub description: String,
    /// What it goes over.
    pub over: Over,
    /// Which items can be judged at all; all when there is none.
    pub needs: Option<Condition>,
    /// Which items match.
    pub when: Condition,
    /// What follows when there was nothing that could be judged.
    pub unmeasured: Level,
    /// How far back it looks.
    pub window: Window,
    /// What is counted.
    pub count: Count,
    /// What happens from which count on.
    pub responses: Vec<Threshold>,
    /// How bad a match is, for reports.
    pub severity: Severity,
    /// When it is in force.
    pub valid: Validity,
    /// Facts that must match, and facts that must not.
    pub examples: Vec<Example>,
    /// Hash of its content: the same for the same meaning, whatever its comments and layout.
    pub hash: String,
    /// Where it stands.
    pub file: PathBuf,
    /// Where in that file.
    pub at: Position,
}

/// All policies that are evaluated together.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    /// In the order of their files.
    pub policies: Vec<Policy>,
    /// What a server does when evidence comes in; a gate only checks them.
    pub triggers: Vec<Trigger>,
}

impl PolicySet {
    /// The policy of a name.
    pub fn find(&self, id: &str) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.id == id)
    }

    /// The names of all policies.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.policies.iter().map(|policy| policy.id.as_str())
    }
}

/// What a policy comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing to say.
    Pass,
    /// Something that people should see, and that holds nothing up.
    Note,
    /// A warning.
    Warn,
    /// The gate fails.
    Fail,
    /// The policy could not be evaluated, so the gate can't pass.
    Broken,
}

impl Level {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Broken => "broken",
        }
    }
}

/// How bad a match is, for reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Wrong.
    Error,
    /// Probably wrong.
    Warning,
    /// Could be better.
    Advice,
}

impl Severity {
    /// All, the worst first.
    pub const ALL: [Self; 3] = [Self::Error, Self::Warning, Self::Advice];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Advice => "advice",
        }
    }
}

/// How far back a policy looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Window {
    /// At the evidence that is judged, and at this many runs in all when it is more than 1.
    Runs(u64),
    /// At the evidence that is judged and all runs of the last days.
    Days(u64),
}

impl Default for Window {
    fn default() -> Self {
        Self::Runs(1)
    }
}

/// What a policy counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Count {
    /// Different items that match.
    #[default]
    Items,
    /// How often they were seen.
    Occurrences,
    /// Runs in which one matches.
    Runs,
}

impl Count {
    /// All, in the order of the docs.
    pub const ALL: [Self; 3] = [Self::Items, Self::Occurrences, Self::Runs];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Items => "items",
            Self::Occurrences => "occurrences",
            Self::Runs => "runs",
        }
    }
}

/// A response, and from which count on it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Threshold {
    /// The least count.
    pub at: u64,
    /// What happens.
    pub response: Response,
}

/// What a policy does when its threshold is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// The gate fails.
    Fail,
    /// The gate warns.
    Warn,
    /// The statements are annotated where the code is reviewed.
    Annotate,
    /// A ticket is drafted.
    Ticket(Ticket),
    /// Findings of flaky tests are set aside for a while.
    Quarantine(Quarantine),
    /// Each file must have an owner; one without fails.
    RequireOwner,
}

impl Response {
    /// The names of all responses.
    pub const NAMES: [&str; 6] = ["fail", "warn", "annotate", "ticket", "quarantine", "require-owner"];

    /// The name in a policy.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::Annotate => "annotate",
            Self::Ticket(_) => "ticket",
            Self::Quarantine(_) => "quarantine",
            Self::RequireOwner => "require-owner",
        }
    }
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a drafted ticket says beside the facts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Ticket {
    /// Title; the policy's description when it is empty.
    pub title: String,
    /// Labels.
    pub labels: Vec<String>,
    /// Who is to look at it.
    pub assignee: String,
}

/// Findings that count for nothing until a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantine {
    /// Names of tests, with `*`; all tests of matching findings when empty.
    pub tests: Vec<String>,
    /// End.
    pub until: Moment,
    /// Why.
    pub reason: String,
    /// Who mends it.
    pub owner: String,
}

/// A moment as its author wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// The text, `2026-12-31`.
    pub text: String,
    /// What it means. A day as an end means its last moment.
    #[serde(skip)]
    pub time: Timestamp,
}

/// When a policy is in force.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Validity {
    /// Its start.
    pub from: Option<Moment>,
    /// Its end.
    pub until: Option<Moment>,
}

/// Facts, and what the policy is to make of them.
#[derive(Debug, Clone)]
pub struct Example {
    /// Name, for people.
    pub name: String,
    /// The facts.
    pub facts: Facts,
    /// Whether a response is to be given.
    pub must_match: bool,
    /// What the policy is to come to, if its author says.
    pub expect: Option<Level>,
    /// Where it stands.
    pub at: Position,
}
