//! RG302: a lock is not released on a path, or nothing is done under it.

use super::Rule;
use super::lock_finding::WhileHeld;
use super::path_checks::PathContext;
use super::path_facts::{Exit, Held, Step, Trace, What, lock_place};
use crate::analysis::models::Effect;
use crate::finding::{Edit, Finding, Fix, Severity};
use crate::ir::function::{CallMode, Target};
use crate::ir::place::Place;
use crate::syntax::span::Span;

/// `RG302`
pub const RULE: Rule = Rule {
    code: "RG302",
    name: "missing-unlock",
    summary: "A lock is still held on a way out of the function that releases it elsewhere",
    severity: Severity::Error,
    what: "Reports a `return` that leaves a mutex locked which the function releases on its other ways out; `defer \
           mu.Lock()` where `Unlock` was meant; and `Lock` directly followed by `Unlock`, which guards nothing.",
    why: "The next goroutine that needs the lock waits for ever, long after the early return that nobody thought of. \
          `Lock` directly followed by `Unlock` is mostly a missing `defer`: the code that follows runs without the \
          lock.",
    bad: r#"package account

import (
	"errors"
	"sync"
)

type Account struct {
	mu      sync.Mutex
	balance int
}

func (a *Account) Withdraw(amount int) error {
	a.mu.Lock()
	if a.balance < amount {
		return errors.New("not enough") // want RG302 "a.mu"
	}
	a.balance -= amount
	a.mu.Unlock()
	return nil
}
"#,
    good: r#"package account

import (
	"errors"
	"sync"
)

type Account struct {
	mu      sync.Mutex
	balance int
}

func (a *Account) Withdraw(amount int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.balance < amount {
		return errors.New("not enough")
	}
	a.balance -= amount
	return nil
}
"#,
    remedy: "Write `defer mu.Unlock()` right after `mu.Lock()`; where that holds the lock too long, move the guarded \
             part into a function of its own.",
    limits: "Functions that return with the lock held on purpose, by their name or comment, or because they never \
             release it, are not reported. Panics are not followed.",
    fixable: true,
};

/// Looks at the ways out, and at pairs of calls that follow each other.
pub(super) fn check(context: &PathContext<'_>, findings: &mut Vec<Finding>) {
    let test = context.wording().is_test();
    for trace in context.traces.iter().filter(|trace| !trace.irregular) {
        held_at_exit(context, trace, findings);
        for pair in trace.steps.windows(2).filter(|_| !test) {
            empty_section(context, trace, pair, findings);
        }
        for step in &trace.steps {
            deferred_lock(context, trace, step, findings);
        }
    }
}

fn held_at_exit(context: &PathContext<'_>, trace: &Trace<'_>, findings: &mut Vec<Finding>) {
    let wording = context.wording();
    if wording.speaks_of_held_lock() {
        return;
    }
    let Some(last) = trace.exits.iter().max_by_key(|exit| exit.span.end) else { return };
    for exit in trace.exits.iter().filter(|exit| exit.nesting > 0) {
        for held in exit.held.iter().filter(|held| held.own) {
            let released = last.nesting == 0 && !holds(last, &held.place);
            if released && unlocked_in(context, trace, &held.place) && !context.is_handed_on(&held.place) {
                findings.push(missing(context, trace, exit, held));
                return;
            }
        }
    }
}

fn holds(exit: &Exit, place: &Place) -> bool {
    exit.held.iter().any(|held| held.place == *place)
}

/// Whether the body itself releases the lock somewhere.
fn unlocked_in(context: &PathContext<'_>, trace: &Trace<'_>, place: &Place) -> bool {
    trace.steps.iter().any(|step| {
        matches!(step.what, What::Call(call) if context.releases(call) && lock_place(call).as_ref() == Some(place))
    })
}

fn missing(context: &PathContext<'_>, trace: &Trace<'_>, exit: &Exit, held: &Held) -> Finding {
    let wording = context.wording();
    let name = wording.lock_name(held);
    let found = WhileHeld { body: trace.body, at: exit.span, action: "return", held };
    let message = format!("{name} is still locked when the function returns here");
    let remedy = format!("defer the unlock of {name} right after it is locked");
    let fix = unlock_fix(context, exit, held);
    Finding { fix, ..found.finding(&RULE, wording, message, remedy) }
}

