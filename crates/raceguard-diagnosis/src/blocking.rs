//! Who waits for whom, out of dumps of goroutines: chains of waiting, and circles, which are deadlocks.
//!
//! A dump shows what each goroutine waits for, but not who holds a lock. That is read off the source: a function
//! that is on a stack holds the locks that it took above its line and has not released there. So an answer needs
//! the sources of the build that was dumped; without them only the waiting itself is reported.

mod held;
mod waits;

use std::collections::BTreeMap;

use raceguard_evidence::{Crash, CrashCause, GoroutineDump, GoroutineGroup, ModulePaths, Record};
use serde::Serialize;

use crate::evidence::Evidence;
use crate::naming::LockCall;
use crate::source_text::SourceText;

pub use held::HeldLock;
pub use waits::Waiter;

/// The waiting that one dump shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Blocking {
    /// Name of the run that has the dump.
    pub run: String,
    /// Why there is a dump: the crash, the signal, the profile.
    pub reason: String,
    /// When, in nanoseconds since the Unix epoch; 0 when unknown.
    pub time_unix_ns: u64,
    /// How many goroutines there were.
    pub goroutines: u64,
    /// Goroutines that wait, by what they wait for, most goroutines first.
    pub waiters: Vec<Waiter>,
    /// Chains: each link waits for the next, the last one holds everything up. Most goroutines first.
    pub chains: Vec<Chain>,
    /// Circles of waiting.
    pub deadlocks: Vec<Deadlock>,
}

/// Goroutines that wait for each other in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// Places in [`Blocking::waiters`], the first waits for the second, and so on.
    pub links: Vec<usize>,
    /// How many goroutines wait in it, the last link not counted.
    pub waiting: u64,
    /// In words: what the last one does instead of going on.
    pub text: String,
}

/// Goroutines that wait for each other in a circle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deadlock {
    /// What kind of mistake it is.
    pub kind: DeadlockKind,
    /// Places in [`Blocking::waiters`]; the last waits for the first.
    pub members: Vec<usize>,
    /// In words, a line for each member.
    pub text: Vec<String>,
}

/// What kind of mistake a circle of waiting is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeadlockKind {
    /// Locks taken in different orders.
    LockInversion,
    /// `Lock` while the same goroutine holds the read lock.
    LockUpgrade,
    /// A lock taken again by the goroutine that holds it.
    Reentrant,
    /// Every goroutine of the process waits, not all for locks.
    AllAsleep,
}

impl DeadlockKind {
    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Self::LockInversion => "locks taken in different orders",
            Self::LockUpgrade => "Lock while the read lock is held",
            Self::Reentrant => "lock taken again by its holder",
            Self::AllAsleep => "all goroutines are asleep",
        }
    }
}

/// The waiting in every dump of the evidence that shows any.
pub(crate) fn blocking(evidence: &Evidence, paths: &ModulePaths, sources: &SourceText<'_>) -> Vec<Blocking> {
    let mut found = Vec::new();
    for run in &evidence.runs {
        let mut dumped: Vec<&str> = Vec::new();
        for record in &run.evidence.foreign {
            if let Record::GoroutineDump(dump) = record {
                dumped.push(&dump.message);
                found.push((run, of_dump(dump, paths, sources)));
            }
        }
        // `raceguard test` records a deadlock as a crash alone.
        for crash in &run.evidence.crashes {
            let crash = &crash.crash;
            if crash.cause() == CrashCause::Deadlock && !dumped.contains(&crash.message.as_str()) {
                found.push((run, of_dump(&dump_of_crash(crash), paths, sources)));
            }
        }
    }
    let mut all = Vec::new();
    for (run, mut blocking) in found {
        if blocking.waiters.is_empty() {
            continue;
        }
        run.name.clone_into(&mut blocking.run);
        all.push(blocking);
    }
    all
}

fn dump_of_crash(crash: &Crash) -> GoroutineDump {
    let groups = crash.goroutines.iter().map(|goroutine| GoroutineGroup {
        count: 1,
        ids: vec![goroutine.id],
        state: goroutine.state.split(',').next().unwrap_or_default().to_owned(),
        stack: goroutine.stack.clone(),
        parent: goroutine.parent,
        created_at: goroutine.created_at.clone(),
        ..GoroutineGroup::default()
    });
    GoroutineDump {
        time_unix_ns: crash.time_unix_ns,
        reason: "crash".to_owned(),
        message: crash.message.clone(),
        goroutines: crash.goroutines.len() as u64 + crash.goroutines_left_out,
        groups: groups.collect(),
        left_out: crash.goroutines_left_out,
        ..GoroutineDump::default()
    }
}

/// The waiting that a dump shows.
fn of_dump(dump: &GoroutineDump, paths: &ModulePaths, sources: &SourceText<'_>) -> Blocking {
    let mut waiters = waits::waiters(dump, paths, sources);
    waiters.sort_by_key(|waiter| std::cmp::Reverse((waiter.waits_for.is_some(), waiter.goroutines)));
    let next = successors(&waiters);
    let deadlocks = deadlocks(&waiters, &next, dump);
    let chains = chains(&waiters, &next, &deadlocks);
    let reason = if dump.message.is_empty() { dump.reason.clone() } else { dump.message.clone() };
    Blocking {
        run: String::new(),
        reason,
        time_unix_ns: dump.time_unix_ns,
        goroutines: dump.goroutines,
        waiters,
        chains,
        deadlocks,
    }
}

