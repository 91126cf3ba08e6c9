//! RG402: one exclusive lock guards a map that is mostly read.

use foldhash::{HashMap, HashMapExt as _};

use super::collected::Collected;
use super::fields::is_named;
use super::guarded_maps::MapUse;
use super::memory::Memory;
use super::path_facts::summaries::Summaries;
use super::rg404_map_copy_under_lock::Fact;
use super::wording::Wording;
use super::{ProgramContext, Rule};
use crate::finding::{Finding, Reason, Severity, Site};
use crate::ir::function::How;

/// `RG402`
pub const RULE: Rule = Rule {
    code: "RG402",
    name: "exclusive-lock-for-reads",
    summary: "A map that is nearly only read is guarded by a lock that admits one reader at a time",
    severity: Severity::Advice,
    what: "Reports a map in a field or package-level variable that a `sync.Mutex` guards, where at least four functions \
           only read it under the lock for each one that changes it. The report says what fits: a `sync.RWMutex`, a \
           published snapshot, or shards, and why.",
    why: "Readers don't disturb each other, but a `sync.Mutex` lets them in one by one. On many cores they queue for \
          a lock that none of them needs to hold alone.",
    bad: r#"package routes

import "sync"

type Table struct {
	mu      sync.Mutex
	targets map[string]string // want RG402 "targets"
}

func (t *Table) Set(path, target string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.targets[path] = target
}

func (t *Table) Target(path string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.targets[path]
}

func (t *Table) Has(path string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.targets[path]
	return ok
}

func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.targets)
}

func (t *Table) Paths() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var paths []string
	for path := range t.targets {
		paths = append(paths, path)
	}
	return paths
}
"#,
    good: r#"package routes

import "sync"

type Table struct {
	mu      sync.RWMutex
	targets map[string]string
}

func (t *Table) Set(path, target string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.targets[path] = target
}

func (t *Table) Target(path string) string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.targets[path]
}

func (t *Table) Has(path string) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	_, ok := t.targets[path]
	return ok
}

func (t *Table) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.targets)
}

func (t *Table) Paths() []string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var paths []string
	for path := range t.targets {
		paths = append(paths, path)
	}
	return paths
}
"#,
    remedy: "`sync.RWMutex` when reads take long enough to matter. For short lookups its own counter becomes the \
             bottleneck: publish a new map through `atomic.Pointer` when changes are rare, or split the map into \
             shards when they are not.",
    limits: "How often each function runs is not known; the rule counts functions. Measure before you change it.",
    fixable: false,
};

/// A map needs this many functions that only read it, for each one that changes it.
const LEAST_READERS: usize = 4;

/// A map, and the functions that use it under its lock.
struct Guarded<'u> {
    map: &'u Memory,
    lock: Memory,
    /// One use of each function that only reads it.
    readers: Vec<&'u MapUse>,
    /// The number of functions that change it.
    writers: usize,
    /// A reader that goes through the whole map.
    longest: Option<&'u MapUse>,
}

/// Counts for each map the functions that read and that change it.
pub(super) fn check(
    context: &ProgramContext<'_>,
    _: &Summaries,
    collected: &Collected,
    findings: &mut Vec<Finding>,
) {
    let mut by_map: HashMap<&Memory, Vec<&MapUse>> = HashMap::new();
    let mut order = Vec::new();
    for used in collected.map_uses.iter().filter(|used| !used.fresh && !is_test(context, used)) {
        let known = by_map.entry(&used.map).or_insert_with(|| {
            order.push(&used.map);
            Vec::new()
        });
        known.push(used);
    }
    for map in order {
        let guarded = guard(context, &by_map[map]).map(|lock| functions(map, lock, &by_map[map]));
        if let Some(guarded) = guarded
            && guarded.writers > 0
            && guarded.readers.len() >= LEAST_READERS * guarded.writers
        {
            findings.extend(finding(context, &guarded, &collected.copies));
        }
    }
}

fn is_test(context: &ProgramContext<'_>, used: &MapUse) -> bool {
    Wording { program: context.program, unit: &context.units.units[used.unit] }.is_test()
}

