//! What each group of goroutines waits for, and what it holds.

use std::fmt::Write as _;

use raceguard_evidence::{Frame, GoroutineDump, GoroutineGroup, ModulePaths, Origin};
use serde::Serialize;

use super::held::{HeldLock, held};
use crate::naming::{LockCall, lock_named_at};
use crate::source_text::SourceText;
use crate::statement::short_function;

/// Goroutines that wait at one place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Waiter {
    /// How many.
    pub goroutines: u64,
    /// Go's numbers of some of them.
    pub ids: Vec<u64>,
    /// As Go prints it: `sync.Mutex.Lock`, `chan receive`, …
    pub state: String,
    /// How long the longest of them has waited, in minutes, when that is at least one.
    pub wait_minutes: Option<u64>,
    /// The function that waits: the innermost outside Go's runtime and package sync.
    pub function: String,
    /// Relative to the module where it lies inside.
    pub file: String,
    /// From 1; 0 when unknown.
    pub line: u32,
    /// The lock that it waits for, when it is one.
    pub waits_for: Option<String>,
    /// The lock as the line that waits spells it; empty when unknown.
    #[serde(skip)]
    pub(super) expression: String,
    /// The call that waits.
    pub call: Option<LockCall>,
    /// The address that it waits on, when the dump shows it.
    pub address: Option<String>,
    /// The locks that it holds, as far as the sources tell.
    pub holds: Vec<HeldLock>,
    /// Where it was started, as `file:line`; empty when unknown.
    pub started_at: String,
}

impl Waiter {
    /// Whether it may hold the very lock that it waits for, of which many of the type may exist.
    ///
    /// Two names in one function, as of `from.mu` and `to.mu`, are meant to be two locks; and of several goroutines
    /// only readers can hold one lock together.
    pub(super) fn may_hold_what_it_wants(&self, held: &HeldLock) -> bool {
        let two_names = held.function == self.function && held.expression != self.expression;
        !two_names && (self.goroutines == 1 || held.call.is_read())
    }

    /// `goroutine 7 in m.(*Store).Flush (store.go:88), waiting for m.Store.mu, holds m.Log.mu`.
    pub fn text(&self) -> String {
        let who = match (self.goroutines, self.ids.first()) {
            (1, Some(id)) => format!("goroutine {id}"),
            (count, _) => format!("{count} goroutines"),
        };
        let mut text = format!("{who} in {} ({}:{})", short_function(&self.function), self.file, self.line);
        let _ = write!(text, ", {}", self.doing());
        let held: Vec<String> = self.holds.iter().map(|held| short_function(&held.lock)).collect();
        if !held.is_empty() {
            let _ = write!(text, ", holds {}", held.join(", "));
        }
        text
    }

    /// `waiting for m.Store.mu for 5 minutes`, `in chan receive`.
    pub fn doing(&self) -> String {
        let since = self.wait_minutes.map_or_else(String::new, |minutes| format!(" for {minutes} minutes"));
        match (&self.waits_for, self.call) {
            (Some(lock), Some(call)) if call.is_read() => {
                format!("waiting to read under {}{since}", short_function(lock))
            }
            (Some(lock), _) => format!("waiting for {}{since}", short_function(lock)),
            (None, _) => format!("in {}{since}", self.state),
        }
    }
}

/// States in which a goroutine goes on by itself.
const RUNNING: &[&str] = &[
    "running",
    "runnable",
    "syscall",
    "idle",
    "dead",
    "GC worker",
    "GC sweep wait",
    "GC scavenge wait",
    "finalizer wait",
    "force gc",
];

/// The groups of a dump that wait for something, and those that hold a lock, whatever they do.
pub(super) fn waiters(dump: &GoroutineDump, paths: &ModulePaths, sources: &SourceText<'_>) -> Vec<Waiter> {
    let mut merged: Vec<Waiter> = Vec::new();
    for waiter in dump.groups.iter().filter_map(|group| waiter(group, paths, sources)) {
        let same = |known: &&mut Waiter| {
            known.function == waiter.function
                && known.line == waiter.line
                && known.state == waiter.state
                && known.waits_for == waiter.waits_for
                && known.address == waiter.address
                && known.holds == waiter.holds
        };
        match merged.iter_mut().find(same) {
            Some(known) => {
                known.goroutines += waiter.goroutines;
                known.wait_minutes = known.wait_minutes.max(waiter.wait_minutes);
                known.ids.extend(waiter.ids);
                known.ids.truncate(GoroutineGroup::MAX_IDS);
            }
            None => merged.push(waiter),
        }
    }
    merged
}

fn waiter(group: &GoroutineGroup, paths: &ModulePaths, sources: &SourceText<'_>) -> Option<Waiter> {
    let user: Vec<&Frame> = group
        .stack
        .iter()
        .filter(|frame| !frame.is_runtime_internal() && paths.origin(frame) != Origin::Standard)
        .collect();
    let at = user.first().copied()?;
    let call_at = group.stack.iter().rposition(|frame| LockCall::of_frame(&frame.function).is_some());
    let call = call_at.and_then(|at| LockCall::of_frame(&group.stack[at].function)).map(|(_, call)| call);
    let call = call.filter(|call| call.acquires());
    let caller = call_at.and_then(|at| group.stack.get(at + 1));
    let named = call.zip(caller).and_then(|(call, caller)| lock_named_at(caller, call, sources));
    let expression = named.as_ref().map_or_else(String::new, |named| named.expression.clone());
    let waits_for = named.map(|named| named.lock).or_else(|| {
        let address = group.waits_on.as_ref().filter(|_| call.is_some())?;
        Some(format!("lock {address}"))
    });
    let holds = held(&user, sources);
    let waits = call.is_some() || !RUNNING.contains(&group.state.as_str());
    if !waits && holds.is_empty() {
        return None;
    }
    Some(Waiter {
        goroutines: group.count,
        ids: group.ids.clone(),
        state: group.state.clone(),
        wait_minutes: group.wait_minutes,
        function: at.function.clone(),
        file: paths.relative(&at.file).to_owned(),
        line: at.line,
        waits_for,
        expression,
        call,
        address: group.waits_on.clone(),
        holds,
        started_at: group
            .created_at
            .first()
            .map_or_else(String::new, |frame| format!("{}:{}", paths.relative(&frame.file), frame.line)),
    })
}