/// For each waiter the one that holds what it waits for.
fn successors(waiters: &[Waiter]) -> Vec<Option<usize>> {
    let mut holders: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, waiter) in waiters.iter().enumerate() {
        for held in &waiter.holds {
            holders.entry(&held.lock).or_default().push(place);
        }
    }
    let holder_of = |(place, waiter): (usize, &Waiter)| {
        let lock = waiter.waits_for.as_deref()?;
        let reads = waiter.call == Some(LockCall::RLock);
        // Readers do not wait for readers; among holders that are waiting themselves look first.
        let holds = |holder: usize| {
            waiters[holder].holds.iter().any(|held| {
                held.lock == lock
                    && !(reads && held.call.is_read())
                    && (holder != place || waiter.may_hold_what_it_wants(held))
            })
        };
        let candidates: Vec<usize> =
            holders.get(lock)?.iter().copied().filter(|&holder| holds(holder)).collect();
        // A goroutine alone in its group that holds what it wants waits for itself.
        let own = candidates.contains(&place);
        candidates.iter().copied().find(|&holder| holder != place).or_else(|| own.then_some(place))
    };
    waiters.iter().enumerate().map(holder_of).collect()
}

fn deadlocks(waiters: &[Waiter], next: &[Option<usize>], dump: &GoroutineDump) -> Vec<Deadlock> {
    let mut found = Vec::new();
    let mut state = vec![0_usize; waiters.len()];
    for start in 0..waiters.len() {
        let walk = start + 1;
        let mut at = start;
        while state[at] == 0 {
            state[at] = walk;
            match next[at] {
                Some(following) => at = following,
                None => break,
            }
        }
        if next[at].is_some() && state[at] == walk && is_on_circle(at, next) {
            found.push(deadlock(circle(at, next), waiters));
            // The circle is reported once.
            for member in circle(at, next) {
                state[member] = usize::MAX;
            }
        }
    }
    if found.is_empty() && dump.message.contains("all goroutines are asleep") {
        let members: Vec<usize> = (0..waiters.len()).collect();
        let text = waiters.iter().map(Waiter::text).collect();
        found.push(Deadlock { kind: DeadlockKind::AllAsleep, members, text });
    }
    found
}

fn is_on_circle(start: usize, next: &[Option<usize>]) -> bool {
    let mut at = start;
    for _ in 0..=next.len() {
        match next[at] {
            Some(following) if following == start => return true,
            Some(following) => at = following,
            None => return false,
        }
    }
    false
}

fn circle(start: usize, next: &[Option<usize>]) -> Vec<usize> {
    let mut members = vec![start];
    let mut at = next[start];
    while let Some(place) = at.filter(|&place| place != start && members.len() <= next.len()) {
        members.push(place);
        at = next[place];
    }
    members
}

fn deadlock(members: Vec<usize>, waiters: &[Waiter]) -> Deadlock {
    let alone = members.len() == 1;
    let first = &waiters[members[0]];
    let holds_read = first
        .holds
        .iter()
        .any(|held| Some(held.lock.as_str()) == first.waits_for.as_deref() && held.call.is_read());
    let kind = match (alone, holds_read) {
        (true, true) => DeadlockKind::LockUpgrade,
        (true, false) => DeadlockKind::Reentrant,
        (false, _) => DeadlockKind::LockInversion,
    };
    let text = members.iter().map(|&member| waiters[member].text()).collect();
    Deadlock { kind, members, text }
}

fn chains(waiters: &[Waiter], next: &[Option<usize>], deadlocks: &[Deadlock]) -> Vec<Chain> {
    let in_deadlock = |place: usize| deadlocks.iter().any(|deadlock| deadlock.members.contains(&place));
    let waited_for: Vec<bool> = {
        let mut waited = vec![false; waiters.len()];
        for (place, following) in next.iter().enumerate() {
            if let Some(following) = following.filter(|&following| following != place) {
                waited[following] = true;
            }
        }
        waited
    };
    let mut chains: Vec<Chain> = Vec::new();
    // Chains start at those that nobody waits for.
    for start in (0..waiters.len()).filter(|&place| !waited_for[place] && next[place].is_some()) {
        let mut links = vec![start];
        let mut at = next[start];
        while let Some(place) = at.filter(|place| !links.contains(place)) {
            links.push(place);
            at = next[place];
        }
        let last = links[links.len() - 1];
        if links.len() < 2 {
            continue;
        }
        let text = if in_deadlock(last) {
            "which is part of a deadlock".to_owned()
        } else {
            format!("which is {}", waiters[last].doing())
        };
        let waiting = links[..links.len() - 1].iter().map(|&place| waiters[place].goroutines).sum();
        chains.push(Chain { links, waiting, text });
    }
    chains.sort_by_key(|chain| std::cmp::Reverse(chain.waiting));
    chains
}
