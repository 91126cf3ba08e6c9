//! RG306: a method that takes a lock is called with that lock held.

use super::Rule;
use super::lock_finding::WhileHeld;
use super::path_checks::PathContext;
use super::path_facts::summaries::Taken;
use super::path_facts::{Held, Trace, What, resolve};
use super::wording::function_name;
use crate::finding::{Finding, Location, Reason, Severity};
use crate::ir::function::{Call, CallMode, Target};
use crate::syntax::span::Span;
use crate::types::FuncId;

/// `RG306`
pub const RULE: Rule = Rule {
    code: "RG306",
    name: "reentrant-lock",
    summary: "A method is called that locks the mutex which the caller holds",
    severity: Severity::Error,
    what: "Reports a call, made with a mutex held, of a method that always locks the same mutex of the same object.",
    why: "Go's mutexes are not re-entrant: the goroutine waits for itself, for ever. With a read lock taken twice it \
          happens only when a writer comes in between, which tests don't show.",
    bad: r#"package store

import "sync"

type Store struct {
	mu    sync.Mutex
	items map[string]int
}

func (s *Store) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.items)
}

func (s *Store) Add(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.items[name]++
	return s.Len() // want RG306 "Len"
}
"#,
    good: r#"package store

import "sync"

type Store struct {
	mu    sync.Mutex
	items map[string]int
}

func (s *Store) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lenLocked()
}

func (s *Store) lenLocked() int {
	return len(s.items)
}

func (s *Store) Add(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.items[name]++
	return s.lenLocked()
}
"#,
    remedy: "Split the method: one that takes the lock and one, with `Locked` in its name, that expects it to be held; \
             call the latter.",
    limits: "Calls are followed four deep, and only where each of them happens whenever its function is called; locks \
             count that are taken on every way through.",
    fixable: false,
};

/// Looks at calls made with locks held for functions that take the same locks.
pub(super) fn check(context: &PathContext<'_>, findings: &mut Vec<Finding>) {
    let test = context.wording().is_test();
    for trace in context.traces.iter().filter(|trace| !trace.irregular) {
        let mut reported: Vec<(FuncId, Span)> = Vec::new();
        for step in &trace.steps {
            let What::Call(call) = step.what else { continue };
            let (CallMode::Now, Target::Function(func)) = (call.mode, &call.target) else { continue };
            let Some(summary) = context.summaries.get(*func) else { continue };
            for taken in &summary.always_takes {
                let place = resolve(call, &taken.lock);
                if let Some(held) = place.and_then(|place| step.facts.lock(&place))
                    && (taken.exclusive || held.exclusive || !test)
                    && !reported.contains(&(*func, held.at))
                {
                    reported.push((*func, held.at));
                    findings.push(finding(context, trace, call, *func, taken, held));
                }
            }
        }
    }
}

fn finding(
    context: &PathContext<'_>,
    trace: &Trace<'_>,
    call: &Call,
    func: FuncId,
    taken: &Taken,
    held: &Held,
) -> Finding {
    let wording = context.wording();
    let name = wording.lock_name(held);
    let callee = function_name(context.program, func);
    let certain = taken.exclusive || held.exclusive;
    let message = if certain {
        format!("{callee} locks {name}, which is held here")
    } else {
        format!(
            "{callee} takes the read lock of {name} again, which deadlocks when a writer waits in between"
        )
    };
    let object = context.program.function(taken.by);
    let there =
        Location { package: object.package, file: context.program.object(object).file, span: taken.at };
    let found = WhileHeld { body: trace.body, at: call.span, action: "call", held };
    let remedy = format!("call a variant of {callee} that expects the lock to be held");
    let mut finding = found.finding(&RULE, wording, message, remedy);
    finding.severity = if certain { Severity::Error } else { Severity::Warning };
    let locker = function_name(context.program, taken.by);
    finding.reasons.push(Reason { text: format!("{locker} locks it here"), location: Some(there) });
    finding
}
