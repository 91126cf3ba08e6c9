//! The rank of a cluster: a score from 0 to 100 that is the sum of parts, each said with its reason.
//!
//! | part | points | of what |
//! |---|--:|---|
//! | severity | 30 | error 30, warning 15, advice 5 |
//! | confidence | 15 | of the verdict |
//! | occurrences | 15 | 5 for each power of ten of times it happened |
//! | deadly | 15 | a crash was seen 15; a map trap that can end the process 10 |
//! | spread | 10 | 2 for each further instance or version, and each kind of evidence that agrees |
//! | reachability | 10 | a statement or its goroutine comes from a handler of requests |
//! | data | 5 | names that sound like money: a hint, never a verdict |

use std::collections::BTreeSet;

use raceguard_evidence::Severity;
use serde::Serialize;

use crate::class::MapTrap;
use crate::cluster::Cluster;
use crate::observation::{Observation, ObservationKind};

/// A score and its parts.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Score {
    /// From 0 to 100.
    pub total: f64,
    /// What it is made of; the points sum up to the total.
    pub parts: Vec<ScorePart>,
}

/// A part of a score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScorePart {
    /// `severity`, `confidence`, …
    pub name: &'static str,
    /// Its points.
    pub points: f64,
    /// What they are for, without a full stop.
    pub reason: String,
}

/// Words of names that sound like money. They only move a cluster up within its class.
const MONEY: &[&str] = &[
    "balance", "payment", "quota", "margin", "credit", "debit", "ledger", "price", "invoice", "account",
    "order",
];

/// Functions of the standard library and of common frameworks that call handlers.
const HANDLERS: &[&str] = &[
    "net/http.(*conn).serve",
    "net/http.HandlerFunc.ServeHTTP",
    "net/http.(*ServeMux).ServeHTTP",
    "google.golang.org/grpc.(*Server).",
    "net/rpc.(*service).call",
    "github.com/gin-gonic/gin.(*Context).Next",
    "github.com/labstack/echo",
    "github.com/go-chi/chi",
    "github.com/gorilla/mux",
    "github.com/valyala/fasthttp.(*Server).",
];

/// The score of a cluster made of `members`.
pub fn score(cluster: &Cluster, members: &[&Observation]) -> Score {
    let mut parts = vec![severity(cluster), confidence(cluster), occurrences(cluster)];
    parts.extend(deadly(cluster, members));
    parts.extend(spread(cluster));
    parts.extend(reachability(members));
    parts.extend(data(cluster));
    let total = parts.iter().map(|part| part.points).sum::<f64>();
    Score { total: round(total), parts }
}

fn severity(cluster: &Cluster) -> ScorePart {
    let points = match cluster.severity {
        Severity::Error => 30.0,
        Severity::Warning => 15.0,
        _ => 5.0,
    };
    ScorePart { name: "severity", points, reason: cluster.severity.as_str().to_owned() }
}

fn confidence(cluster: &Cluster) -> ScorePart {
    let reason = format!("{:.0} % sure of the cause", cluster.confidence * 100.0);
    ScorePart { name: "confidence", points: round(cluster.confidence * 15.0), reason }
}

fn occurrences(cluster: &Cluster) -> ScorePart {
    #[expect(clippy::cast_precision_loss, reason = "a logarithm needs no precision")]
    let count = cluster.occurrences as f64;
    let points = (count.max(1.0).log10() * 5.0).min(15.0);
    let points = if cluster.occurrences == 0 { 0.0 } else { points.max(1.0) };
    let reason = match cluster.occurrences {
        0 => "not seen to happen".to_owned(),
        1 => "happened once".to_owned(),
        times => format!("happened {times} times"),
    };
    ScorePart { name: "occurrences", points: round(points), reason }
}

fn deadly(cluster: &Cluster, members: &[&Observation]) -> Option<ScorePart> {
    if members.iter().any(|member| member.kind == ObservationKind::Crash) {
        return Some(ScorePart { name: "deadly", points: 15.0, reason: "a process died of it".to_owned() });
    }
    let trap = cluster.trap.filter(|trap| *trap != MapTrap::FalseSharing)?;
    let reason = format!("{} can end the process", trap.title());
    Some(ScorePart { name: "deadly", points: 10.0, reason })
}

fn spread(cluster: &Cluster) -> Option<ScorePart> {
    let kinds: BTreeSet<ObservationKind> = cluster.members.iter().map(|member| member.kind).collect();
    let further = |count: usize| count.saturating_sub(1);
    let count = further(cluster.instances.len()) + further(cluster.versions.len()) + further(kinds.len());
    if count == 0 {
        return None;
    }
    let reason = format!(
        "instances: {}, versions: {}, kinds of evidence: {}",
        cluster.instances.len(),
        cluster.versions.len(),
        kinds.len()
    );
    let points = f64::from(u32::try_from(count).unwrap_or(u32::MAX)) * 2.0;
    Some(ScorePart { name: "spread", points: points.min(10.0), reason })
}

fn reachability(members: &[&Observation]) -> Option<ScorePart> {
    let frames = members.iter().flat_map(|member| &member.statements).flat_map(|statement| &statement.stack);
    let handler = frames.map(|frame| frame.function.as_str()).find(|function| {
        HANDLERS.iter().any(|handler| function.starts_with(handler)) || function.ends_with(".ServeHTTP")
    })?;
    let reason = format!("requests reach it through {}", crate::statement::short_function(handler));
    Some(ScorePart { name: "reachability", points: 10.0, reason })
}

fn data(cluster: &Cluster) -> Option<ScorePart> {
    let names = std::iter::once(cluster.variable.as_str())
        .chain(cluster.statements.iter().map(|statement| statement.function.as_str()));
    let word = names
        .map(str::to_ascii_lowercase)
        .find_map(|name| MONEY.iter().find(|word| name.rsplit('/').next().unwrap_or("").contains(**word)))?;
    let reason = format!("a name contains \"{word}\": perhaps money is at stake");
    Some(ScorePart { name: "data", points: 5.0, reason })
}

fn round(points: f64) -> f64 {
    (points * 10.0).round() / 10.0
}
