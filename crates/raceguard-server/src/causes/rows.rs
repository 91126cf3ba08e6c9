//! What the API answers about causes and services: the shapes of its JSON.

use serde::Serialize;
use serde_json::Value;

use super::goroutines::GoroutineGraph;
use super::stacks::FindingStack;
use super::state::CauseState;
use crate::store::FindingRow;

/// `GET /v1/causes`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CausePage {
    /// The causes: by rank when a window is asked for, else the last seen first.
    pub causes: Vec<CauseRow>,
    /// To be sent as `cursor` for the causes after these; nothing at the end.
    pub next: Option<String>,
}

/// A cause, as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CauseRow {
    /// Its number, for ever.
    pub id: i64,
    /// As `raceguard explain` names it: `RC-0f3a6bb1`.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// Class of the root cause: `shared-map`, `lock-misuse`, …
    pub class: String,
    /// What goes wrong with a map, when one is concerned: `concurrent-write`, …
    pub trap: Option<String>,
    /// `error`, `warning`, `advice`.
    pub severity: String,
    /// How sure the class is, from 0 to 1.
    pub confidence: f64,
    /// As in `raceguard explain`, from 0 to 100, of when it was diagnosed last.
    pub score: f64,
    /// `open`, `acknowledged`, `fixed`, `regressed`.
    pub state: CauseState,
    /// The version that mends it, when it was said to be fixed; empty else.
    pub fixed_in: String,
    /// What who changed the state last said.
    pub note: String,
    /// Name of the token that changed the state last; empty when nobody did.
    pub changed_by: String,
    /// When, in milliseconds since the Unix epoch.
    pub changed_ms: i64,
    /// Services that it was seen in, sorted; an empty name is an unknown one.
    pub services: Vec<String>,
    /// How many findings it has.
    pub findings: u64,
    /// First seen, in milliseconds since the Unix epoch.
    pub first_ms: i64,
    /// Last seen.
    pub last_ms: i64,
    /// How often it happened: races and crashes.
    pub occurrences: u64,
    /// With a window: how often in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_window: Option<u64>,
    /// With a window: occurrences in it times the weight of the severity (error 6, warning 3, advice 1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<u64>,
}

/// `GET /v1/causes/ID`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CauseDetail {
    /// As in the list. Its id differs from the one asked for when that cause was taken over by another one.
    pub cause: CauseRow,
    /// A cluster of `raceguard explain --format json`: reasons, statements, guard, blame, members, links, timeline,
    /// tests, advice, fix, parts of the score. Of when it was diagnosed last.
    pub diagnosis: Value,
    /// When that was, in milliseconds since the Unix epoch.
    pub diagnosed_ms: i64,
    /// Its findings, the last seen first, at most 100.
    pub findings: Vec<CauseFinding>,
    /// Occurrences by hour, oldest first, of the last 7 days; hours without any are left out.
    pub hours: Vec<HourCount>,
    /// By service and version, the last seen first, at most 100.
    pub versions: Vec<VersionCount>,
    /// By service and instance, the last seen first, at most 100.
    pub instances: Vec<InstanceCount>,
    /// Who started whom, and who met where, over the findings above.
    pub goroutines: GoroutineGraph,
    /// What was said of it, newest first, at most 100.
    pub history: Vec<StateEvent>,
}

/// A finding of a cause.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CauseFinding {
    /// What lists show of it.
    #[serde(flatten)]
    pub finding: FindingRow,
    /// Of a race both, the later access first; of a crash that of the goroutine that died; of a static finding its
    /// sites.
    pub stacks: Vec<FindingStack>,
}

/// Occurrences in an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct HourCount {
    /// When it begins, in milliseconds since the Unix epoch.
    pub hour_ms: i64,
    /// How often.
    pub occurrences: u64,
}

/// Sightings in a version of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionCount {
    /// The service.
    pub service: String,
    /// The version; empty when unknown.
    pub version: String,
    /// Milliseconds since the Unix epoch.
    pub first_ms: i64,
    /// Milliseconds since the Unix epoch.
    pub last_ms: i64,
    /// How often.
    pub occurrences: u64,
}

/// Sightings in an instance of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InstanceCount {
    /// The service.
    pub service: String,
    /// The instance; empty when unknown.
    pub instance: String,
    /// `production`, `ci`, …; empty when unknown.
    pub environment: String,
    /// Milliseconds since the Unix epoch.
    pub first_ms: i64,
    /// Milliseconds since the Unix epoch.
    pub last_ms: i64,
    /// How often.
    pub occurrences: u64,
}

/// A change of a cause's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StateEvent {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// To which state.
    pub state: String,
    /// The version that mends it, or for `regressed` the one that shows it again.
    pub version: String,
    /// What was said.
    pub note: String,
    /// Name of the token; empty for what the server saw itself.
    pub by: String,
}

/// `GET /v1/services`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Services {
    /// By name, at most 1,000.
    pub services: Vec<ServiceRow>,
}

/// A service, as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceRow {
    /// Its name; empty when unknown.
    pub service: String,
    /// Versions that evidence came from.
    pub versions: u64,
    /// Instances that evidence came from.
    pub instances: u64,
    /// Environments, sorted.
    pub environments: Vec<String>,
    /// Last finding in it, in milliseconds since the Unix epoch; nothing when there was none.
    pub last_ms: Option<i64>,
    /// Causes that are open, acknowledged or regressed.
    pub open_causes: u64,
    /// Causes that were seen again after they were fixed.
    pub regressed_causes: u64,
    /// Occurrences of all its causes.
    pub occurrences: u64,
    /// Occurrences of all its causes in the last five minutes, of this process' own memory.
    pub recent: u64,
    /// Share of requests of the newest window that ran without thread-safety trouble, from 0 to 1; nothing without
    /// requests in the last hour.
    pub slts: Option<f64>,
    /// Whether a build of it ran under the detector in the last 7 days.
    pub detector: bool,
}
