//! RG301: Lock while the read lock is held.

use super::Rule;
use super::lock_finding::WhileHeld;
use super::path_checks::PathContext;
use super::path_facts::{Held, Trace, What, lock_place};
use crate::analysis::models::Effect;
use crate::finding::{Finding, Severity};
use crate::ir::function::{Call, CallMode, Target};

/// `RG301`
pub const RULE: Rule = Rule {
    code: "RG301",
    name: "lock-upgrade",
    summary: "A goroutine takes the write lock while it holds the read lock",
    severity: Severity::Error,
    what: "Reports `Lock` of a `sync.RWMutex` whose read lock the same goroutine holds on every way there; also \
           `Lock` of a mutex that it has locked already.",
    why: "`Lock` waits until all readers are gone, and one of them is the goroutine itself: it waits for ever, and \
          everybody else behind it. Go's locks can't be upgraded and are not re-entrant.",
    bad: r#"package cache

import "sync"

type Cache struct {
	mu   sync.RWMutex
	data map[string]string
}

func (c *Cache) Get(key string) string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if value, ok := c.data[key]; ok {
		return value
	}
	c.mu.Lock() // want RG301 "c.mu"
	defer c.mu.Unlock()
	c.data[key] = "new"
	return "new"
}
"#,
    good: r#"package cache

import "sync"

type Cache struct {
	mu   sync.RWMutex
	data map[string]string
}

func (c *Cache) Get(key string) string {
	c.mu.RLock()
	value, ok := c.data[key]
	c.mu.RUnlock()
	if ok {
		return value
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if value, ok := c.data[key]; ok {
		return value
	}
	c.data[key] = "new"
	return "new"
}
"#,
    remedy: "Release the read lock first, take the write lock, and check again what was read: it may have changed in \
             between.",
    limits: "Locks that are taken in helper functions are the business of RG306.",
    fixable: false,
};

/// Looks at each lock call for the same lock among those held.
pub(super) fn check(context: &PathContext<'_>, findings: &mut Vec<Finding>) {
    for trace in context.traces.iter().filter(|trace| !trace.irregular) {
        for step in &trace.steps {
            let What::Call(call) = step.what else { continue };
            let effect = context.models.effect(&call.target);
            let (CallMode::Now, Some(effect @ (Effect::Lock | Effect::ReadLock)), Target::Function(_)) =
                (call.mode, effect, &call.target)
            else {
                continue;
            };
            if let Some(held) = lock_place(call).and_then(|place| step.facts.lock(&place))
                && !context.is_handed_on(&held.place)
            {
                findings.push(finding(context, trace, call, effect == Effect::Lock, held));
            }
        }
    }
}

fn finding(
    context: &PathContext<'_>,
    trace: &Trace<'_>,
    call: &Call,
    exclusive: bool,
    held: &Held,
) -> Finding {
    let wording = context.wording();
    let name = wording.lock_name(held);
    let (message, severity) = match (exclusive, held.exclusive) {
        (true, false) => ("is locked for writing while this goroutine holds its read lock", Severity::Error),
        (_, true) => ("is locked while this goroutine holds it already", Severity::Error),
        (false, false) => {
            ("is locked for reading twice, which deadlocks when a writer waits in between", Severity::Warning)
        }
    };
    let found = WhileHeld { body: trace.body, at: call.span, action: "lock", held };
    let remedy = format!("release {name} first, or split off the part that expects it to be held");
    Finding { severity, ..found.finding(&RULE, wording, format!("{name} {message}"), remedy) }
}
