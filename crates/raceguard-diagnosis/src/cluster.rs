//! Clusters: everything that has one root cause, with the verdict, the reasons, and the evidence.

mod blame;
mod build;
mod timeline;
mod verdict;

use raceguard_evidence::{Severity, SuggestedFix, TestName};
use serde::Serialize;

use crate::class::{MapTrap, RootCause};
use crate::link::Link;
use crate::observation::ObservationKind;
use crate::rank::Score;
use crate::statement::Operation;

pub(crate) use build::clusters;

/// Observations with one root cause.
#[derive(Debug, Clone, Serialize)]
pub struct Cluster {
    /// Stable over runs as long as the variable and the functions keep their names: `RC-0f3a6bb1`.
    pub id: String,
    /// One line: `map gateway.RouteTable.channels: map insert in … against map iteration in …`.
    pub title: String,
    /// What goes wrong with a map, when one is concerned.
    pub trap: Option<MapTrap>,
    /// Why it can go wrong.
    pub cause: RootCause,
    /// Why it is taken for that, strongest first: sentences without a full stop.
    pub reasons: Vec<String>,
    /// How sure the cause is, from 0 to 1.
    pub confidence: f64,
    /// The worst of the members.
    pub severity: Severity,
    /// What is shared, as the program spells it; empty when unknown.
    pub variable: String,
    /// The lock that should have been held, when the evidence tells.
    pub guard: Option<Guard>,
    /// The statement that is wrong, and why it is this one.
    pub blame: Option<Blame>,
    /// The statements that meet, those that write first.
    pub statements: Vec<StatementSummary>,
    /// The observations.
    pub members: Vec<Member>,
    /// What connects the members to each other and to other evidence.
    pub links: Vec<Link>,
    /// What happened when, oldest first.
    pub timeline: Vec<Event>,
    /// Tests that show it.
    pub tests: Vec<TestName>,
    /// How often it happened: races and crashes.
    pub occurrences: u64,
    /// Machines, or instances, on which it happened.
    pub instances: Vec<String>,
    /// Builds in which it was seen.
    pub versions: Vec<String>,
    /// First time seen, in nanoseconds since the Unix epoch; 0 when unknown.
    pub first_seen_unix_ns: u64,
    /// Last time seen.
    pub last_seen_unix_ns: u64,
    /// What to do, one line each, most specific first.
    pub advice: Vec<String>,
    /// A change that mends it.
    pub fix: Option<SuggestedFix>,
    /// Its rank, and what it is made of.
    pub score: Score,
}

/// The lock that guards a variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Guard {
    /// As the analyzer names it: `(*RouteTable).mu`.
    pub lock: String,
    /// Functions that hold it at an access.
    pub held_in: Vec<String>,
    /// Functions that access without it.
    pub missing_in: Vec<String>,
}

/// The statement that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blame {
    /// Place in [`Cluster::statements`].
    pub statement: usize,
    /// Why this one, without a full stop.
    pub reason: String,
}

/// A statement of a cluster, over all members.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatementSummary {
    /// Function as Go names it, in the newest run that saw it.
    pub function: String,
    /// Relative to the module where it lies inside.
    pub file: String,
    /// From 1, in the newest run that saw it.
    pub line: u32,
    /// What it does.
    pub operation: Operation,
    /// How often a race or crash was seen at it.
    pub occurrences: u64,
    /// Locks that static analysis saw held there; `None` when it says nothing.
    pub locks: Option<Vec<String>>,
    /// Where its goroutine is started, as `file:line`; several.
    pub started_at: Vec<String>,
    /// How often tests executed it, by the coverage; `None` without coverage of its file.
    pub covered: Option<u64>,
}

/// An observation of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Member {
    /// What kind it is.
    pub kind: ObservationKind,
    /// Its fingerprint.
    pub fingerprint: String,
    /// Code of its rule.
    pub rule: String,
    /// The tool, when it is not this one.
    pub tool: Option<String>,
    /// How bad.
    pub severity: Severity,
    /// One line.
    pub headline: String,
    /// How often.
    pub occurrences: u64,
    /// Names of the runs that saw it.
    pub runs: Vec<String>,
    /// Places of its statements in [`Cluster::statements`].
    pub statements: Vec<usize>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Event {
    /// When, in nanoseconds since the Unix epoch; never 0.
    pub time_unix_ns: u64,
    /// What kind of evidence says so: `race`, `crash`, `static`, `goroutines`.
    pub kind: String,
    /// What happened.
    pub text: String,
    /// Name of the run.
    pub run: String,
}
