//! Sentences that several formats share.

use raceguard_diagnosis::blocking::Blocking;
use raceguard_diagnosis::cluster::{Cluster, StatementSummary};
use raceguard_diagnosis::heap::{HeapFinding, HeapKind};
use raceguard_diagnosis::link::{Link, Node};
use raceguard_diagnosis::locks::{LockUse, duration};
use raceguard_diagnosis::statement::short_function;
use raceguard_diagnosis::top_causes::TopCause;

/// `map iteration against write · map shared without a lock · 98 % sure · score 64.8`.
pub(super) fn class(cluster: &Cluster) -> String {
    let trap = cluster.trap.map(|trap| format!("{} · ", trap.title())).unwrap_or_default();
    let sure = format!("{:.0} % sure", cluster.confidence * 100.0);
    format!("{trap}{} · {sure} · score {:.1}", cluster.cause.title(), cluster.score.total)
}

/// `map insert in gateway.(*RouteTable).Reload, no lock held, started at gateway_test.go:57`.
pub(super) fn statement(statement: &StatementSummary) -> String {
    let mut text = format!("{} in {}", statement.operation.noun(), short_function(&statement.function));
    match statement.locks.as_deref() {
        Some([]) => text.push_str(", no lock held"),
        Some(locks) => {
            text.push_str(", under ");
            text.push_str(&locks.join(", "));
        }
        None => {}
    }
    if let Some(place) = statement.started_at.first() {
        text.push_str(", in a goroutine started at ");
        text.push_str(place);
    }
    match statement.covered {
        Some(0) => text.push_str(", not executed by any test"),
        Some(_) => text.push_str(", executed by tests"),
        None => {}
    }
    text
}

/// `routes.go:30`.
pub(super) fn place(statement: &StatementSummary) -> String {
    if statement.line == 0 {
        statement.file.clone()
    } else {
        format!("{}:{}", statement.file, statement.line)
    }
}

/// What is wrong, and why it is this statement.
pub(super) fn blame(cluster: &Cluster) -> Option<String> {
    let blame = cluster.blame.as_ref()?;
    let wrong = cluster.statements.get(blame.statement)?;
    Some(format!("{} in {}: {}", place(wrong), short_function(&wrong.function), blame.reason))
}

/// The lock that should have been held.
pub(super) fn guard(cluster: &Cluster) -> Option<String> {
    let guard = cluster.guard.as_ref()?;
    let held = guard.held_in.join(", ");
    if guard.missing_in.is_empty() {
        return Some(format!("{}, held in {held}", guard.lock));
    }
    Some(format!("{}, held in {held}, not in {}", guard.lock, guard.missing_in.join(", ")))
}

/// How often, where, and in which builds.
pub(super) fn seen(cluster: &Cluster) -> String {
    let times = match cluster.occurrences {
        0 => "not seen to happen yet".to_owned(),
        1 => "once".to_owned(),
        times => format!("{times} times"),
    };
    let mut parts = vec![times];
    let count = |list: &[String], one: &str, many: &str| match list {
        [] => None,
        [single] => Some(format!("{one} {single}")),
        several => Some(format!("{} {many}", several.len())),
    };
    parts.extend(count(&cluster.instances, "on", "machines"));
    parts.extend(count(&cluster.versions, "in build", "builds"));
    match cluster.tests.as_slice() {
        [] => {}
        [test] => parts.push(format!("in test {}", test.test.as_deref().unwrap_or(&test.package))),
        tests => parts.push(format!("in {} tests", tests.len())),
    }
    parts.join(", ")
}

/// A link of the evidence chain.
pub(super) fn link(link: &Link, cluster: &Cluster) -> String {
    format!("{} ↔ {}: {}", node(&link.from, cluster), node(&link.to, cluster), link.reason)
}

fn node(node: &Node, cluster: &Cluster) -> String {
    match node {
        Node::Member { member } => cluster.members.get(*member).map_or_else(String::new, |member| {
            let kind = match member.kind {
                raceguard_diagnosis::observation::ObservationKind::Race => "race",
                raceguard_diagnosis::observation::ObservationKind::Crash => "crash",
                raceguard_diagnosis::observation::ObservationKind::Static => "static",
            };
            format!("{kind} {} ({})", member.rule, member.fingerprint)
        }),
        Node::Statement { statement } => cluster.statements.get(*statement).map(place).unwrap_or_default(),
        Node::LockProfile { lock, text } => format!("lock {}: {text}", short_function(lock)),
        Node::Coverage { text } | Node::TraceRegion { text } | Node::Goroutines { text } => text.clone(),
        Node::Spans { operation, text } => format!("spans of {operation}: {text}"),
    }
}

