//! RG108: a decision is made under one lock and carried out under the next.

pub(super) mod sync_map;

use super::Rule;
use super::fields::{map_of, map_type};
use super::path_checks::PathContext;
use super::path_facts::{Held, Step, Trace, What, is_stable};
use crate::finding::{Finding, Severity};
use crate::ir::function::{Access, How};
use crate::types::Type;

/// `RG108`
pub const RULE: Rule = Rule {
    code: "RG108",
    name: "check-then-act",
    summary: "A map is checked and then changed in two steps, and others may come between",
    severity: Severity::Warning,
    what: "Reports a `Load` and a `Store` of the same key of a `sync.Map` where the stored value is made from the \
           loaded one; and a lookup in a guarded map whose result decides on a write to the same key after the lock \
           was released and taken again, without a second look.",
    why: "Each step is safe, the pair is not. Two goroutines both find the key missing, or both read the same number, \
          and the second write undoes the first: lost counts, two connections where there should be one.",
    bad: r#"package visits

import "sync"

var counts sync.Map

func Visit(page string) {
	count, ok := counts.Load(page)
	if !ok {
		count = 0
	}
	counts.Store(page, count.(int)+1) // want RG108 "counts"
}
"#,
    good: r#"package visits

import (
	"sync"
	"sync/atomic"
)

var counts sync.Map

func Visit(page string) {
	count, _ := counts.LoadOrStore(page, new(atomic.Int64))
	count.(*atomic.Int64).Add(1)
}
"#,
    remedy: "Make it one step: `LoadOrStore`, `CompareAndSwap` or `LoadAndDelete` of `sync.Map`; with a mutex keep the \
             lock from the check to the write, or look again under the second lock.",
    limits: "A `sync.Map` used as a cache, where a value that is computed twice does no harm, is not reported. Checks \
             and writes in different functions are not connected.",
    fixable: false,
};

/// Looks for a lookup under one lock and a write of the same key under the next, both in the same function.
pub(super) fn check(context: &PathContext<'_>, findings: &mut Vec<Finding>) {
    for trace in context.traces.iter().filter(|trace| !trace.irregular) {
        for (number, step) in trace.steps.iter().enumerate() {
            let What::Access(write) = step.what else { continue };
            if write.how != How::MapInsert || !has_identity(context, write) {
                continue;
            }
            let Some(second) = step.facts.held.iter().rev().find(|lock| lock.exclusive && lock.own) else {
                continue;
            };
            if let Some((lookup, first)) = decided_before(context, &trace.steps[..number], write, second) {
                findings.push(finding(context, trace, lookup, &first, write, second));
            }
        }
    }
}

/// Whether the map's values are objects of which there should be one for each key. A plain value that is computed
/// twice is the same.
fn has_identity(context: &PathContext<'_>, write: &Access) -> bool {
    let stable = map_of(&write.place).is_some_and(|map| is_stable(context.unit, &map));
    let Type::Map(entry) = map_type(context.program, context.unit, write) else { return false };
    stable
        && matches!(
            context.program.underlying(&entry.1),
            Type::Pointer(_) | Type::Chan(..) | Type::Interface(_)
        )
}

/// The lookup of the same key under an earlier holding of the lock, if no other one follows under this one.
fn decided_before<'s>(
    context: &PathContext<'_>,
    earlier: &[Step<'s>],
    write: &Access,
    second: &Held,
) -> Option<(&'s Access, Held)> {
    let mut branched = false;
    for step in earlier.iter().rev() {
        match step.what {
            What::Branch(_) => branched = true,
            What::Access(access) if access.place == write.place && access.how.is_map() && !access.write => {
                let first =
                    step.facts.lock(&second.place).filter(|first| first.own && first.at != second.at)?;
                let same_key = access.how == How::MapLookup
                    && context
                        .wording()
                        .source(write.span)
                        .starts_with(context.wording().source(access.span));
                return (branched && same_key && !access.span.eq(&write.span))
                    .then(|| (access, first.clone()));
            }
            // The key is another one now.
            What::Access(access) if access.write && names_key(context, write, access) => return None,
            // Changed in between, or looked at as a whole.
            What::Access(access) if access.place == write.place => return None,
            _ => {}
        }
    }
    None
}

/// Whether a write is to what the key is made of.
fn names_key(context: &PathContext<'_>, write: &Access, other: &Access) -> bool {
    let wording = context.wording();
    let text = wording.line(write.span);
    let key = text.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("", |(key, _)| key);
    key == wording.place(&other.place)
}

fn finding(
    context: &PathContext<'_>,
    trace: &Trace<'_>,
    lookup: &Access,
    first: &Held,
    write: &Access,
    second: &Held,
) -> Finding {
    let wording = context.wording();
    let map = wording.place(&write.place);
    let lock = wording.lock_name(second);
    let mut act = wording.site_with(trace.body, write.span, "write", std::slice::from_ref(second));
    act.write = true;
    Finding {
        rule: &RULE,
        severity: RULE.severity,
        subject: format!("map {map}"),
        message: format!(
            "{map} is written after {lock} was released, as if the lookup before were still true"
        ),
        sites: vec![act, wording.site_with(trace.body, lookup.span, "lookup", std::slice::from_ref(first))],
        reasons: vec![wording.reason(
            format!("{lock} is taken again here: another goroutine may have been faster"),
            second.at,
        )],
        remedy: format!("look the key up again under {lock}, or hold it from the lookup to the write"),
        fix: None,
    }
}