/// The mutex that is held at all uses.
fn guard(context: &ProgramContext<'_>, uses: &[&MapUse]) -> Option<Memory> {
    let lock = uses.first()?.locks.last()?.memory()?;
    let same = |used: &&MapUse| {
        used.locks.iter().any(|held| held.memory().is_some_and(|memory| memory.is_same(&lock)))
    };
    let exclusive = is_named(context.program, lock.ty(context.program).strip_pointer(), "sync", "Mutex");
    (exclusive && uses.iter().all(same)).then_some(lock)
}

/// The functions that only read, and those that write.
fn functions<'u>(map: &'u Memory, lock: Memory, uses: &[&'u MapUse]) -> Guarded<'u> {
    let mut writers: Vec<usize> = uses.iter().filter(|used| used.write).map(|used| used.unit).collect();
    writers.dedup();
    let only_read: Vec<&MapUse> = uses.iter().copied().filter(|used| !writers.contains(&used.unit)).collect();
    let iterates = |used: &&&MapUse| matches!(used.how, How::MapIterate | How::HiddenIterate);
    let longest = only_read.iter().find(iterates).copied();
    let mut readers = only_read;
    readers.dedup_by_key(|used| used.unit);
    Guarded { map, lock, readers, writers: writers.len(), longest }
}

/// What fits, and the reason.
fn advice(context: &ProgramContext<'_>, guarded: &Guarded<'_>) -> (String, Reason) {
    let map = guarded.map.name(context.program);
    let lock = guarded.lock.name(context.program);
    let wording = |used: &MapUse| Wording { program: context.program, unit: &context.units.units[used.unit] };
    match guarded.longest {
        Some(used) => (
            format!("make {lock} a sync.RWMutex: readers that hold it long then run side by side"),
            wording(used).reason("the lock is held here while the whole map is gone through", used.span),
        ),
        None if guarded.writers == 1 => (
            "publish the map through an atomic.Pointer, and let the one function that changes it store a changed \
                 copy: for lookups as short as these the counter of a sync.RWMutex would be the next bottleneck"
                .to_owned(),
            Reason { text: format!("{map} is only looked up in, and one function changes it"), location: None },
        ),
        None => (
            "split the map into shards, each with a mutex of its own, chosen by a hash of the key: it is changed too \
             often to be copied each time"
                .to_owned(),
            Reason {
                text: format!("{map} is only looked up in, and {} functions change it", guarded.writers),
                location: None,
            },
        ),
    }
}

fn finding(context: &ProgramContext<'_>, guarded: &Guarded<'_>, calls: &[Fact]) -> Option<Finding> {
    let name = guarded.map.name(context.program);
    let lock = guarded.lock.name(context.program);
    let mut sites = vec![Site {
        location: guarded.map.location(context.program)?,
        function: name.as_str().into(),
        action: "declaration",
        write: false,
        locks: Vec::new(),
        origin: Vec::new(),
        calls: Vec::new(),
    }];
    let wording = |unit: usize| Wording { program: context.program, unit: &context.units.units[unit] };
    for used in guarded.readers.iter().take(LEAST_READERS) {
        sites.push(wording(used.unit).site_with(used.body, used.span, "read", &used.locks));
    }
    let (remedy, reason) = advice(context, guarded);
    let mut reasons = vec![reason];
    let functions: Vec<_> =
        guarded.readers.iter().filter_map(|used| context.units.units[used.unit].func).collect();
    if let Some((caller, at)) = calls.iter().find_map(|fact| fact.often(&functions)) {
        reasons
            .push(wording(caller).reason("a reader is called here, in a loop or for each HTTP request", at));
    }
    Some(Finding {
        rule: &RULE,
        severity: RULE.severity,
        subject: guarded.map.subject(context.program),
        message: format!(
            "{name} is only read by {} functions and changed by {}, but {lock} lets one reader in at a time",
            guarded.readers.len(),
            guarded.writers
        ),
        sites,
        reasons,
        remedy,
        fix: None,
    })
}