/// A lock in one line.
pub(super) fn lock(lock: &LockUse) -> String {
    let p99 = lock.p99_wait_ns.map(|p99| format!(", p99 {}", duration(p99))).unwrap_or_default();
    let longest = lock.max_wait_ns.map(|max| format!("{p99}, longest {}", duration(max))).unwrap_or(p99);
    format!(
        "{} {}: {} waits, {} on average{longest}, {} together; {}",
        lock.kind,
        short_function(&lock.lock),
        lock.contentions,
        duration(lock.mean_wait_ns),
        duration(lock.total_wait_ns),
        lock.advice.text
    )
}

/// A heap finding in one line.
pub(super) fn heap(finding: &HeapFinding) -> String {
    let what = match finding.kind {
        HeapKind::ShortLived => "maps made and dropped at a high rate",
        HeapKind::OnlyGrows => "a map that only grows",
        HeapKind::KeptByFinishedWork => "maps kept by finished work",
    };
    format!(
        "{what} in {} ({}:{}): {} allocated in {} objects, {} alive; {}; {}",
        short_function(&finding.function),
        finding.file,
        finding.line,
        bytes(finding.allocated_bytes),
        finding.allocated_objects,
        bytes(finding.live_bytes),
        finding.reason,
        finding.advice
    )
}

/// An operation that hurts, in one line.
pub(super) fn top_cause(cause: &TopCause) -> String {
    let attributes: Vec<String> =
        cause.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let attributes =
        if attributes.is_empty() { String::new() } else { format!(" [{}]", attributes.join(", ")) };
    let clusters: Vec<&str> = cause.clusters.iter().map(|(id, _)| id.as_str()).collect();
    let through =
        if clusters.is_empty() { String::new() } else { format!("; through {}", clusters.join(", ")) };
    format!(
        "{} {}{attributes}: {} of {} spans failed ({:.1} %), {} on average against {}{through}",
        cause.service,
        cause.operation,
        cause.failed,
        cause.spans,
        cause.failure_rate * 100.0,
        duration(cause.mean_ns),
        duration(cause.baseline_median_ns)
    )
}

/// A chain of waiting, outermost first.
pub(super) fn chain(blocking: &Blocking, chain: &raceguard_diagnosis::blocking::Chain) -> String {
    let links: Vec<String> = chain
        .links
        .iter()
        .filter_map(|&link| blocking.waiters.get(link))
        .map(raceguard_diagnosis::blocking::Waiter::text)
        .collect();
    format!("{} ← {}", links.join(" ← "), chain.text)
}

/// A size with a binary unit.
pub(super) fn bytes(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let value = count as f64;
    match count {
        0..1_024 => format!("{count} B"),
        1_024..1_048_576 => format!("{:.1} KiB", value / 1_024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", value / 1_048_576.0),
        _ => format!("{:.2} GiB", value / 1_073_741_824.0),
    }
}

/// `2 root causes, 1 deadlock`.
pub(super) fn summary(diagnosis: &raceguard_diagnosis::Diagnosis) -> String {
    let count =
        |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let mut parts = vec![count(diagnosis.clusters.len(), "root cause", "root causes")];
    let deadlocks: usize = diagnosis.blocking.iter().map(|blocking| blocking.deadlocks.len()).sum();
    if deadlocks > 0 {
        parts.push(count(deadlocks, "deadlock", "deadlocks"));
    }
    if !diagnosis.locks.is_empty() {
        parts.push(count(diagnosis.locks.len(), "contended lock", "contended locks"));
    }
    parts.push(format!("from {}", count(diagnosis.basis.len(), "piece of evidence", "pieces of evidence")));
    parts.join(", ")
}

/// What would tell more, when a kind of evidence is missing; without a full stop.
pub(super) fn hint(diagnosis: &raceguard_diagnosis::Diagnosis) -> Option<&'static str> {
    let has_static = diagnosis.basis.iter().any(|basis| basis.kind == "check");
    let locks_unknown = diagnosis.clusters.iter().any(|cluster| {
        cluster.guard.is_none() && cluster.statements.iter().all(|statement| statement.locks.is_none())
    });
    (!has_static && locks_unknown).then_some(
        "no run of static analysis is among the evidence: `raceguard check` tells which locks are held and which one is missing",
    )
}