/// The unlock before the return, if what is returned does not look at anything that the lock may guard.
fn unlock_fix(context: &PathContext<'_>, exit: &Exit, held: &Held) -> Option<Fix> {
    let wording = context.wording();
    let text = wording.source(exit.span);
    let name = wording.lock_name(held);
    if !text.starts_with("return") || text.contains(['.', '(', '[', '*']) {
        return None;
    }
    let source = &context.program.package(context.unit.package).files[context.unit.file as usize].source;
    let start = exit.span.start as usize;
    let line = source[..start].iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let indent = std::str::from_utf8(&source[line..start]).ok().filter(|indent| indent.trim().is_empty())?;
    let unlock = if held.exclusive { "Unlock" } else { "RUnlock" };
    let location = wording.location(Span::new(exit.span.start, exit.span.start));
    let edits = vec![Edit { location, text: format!("{name}.{unlock}()\n{indent}") }];
    Some(Fix { title: format!("unlock {name} before the return"), edits })
}

/// `Unlock` for the `Lock` that is deferred.
fn typo_fix(context: &PathContext<'_>, call: Span) -> Option<Fix> {
    let wording = context.wording();
    let text = wording.source(call);
    let lock = if text.ends_with(".RLock()") { "RLock" } else { "Lock" };
    let position = text.rfind(lock)?;
    let start = call.start + u32::try_from(position).ok()?;
    let span = Span::new(start, start + u32::try_from(lock.len()).ok()?);
    let unlock = if lock == "RLock" { "RUnlock" } else { "Unlock" };
    let edits = vec![Edit { location: wording.location(span), text: unlock.to_owned() }];
    Some(Fix { title: "unlock instead".to_owned(), edits })
}

/// `mu.Lock()` directly followed by `mu.Unlock()`.
fn empty_section(
    context: &PathContext<'_>,
    trace: &Trace<'_>,
    pair: &[Step<'_>],
    findings: &mut Vec<Finding>,
) {
    let [Step { what: What::Call(lock), .. }, Step { what: What::Call(unlock), .. }] = pair else { return };
    let now = lock.mode == CallMode::Now && unlock.mode == CallMode::Now;
    let taken = matches!(context.models.effect(&lock.target), Some(Effect::Lock | Effect::ReadLock));
    let known = matches!((&lock.target, &unlock.target), (Target::Function(_), Target::Function(_)));
    if !now || !taken || !known || !context.releases(unlock) || lock_place(lock) != lock_place(unlock) {
        return;
    }
    let wording = context.wording();
    let between = wording.source(Span::new(lock.span.end, unlock.span.start));
    if !between.trim().is_empty() || explained(context, lock.span, unlock.span) {
        return;
    }
    let name = wording.line(lock.span).rsplit_once('.').map_or("lock", |(name, _)| name);
    findings.push(Finding {
        rule: &RULE,
        severity: Severity::Warning,
        subject: format!("lock {name}"),
        message: format!("{name} is locked and unlocked at once, which guards nothing"),
        sites: vec![
            wording.site(trace.body, lock.span, "lock"),
            wording.site(trace.body, unlock.span, "unlock"),
        ],
        reasons: Vec::new(),
        remedy: "write defer before the unlock if the code that follows needs the lock; say so in a comment if the \
                 point is to wait for whoever holds it"
            .to_owned(),
        fix: None,
    });
}

/// Whether a comment stands on the line before the lock, or behind the unlock.
fn explained(context: &PathContext<'_>, lock: Span, unlock: Span) -> bool {
    let file = &context.program.package(context.unit.package).files[context.unit.file as usize];
    let source = &file.source;
    let has_comment = |line: &[u8]| line.windows(2).any(|pair| pair == b"//" || pair == b"*/");
    let begin = source[..lock.start as usize].iter().rposition(|&byte| byte == b'\n').unwrap_or(0);
    let before = source[..begin].iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let rest = &source[unlock.end as usize..];
    let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    has_comment(&source[before..begin]) || has_comment(&rest[..end])
}

/// `mu.Lock(); defer mu.Lock()`
fn deferred_lock(context: &PathContext<'_>, trace: &Trace<'_>, step: &Step<'_>, findings: &mut Vec<Finding>) {
    let What::Call(call) = step.what else { return };
    let taken = matches!(context.models.effect(&call.target), Some(Effect::Lock | Effect::ReadLock));
    if call.mode != CallMode::Defer || !taken || !matches!(call.target, Target::Function(_)) {
        return;
    }
    let Some(held) = lock_place(call).and_then(|place| step.facts.lock(&place).cloned()) else { return };
    if step.facts.released_at_end.contains(&held.place) || unlocked_in(context, trace, &held.place) {
        return;
    }
    let wording = context.wording();
    let name = wording.lock_name(&held);
    let found = WhileHeld { body: trace.body, at: call.span, action: "deferred lock", held: &held };
    let message = format!("{name} is locked again when the function ends, where it should be unlocked");
    let fix = typo_fix(context, call.span);
    let remedy = format!("defer the unlock of {name}");
    findings.push(Finding { fix, ..found.finding(&RULE, wording, message, remedy) });
}
