//! RG402: one exclusive lock guards a map that is mostly read.

use foldhash::{HashMap, HashMapExt as _};

use super::collected::Collected;
use super::fields::{field_location, field_type, is_named};
use super::guarded_maps::MapUse;
use super::path_facts::summaries::Summaries;
use super::wording::{Wording, field_name, object_name};
use super::{ProgramContext, Rule};
use crate::finding::{Finding, Severity, Site};
use crate::ir::function::FieldKey;

/// `RG402`
pub const RULE: Rule = Rule {
    code: "RG402",
    name: "exclusive-lock-for-reads",
    summary: "A map that is nearly only read is guarded by a lock that admits one reader at a time",
    severity: Severity::Advice,
    what: "Reports a map field that a `sync.Mutex` guards, where at least four functions only read it under the lock \
           and at most one changes it.",
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

/// A map needs this many functions that only read it.
const LEAST_READERS: usize = 4;

/// And may have at most this many that change it.
const MOST_WRITERS: usize = 1;

/// Counts for each map field the functions that read and that change it.
pub(super) fn check(
    context: &ProgramContext<'_>,
    _: &Summaries,
    collected: &Collected,
    findings: &mut Vec<Finding>,
) {
    let mut by_field: HashMap<&FieldKey, Vec<&MapUse>> = HashMap::new();
    let mut order = Vec::new();
    for used in collected.map_uses.iter().filter(|used| !used.fresh && !is_test(context, used)) {
        let known = by_field.entry(&used.field).or_insert_with(|| {
            order.push(&used.field);
            Vec::new()
        });
        known.push(used);
    }
    for field in order {
        let uses = &by_field[field];
        if let Some(lock) = guard(context, uses) {
            let (readers, writers) = functions(uses);
            if readers.len() >= LEAST_READERS && writers.len() <= MOST_WRITERS && !writers.is_empty() {
                findings.extend(finding(context, field, &lock, &readers, writers.len()));
            }
        }
    }
}

fn is_test(context: &ProgramContext<'_>, used: &MapUse) -> bool {
    Wording { program: context.program, unit: &context.units.units[used.unit] }.is_test()
}

/// The one `sync.Mutex` that is held at all uses.
fn guard(context: &ProgramContext<'_>, uses: &[&MapUse]) -> Option<FieldKey> {
    let lock = uses.first()?.locks.last()?.field.clone()?;
    let same = |used: &&MapUse| {
        used.locks.iter().any(|held| {
            held.field.as_ref().is_some_and(|field| field.owner == lock.owner && field.fields == lock.fields)
        })
    };
    let exclusive = is_named(context.program, &field_type(context.program, &lock), "sync", "Mutex");
    (exclusive && uses.iter().all(same)).then_some(lock)
}

/// The functions that only read, one use of each, and those that write.
fn functions<'u>(uses: &[&'u MapUse]) -> (Vec<&'u MapUse>, Vec<usize>) {
    let mut writers: Vec<usize> = uses.iter().filter(|used| used.write).map(|used| used.unit).collect();
    writers.dedup();
    let mut readers: Vec<&MapUse> =
        uses.iter().copied().filter(|used| !writers.contains(&used.unit)).collect();
    readers.dedup_by_key(|used| used.unit);
    (readers, writers)
}

fn finding(
    context: &ProgramContext<'_>,
    field: &FieldKey,
    lock: &FieldKey,
    readers: &[&MapUse],
    writers: usize,
) -> Option<Finding> {
    let name = field_name(context.program, field);
    let lock = field_name(context.program, lock);
    let location = field_location(context.program, field)?;
    let mut sites = vec![Site {
        location,
        function: object_name(context.program, field.owner).into(),
        action: "declaration",
        write: false,
        locks: Vec::new(),
        origin: Vec::new(),
        calls: Vec::new(),
    }];
    for used in readers.iter().take(LEAST_READERS) {
        let wording = Wording { program: context.program, unit: &context.units.units[used.unit] };
        sites.push(wording.site_with(used.body, used.span, "read", &used.locks));
    }
    Some(Finding {
        rule: &RULE,
        severity: RULE.severity,
        subject: format!("map field {name}"),
        message: format!(
            "{name} is only read by {} functions and changed by {writers}, but {lock} lets one reader in at a time",
            readers.len()
        ),
        sites,
        reasons: Vec::new(),
        remedy: format!("make {lock} a sync.RWMutex, or publish the map through an atomic pointer"),
        fix: None,
    })
}
