//! The class of a cluster, from those of its members.

use raceguard_evidence::Severity;

use crate::class::{MapTrap, RootCause, Verdict};
use crate::observation::Observation;

/// The verdict of a cluster.
pub(super) struct Combined {
    pub(super) trap: Option<MapTrap>,
    pub(super) cause: RootCause,
    pub(super) confidence: f64,
    pub(super) reasons: Vec<String>,
}

/// Combines verdicts: members that agree make each other surer, as independent witnesses do; a cause that says more
/// goes before one that says less when it is about as sure.
pub(super) fn combine(members: &[&Observation]) -> Combined {
    let mut causes: Vec<(RootCause, f64)> = Vec::new();
    for verdict in distinct(members) {
        match causes.iter_mut().find(|(cause, _)| *cause == verdict.cause) {
            Some((_, doubt)) => *doubt *= 1.0 - verdict.confidence,
            None => causes.push((verdict.cause, 1.0 - verdict.confidence)),
        }
    }
    let best = causes.iter().max_by(|a, b| weight(a).total_cmp(&weight(b)));
    let (cause, doubt) = best.copied().unwrap_or((RootCause::Unknown, 1.0));
    let mut reasons: Vec<&Verdict> = members.iter().map(|member| &member.verdict).collect();
    reasons.sort_by(|a, b| {
        (b.cause == cause).cmp(&(a.cause == cause)).then(b.confidence.total_cmp(&a.confidence))
    });
    let mut texts: Vec<String> = Vec::new();
    for verdict in reasons {
        if !texts.contains(&verdict.reason) {
            texts.push(verdict.reason.clone());
        }
    }
    Combined { trap: trap(members), cause, confidence: (1.0 - doubt).min(0.99), reasons: texts }
}

/// One verdict for each kind of evidence and cause: ten reports of one kind are no ten witnesses.
fn distinct<'a>(members: &[&'a Observation]) -> Vec<&'a Verdict> {
    let mut seen = Vec::new();
    let mut verdicts: Vec<&Verdict> = Vec::new();
    let mut sorted: Vec<&&Observation> = members.iter().collect();
    sorted.sort_by(|a, b| b.verdict.confidence.total_cmp(&a.verdict.confidence));
    for member in sorted {
        let key = (member.kind, member.verdict.cause);
        if !seen.contains(&key) {
            seen.push(key);
            verdicts.push(&member.verdict);
        }
    }
    verdicts
}

fn weight((cause, doubt): &(RootCause, f64)) -> f64 {
    (1.0 - doubt) * f64::from(specificity(*cause)) / 10.0
}

/// How much a cause tells, from 1 to 10.
fn specificity(cause: RootCause) -> u8 {
    match cause {
        RootCause::Unknown => 1,
        RootCause::SharedField => 6,
        RootCause::CapturedVariable | RootCause::UnsynchronisedGlobal => 8,
        RootCause::SharedMap => 9,
        _ => 10,
    }
}

/// The trap that is worst among those seen happen, or else among those that static analysis sees.
fn trap(members: &[&Observation]) -> Option<MapTrap> {
    let rank = |trap: MapTrap| match trap {
        MapTrap::FalseSharing => 0,
        MapTrap::ReadAgainstWrite => 1,
        MapTrap::GrowthOrSwap => 2,
        MapTrap::IterationAgainstWrite => 3,
        MapTrap::ConcurrentWrite => 4,
    };
    let happened = |member: &&Observation| member.kind != crate::observation::ObservationKind::Static;
    let of = |wanted: bool| {
        let traps = members.iter().filter(|member| happened(member) == wanted).filter_map(|m| m.verdict.trap);
        traps.max_by_key(|trap| rank(*trap))
    };
    of(true).or_else(|| of(false)).or_else(|| swap(members))
}

/// A map that is replaced as a whole while others use it: plain accesses of the variable beside operations on it.
fn swap(members: &[&Observation]) -> Option<MapTrap> {
    let is_map = members
        .iter()
        .filter_map(|member| member.subject.as_deref())
        .any(|subject| subject.starts_with("map "));
    let plain_write = members
        .iter()
        .flat_map(|member| &member.statements)
        .any(|statement| statement.operation == crate::statement::Operation::Write);
    (is_map && plain_write).then_some(MapTrap::GrowthOrSwap)
}

/// The worst severity of the members.
pub(super) fn severity(members: &[&Observation]) -> Severity {
    members.iter().map(|member| member.severity.clone()).max().unwrap_or(Severity::Warning)
}
