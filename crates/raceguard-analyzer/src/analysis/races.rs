//! Findings from conflicts: which rule, what to say, what to do.

mod classify;
mod confidence;
mod describe;
mod update;
mod wait_group;

use foldhash::{HashMap, HashMapExt as _};
use rayon::prelude::*;

use self::classify::rule_of;
use self::confidence::severity;
use self::describe::Describe;
use super::conflicts::{Conflict, conflicts};
use super::convention::says_locked;
use super::scope::{EventKind, Scope, Touch};
use crate::finding::{Finding, Location};
use crate::rules::ProgramContext;

/// What makes two findings the same: rule and statements.
type Identity = (&'static str, Option<Location>, Option<Location>);

/// Plays each function that starts goroutines, and reports the conflicts among them.
pub fn check(context: &ProgramContext<'_>, findings: &mut Vec<Finding>) {
    let starting: Vec<usize> =
        (0..context.units.units.len()).filter(|&unit| is_played(context, unit)).collect();
    let found: Vec<Vec<(usize, Finding)>> =
        starting.par_iter().map(|&unit| check_unit(context, unit)).collect();
    // The same conflict shows in each function that leads to it: the shortest way explains it best.
    let mut best: HashMap<Identity, (usize, Finding)> = HashMap::new();
    for (length, finding) in found.into_iter().flatten() {
        let place = |site: usize| finding.sites.get(site).map(|site| site.location);
        let (one, other) = (place(0), place(1));
        let key = (finding.rule.code, one.min(other), one.max(other));
        match best.get(&key) {
            Some((known, _)) if *known <= length => {}
            _ => {
                best.insert(key, (length, finding));
            }
        }
    }
    let mut best: Vec<(Identity, (usize, Finding))> = best.into_iter().collect();
    best.sort_by_key(|(identity, _)| *identity);
    findings.extend(once_each(best.into_iter().map(|(_, (_, finding))| finding).collect()));
}

/// One finding for each statement to blame: the surest. The statements that it conflicts with need the same repair.
fn once_each(found: Vec<Finding>) -> Vec<Finding> {
    let mut kept: Vec<Finding> = Vec::with_capacity(found.len());
    let mut known: HashMap<(&'static str, String, Option<Location>), usize> = HashMap::new();
    for finding in found {
        let blamed = finding.sites.first().map(|site| site.location);
        let at = *known.entry((finding.rule.code, finding.subject.clone(), blamed)).or_insert(kept.len());
        match kept.get_mut(at) {
            Some(other) if finding.severity > other.severity => *other = finding,
            Some(_) => {}
            None => kept.push(finding),
        }
    }
    kept
}

/// Whether a function is played: it starts goroutines, and Go's own detector would look at it.
fn is_played(context: &ProgramContext<'_>, unit: usize) -> bool {
    let package = context.program.package(context.units.units[unit].package);
    let func = context.units.units[unit].func;
    // A function whose caller holds a lock shows what it does when it is played from there.
    context.units.spawns_near(unit)
        && is_instrumented(package.path.as_str())
        && !says_locked(context.program, func)
}

/// Go's `-race` leaves out the packages that the runtime is made of: what orders their accesses is not in Go source.
/// Source: `noInstrumentPkgs` and the runtime packages in cmd/internal/objabi/pkgspecial.go.
fn is_instrumented(path: &str) -> bool {
    let internal =
        ["internal/runtime/", "runtime/internal/", "internal/race", "internal/cpu", "internal/chacha8rand"];
    path != "runtime" && path != "runtime/race" && !internal.iter().any(|prefix| path.starts_with(prefix))
}

/// The conflicts of one function, each with the length of the way to it.
fn check_unit(context: &ProgramContext<'_>, unit: usize) -> Vec<(usize, Finding)> {
    let scope = Scope::play(context.program, context.units, context.models, unit);
    let mut found: Vec<(usize, Finding)> = Vec::new();
    let mut subjects: HashMap<(&'static str, String), usize> = HashMap::new();
    for conflict in conflicts(&scope) {
        if wait_group::is_counted(&scope, conflict) {
            continue;
        }
        let conflict = update::as_writes(&scope, conflict);
        let (Some(first), Some(second)) = (touch(&scope, conflict.first), touch(&scope, conflict.second))
        else {
            continue;
        };
        let Some(finding) = finding(&scope, conflict, first, second) else { continue };
        // One report for each variable and pair of functions; more would say the same.
        let about = (finding.rule.code, describe::topic(&finding, first, second));
        if subjects.contains_key(&about) {
            continue;
        }
        subjects.insert(about, found.len());
        let length = finding.sites.iter().map(|site| site.calls.len()).sum();
        found.push((length, finding));
    }
    found
}

fn finding<'a>(
    scope: &Scope<'a>,
    conflict: Conflict,
    first: &Touch<'a>,
    second: &Touch<'a>,
) -> Option<Finding> {
    let severity = severity(scope, conflict, first, second)?;
    let rule = rule_of(scope, conflict, first, second)?;
    Some(Describe { scope, conflict, first, second }.finding(rule, severity))
}

fn touch<'s, 'a>(scope: &'s Scope<'a>, index: usize) -> Option<&'s Touch<'a>> {
    match &scope.events[index].kind {
        EventKind::Access(touch) => Some(touch),
        _ => None,
    }
}
