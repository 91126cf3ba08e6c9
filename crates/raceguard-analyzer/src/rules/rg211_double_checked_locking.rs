//! RG211: a value is checked without the lock that guards its initialisation.

use super::Rule;
use super::path_checks::PathContext;
use super::path_facts::{Held, Step, Trace, What, is_shared, is_stable};
use crate::finding::{Finding, Severity};
use crate::ir::function::{Access, Block, Branch, How, Node, for_each_node};
use crate::ir::place::Place;

/// `RG211`
pub const RULE: Rule = Rule {
    code: "RG211",
    name: "double-checked-locking",
    summary: "A value is checked without a lock before it is checked and set under it",
    severity: Severity::Error,
    what: "Reports `if x == nil { mu.Lock(); if x == nil { x = ... } }` with a plain `x`: the first check reads, \
           without the lock, what another goroutine writes under it.",
    why: "The first read races with the write. It may see the pointer before what it points to is set up, or half of \
          an interface, slice or string; a map may be read while it grows.",
    bad: r#"package client

import "sync"

type Client struct{ address string }

var (
	mu     sync.Mutex
	shared *Client
)

func Shared() *Client {
	if shared == nil { // want RG211 "shared"
		mu.Lock()
		defer mu.Unlock()
		if shared == nil {
			shared = &Client{address: "localhost"}
		}
	}
	return shared
}
"#,
    good: r#"package client

import "sync"

type Client struct{ address string }

var shared = sync.OnceValue(func() *Client {
	return &Client{address: "localhost"}
})

func Shared() *Client {
	return shared()
}
"#,
    remedy: "Use `sync.Once`, `sync.OnceValue` or an `atomic.Pointer`; or take the lock (a read lock is enough) for the \
             first check too.",
    limits: "The check and the write must be in the same function.",
    fixable: false,
};

/// Looks for a check without locks, the same check under one, and a write under that.
pub(super) fn check(context: &PathContext<'_>, findings: &mut Vec<Finding>) {
    let summary = context.unit.func.and_then(|func| context.summaries.get(func));
    if summary.is_some_and(|summary| !summary.may_release.is_empty()) {
        // The caller holds a lock at the first check.
        return;
    }
    for trace in context.traces.iter().filter(|trace| !trace.irregular) {
        let mut reported: Vec<Place> = Vec::new();
        for (number, step) in trace.steps.iter().enumerate() {
            let What::Access(read) = step.what else { continue };
            if read.write || read.how != How::Plain || !step.facts.held.is_empty() {
                continue;
            }
            let shared = is_shared(&read.place) && is_stable(context.unit, &read.place);
            if !shared || reported.contains(&read.place) {
                continue;
            }
            let rest = &trace.steps[number..];
            if let Some((write, held)) =
                deciding(rest, &read.place).and_then(|first| locked_write(rest, first, &read.place))
            {
                findings.push(finding(context, trace, read, write, held));
                reported.push(read.place.clone());
            }
        }
    }
}

/// The first branch that follows, if the read decides it and no lock is held.
fn deciding<'s>(rest: &[Step<'s>], place: &Place) -> Option<&'s Branch> {
    rest.iter()
        .find_map(|step| match step.what {
            What::Branch(branch) => Some((branch, step)),
            _ => None,
        })
        .filter(|(branch, step)| {
            branch.condition.reads.contains(place) && step.facts.held.is_empty() && !step.facts.unsure
        })
        .map(|(branch, _)| branch)
}

/// A write under a lock, inside the same check under that lock, that the first check leads to.
fn locked_write<'s>(rest: &[Step<'s>], first: &Branch, place: &Place) -> Option<(&'s Access, Held)> {
    let (second, held) = rest.iter().find_map(|step| {
        let held = step.facts.held.iter().rev().find(|lock| lock.exclusive && lock.own)?;
        match step.what {
            What::Branch(branch) if branch.condition.reads.contains(place) => Some((branch, held.clone())),
            _ => None,
        }
    })?;
    let write = second.arms.iter().find_map(|arm| write_in(arm, place))?;
    let leads = first.arms.iter().any(|arm| write_in(arm, place).is_some() || leaves(arm));
    let still_held = rest.iter().any(|step| {
        matches!(step.what, What::Access(access) if std::ptr::eq(access, write))
            && step.facts.lock(&held.place).is_some_and(|now| now.at == held.at)
    });
    (leads && still_held).then_some((write, held))
}

fn write_in<'s>(block: &'s Block, place: &Place) -> Option<&'s Access> {
    let mut found = None;
    for_each_node(block, &mut |node| {
        if let Node::Access(access) = node
            && access.write
            && access.place == *place
        {
            found = Some(access);
        }
    });
    found
}

/// Whether the end of a block leaves the function.
fn leaves(block: &Block) -> bool {
    matches!(block.last(), Some(Node::Return(..) | Node::Stop))
}

fn finding(
    context: &PathContext<'_>,
    trace: &Trace<'_>,
    read: &Access,
    write: &Access,
    held: Held,
) -> Finding {
    let wording = context.wording();
    let name = wording.place(&read.place);
    let lock = wording.lock_name(&held);
    let mut second = wording.site_with(trace.body, write.span, "write", &[held]);
    second.write = true;
    Finding {
        rule: &RULE,
        severity: RULE.severity,
        subject: format!("variable {name}"),
        message: format!("{name} is checked without {lock}, under which it is set"),
        sites: vec![wording.site(trace.body, read.span, "read"), second],
        reasons: vec![wording.reason(
            format!(
                "{lock} shows that several goroutines come here, and the first check does not wait for it"
            ),
            read.span,
        )],
        remedy: format!("use sync.Once or an atomic pointer, or take {lock} for the first check too"),
        fix: None,
    }
}
