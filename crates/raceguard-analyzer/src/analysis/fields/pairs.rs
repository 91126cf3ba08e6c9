//! Pairs of accesses to the same field with evidence that they run at the same time.

use std::cmp::Reverse;

use foldhash::{HashSet, HashSetExt as _};

use super::candidates::{Candidate, candidates};
use super::contexts::{Contexts, OriginId, OriginKind};
use super::facts::{FieldAccess, NodeRef, unit_of};
use super::guards::{Guard, guard};
use super::key::{Held, LockKey, MemoryKey, exclude};
use super::relation::{Relation, relation};
use super::report::{Report, Verdict};
use crate::analysis::convention::prepares;
use crate::finding::{Finding, Severity};
use crate::ir::function::How;
use crate::rules::ProgramContext;
use crate::types::Type;

/// Why two accesses may run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Evidence {
    /// The type carries a mutex, and both are reached from outside.
    Carries,
    /// Handlers share the object, and there is no lock at all.
    Served(OriginId, OriginId),
    /// The type guards the field elsewhere, so it is meant for many goroutines.
    Guarded,
    /// The goroutines or handlers that run them.
    Origins(OriginId, OriginId),
}

/// How well an access goes with a blamed one: an origin is seen, it holds a lock, it writes, and few calls lead to it.
type Rank = (bool, bool, bool, Reverse<usize>);

/// At most this many findings about one field: more would say the same.
const MAX_FINDINGS: usize = 3;
/// Fields with more accesses than this are looked at in part.
const MAX_ACCESSES: usize = 400;

/// The findings on one field or variable.
pub(super) fn check_key(
    context: &ProgramContext<'_>,
    contexts: &Contexts,
    key: &MemoryKey,
    accesses: &[(NodeRef, &FieldAccess)],
    whole: &[(NodeRef, &FieldAccess)],
) -> Vec<Finding> {
    let shared: Vec<(NodeRef, &FieldAccess)> = accesses
        .iter()
        .filter(|(node, access)| !access.fresh && !access.once && !contexts.of(*node).is_empty())
        .take(MAX_ACCESSES)
        .copied()
        .collect();
    let maps = shared.iter().any(|(_, access)| access.how.is_map());
    if shared.len() < 2 && !maps || !shared.iter().any(|(_, access)| access.write) {
        return Vec::new();
    }
    let candidates: Vec<Candidate<'_>> = shared
        .iter()
        .flat_map(|&(node, access)| candidates(contexts, node, access))
        .take(MAX_ACCESSES)
        .collect();
    let guard = guard(context, contexts, key, &candidates);
    if !maps && guard.as_ref().is_none_or(|guard| guard.stated.is_none()) {
        return Vec::new();
    }
    let mut pairs = Pairs {
        context,
        contexts,
        key,
        maps,
        carries: false,
        served: false,
        whole,
        guard: guard.as_ref(),
        candidates: &candidates,
    };
    pairs.carries = pairs.is_unguarded_in_locked_type();
    pairs.served = pairs.is_served_without_lock();
    pairs.findings()
}

struct Pairs<'f, 'a> {
    context: &'f ProgramContext<'a>,
    contexts: &'f Contexts,
    key: &'f MemoryKey,
    maps: bool,
    /// Whether its type carries a mutex that no access takes.
    carries: bool,
    /// Whether handlers share the object, and no access takes any lock.
    served: bool,
    /// Accesses to the field or variable itself, if the memory is what it refers to.
    whole: &'f [(NodeRef, &'f FieldAccess)],
    guard: Option<&'f Guard>,
    candidates: &'f [Candidate<'f>],
}

impl Pairs<'_, '_> {
    fn findings(&self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = Vec::new();
        let mut told: HashSet<(usize, u32)> = HashSet::new();
        for blamed in self.candidates.iter().filter(|candidate| self.is_suspect(candidate)) {
            if findings.len() >= MAX_FINDINGS {
                break;
            }
            let place = (blamed.home.unit, blamed.access.body.0);
            if told.contains(&place) {
                continue;
            }
            let Some((other, evidence)) = self.partner(blamed) else { continue };
            let (blamed, other) = (self.write_of(blamed), self.write_of(other));
            let Some(severity) = self.severity(blamed, evidence) else { continue };
            told.insert(place);
            told.insert((other.home.unit, other.access.body.0));
            let verdict = Verdict { blamed, other, evidence, severity, guard: self.guard };
            let report = Report {
                context: self.context,
                contexts: self.contexts,
                key: self.key,
                candidates: self.candidates,
            };
            let finding = report.finding(&verdict);
            let place = |finding: &Finding| finding.sites[0].location;
            findings.extend(finding.filter(|new| findings.iter().all(|known| place(known) != place(new))));
        }
        findings
    }

    /// The write of the statement that a read of a map is a part of: `m[k]++`.
    fn write_of<'c>(&'c self, read: &'c Candidate<'c>) -> &'c Candidate<'c> {
        let around = |write: &Candidate<'_>| {
            write.access.span.start <= read.access.span.start && read.access.span.end <= write.access.span.end
        };
        let same = |write: &&Candidate<'_>| {
            write.access.how == How::MapInsert
                && (write.node, write.home, write.access.body) == (read.node, read.home, read.access.body)
                && around(write)
                && write.locks == read.locks
        };
        let lookup = read.access.how == How::MapLookup;
        self.candidates.iter().find(same).filter(|_| lookup).unwrap_or(read)
    }

    /// Whether an access lacks what others have: the guard, or any lock at all.
    fn is_suspect(&self, candidate: &Candidate<'_>) -> bool {
        if candidate.locks.iter().any(|held| held.key == LockKey::Unknown) {
            return false;
        }
        let guard = self.guard.and_then(|guard| guard.lock.as_ref());
        if let Some(early) = &candidate.early {
            // What was released early has to be what the helper asks for.
            return guard.is_some_and(|lock| early.dropped.iter().any(|held| held.is_of(lock)));
        }
        match guard {
            Some(lock) => !candidate
                .locks
                .iter()
                .any(|held| held.is_of(lock) && (held.exclusive || !candidate.access.write)),
            None => candidate.locks.iter().all(Held::is_certain),
        }
    }

    /// The access that goes worst with a suspect one, and why they may run at once.
    fn partner(&self, blamed: &Candidate<'_>) -> Option<(&Candidate<'_>, Evidence)> {
        let mut best: Option<(Rank, &Candidate<'_>, Evidence)> = None;
        for other in self.candidates {
            let same = std::ptr::eq(other.access, blamed.access);
            if !(blamed.access.write || other.access.write) || exclude(&blamed.locks, &other.locks) {
                continue;
            }
            let Some(evidence) = self.evidence(blamed, other, same) else { continue };
            let parallel = matches!(evidence, Evidence::Origins(..));
            let rank = (parallel, !other.locks.is_empty(), other.access.write, Reverse(other.calls.len()));
            if best.as_ref().is_none_or(|(known, ..)| rank > *known) {
                best = Some((rank, other, evidence));
            }
        }
        best.map(|(_, other, evidence)| (other, evidence))
    }

    fn evidence(&self, a: &Candidate<'_>, b: &Candidate<'_>, same: bool) -> Option<Evidence> {
        for &one in self.contexts.of(a.node) {
            for &other in self.contexts.of(b.node) {
                if self.run_at_once(one, other) {
                    return Some(Evidence::Origins(one, other));
                }
            }
        }
        if self.served {
            let handler = |candidate: &Candidate<'_>| {
                let mut origins = self.contexts.of(candidate.node).iter().copied();
                origins.find(|&origin| self.contexts.origin(origin).kind == OriginKind::Handler)
            };
            if let (Some(one), Some(other)) = (handler(a), handler(b)) {
                return Some(Evidence::Served(one, other));
            }
        }
        let apart = !same || self.holds_for_reading(a);
        if !self.is_reached_from_outside(a) {
            return None;
        }
        if apart && self.is_guarded_elsewhere() {
            return Some(Evidence::Guarded);
        }
        (self.carries && self.is_reached_from_outside(b)).then_some(Evidence::Carries)
    }

    /// Whether a write holds the guard for reading only: others may do the same at the same time.
    fn holds_for_reading(&self, candidate: &Candidate<'_>) -> bool {
        let guard = self.guard.filter(|guard| guard.near).and_then(|guard| guard.lock.as_ref());
        candidate.access.write
            && candidate.locks.iter().any(|held| {
                !held.exclusive && matches!(&held.key, LockKey::Known(lock) if Some(lock) == guard)
            })
    }

    /// Whether goroutines of two origins run at the same time.
    fn run_at_once(&self, one: OriginId, other: OriginId) -> bool {
        let (a, b) = (self.contexts.origin(one), self.contexts.origin(other));
        let global = matches!(self.key, MemoryKey::Global(..));
        match (a.kind, b.kind) {
            (OriginKind::Handler, OriginKind::Handler) => {
                global
                    || self.belongs_to(a.begins) && (one == other || self.same_receiver(a.begins, b.begins))
            }
            (OriginKind::Goroutine(many), OriginKind::Goroutine(_)) if one == other => many && global,
            (OriginKind::Goroutine(_), OriginKind::Goroutine(_)) => {
                // What one function starts, the scope of that function shows better.
                a.started.map(|(node, _)| node) != b.started.map(|(node, _)| node)
                    && (global || self.belongs_to(a.begins) && self.same_receiver(a.begins, b.begins))
            }
            (OriginKind::Goroutine(_), OriginKind::Entry(exported)) => self.outlives(one, other, exported),
            (OriginKind::Entry(exported), OriginKind::Goroutine(_)) => self.outlives(other, one, exported),
            (OriginKind::Handler, OriginKind::Entry(exported))
            | (OriginKind::Entry(exported), OriginKind::Handler) => {
                exported && (global || self.belongs_to(a.begins) && self.same_receiver(a.begins, b.begins))
            }
            (OriginKind::Handler, OriginKind::Goroutine(_))
            | (OriginKind::Goroutine(_), OriginKind::Handler) => {
                global || self.belongs_to(a.begins) && self.same_receiver(a.begins, b.begins)
            }
            (OriginKind::Callback, OriginKind::Goroutine(_))
            | (OriginKind::Goroutine(_), OriginKind::Callback) => {
                let apart = a.started.map(|(node, _)| node) != b.started.map(|(node, _)| node);
                global && apart || self.are_methods_of_owner(a.begins, b.begins)
            }
            (OriginKind::Callback, OriginKind::Handler) | (OriginKind::Handler, OriginKind::Callback) => {
                global || self.are_methods_of_owner(a.begins, b.begins)
            }
            (OriginKind::Callback | OriginKind::Entry(_), OriginKind::Callback | OriginKind::Entry(_)) => {
                false
            }
        }
    }

    /// Whether a goroutine goes on while an exported function is called that is not the one that started it.
    fn outlives(&self, goroutine: OriginId, entry: OriginId, exported: bool) -> bool {
        let Some((starter, _)) = self.contexts.origin(goroutine).started else { return false };
        let begins = self.contexts.origin(entry).begins;
        let apart = !self.contexts.of(starter).contains(&entry);
        exported && apart && self.same_owner(begins) && self.same_owner_or_literal(starter, goroutine)
    }

    /// Whether the memory is shared by what a goroutine or handler begins with: a field of its receiver's type, or one
    /// that the program guards, and so shares.
    fn belongs_to(&self, begins: NodeRef) -> bool {
        self.same_owner(begins) || self.guard.is_some_and(|guard| guard.lock.is_some() && guard.near)
    }

    /// Whether what an origin begins with is a method of the memory's own type: then it is the same object for all that
    /// the origin does; others may have one each.
    fn begins_with_owner(&self, origin: OriginId) -> bool {
        self.same_owner(self.contexts.origin(origin).begins)
    }

    /// Whether a function is a method of the type that the field belongs to, or in the variable's package.
    fn same_owner(&self, node: NodeRef) -> bool {
        let unit = unit_of(self.context, node);
        match self.key {
            MemoryKey::Global(object, ..) => unit.package == object.package,
            MemoryKey::Field(owner, ..) => receiver(self.context, node) == Some(*owner),
        }
    }

    fn same_owner_or_literal(&self, starter: NodeRef, goroutine: OriginId) -> bool {
        self.same_owner(starter) || self.same_owner(self.contexts.origin(goroutine).begins)
    }

    /// Whether both are methods, not literals in them, of the type that the field belongs to.
    fn are_methods_of_owner(&self, a: NodeRef, b: NodeRef) -> bool {
        a.node == 0 && b.node == 0 && self.same_owner(a) && self.same_owner(b)
    }

    fn same_receiver(&self, a: NodeRef, b: NodeRef) -> bool {
        let (one, other) = (receiver(self.context, a), receiver(self.context, b));
        one.is_some() && one == other
    }

    /// Whether the type guards this memory often enough to mean it.
    fn is_guarded_elsewhere(&self) -> bool {
        self.guard.is_some_and(|guard| {
            let few = self.maps && guard.guarded >= 1 && guard.total <= 3;
            // Who only happens to hold another object's lock says nothing of those who don't.
            let often = guard.near && (guard.guarded >= 2 && guard.at_least(50) || few);
            guard.stated.is_some() || guard.lock.is_some() && often
        })
    }

    /// Whether this is a map of a struct with a mutex that no access ever holds.
    fn is_unguarded_in_locked_type(&self) -> bool {
        let MemoryKey::Field(owner, ..) = self.key else { return false };
        let locked =
            self.candidates.iter().flat_map(|candidate| &candidate.locks).any(|held| match &held.key {
                LockKey::Known(lock) | LockKey::Perhaps(lock) => {
                    relation(self.context, lock, self.key) == Some(Relation::Beside)
                }
                LockKey::Unknown => true,
            });
        let functions = self.candidates.iter().map(|candidate| candidate.home).collect::<HashSet<_>>().len();
        let looked_up = |write: &Candidate<'_>| {
            self.candidates.iter().any(|other| !other.access.write && other.home == write.home)
        };
        let writer = self.candidates.iter().find(|candidate| candidate.access.write);
        let prepared = writer
            .is_none_or(|writer| prepares(self.context.program, unit_of(self.context, writer.home).func));
        let several = functions >= 2 || writer.is_some_and(looked_up);
        self.maps && !locked && !prepared && several && carries_lock(self.context, *owner)
    }

    /// Whether this is a map of a type without a mutex, that no access takes a lock for, in objects that are made before
    /// there are handlers.
    fn is_served_without_lock(&self) -> bool {
        let MemoryKey::Field(owner, ..) = self.key else { return false };
        let bare = self.candidates.iter().all(|candidate| candidate.locks.is_empty());
        self.maps && bare && !carries_lock(self.context, *owner) && self.contexts.is_made_once(*owner)
    }

    fn is_reached_from_outside(&self, candidate: &Candidate<'_>) -> bool {
        self.contexts
            .of(candidate.node)
            .iter()
            .any(|&origin| !matches!(self.contexts.origin(origin).kind, OriginKind::Entry(false)))
    }

    /// An error where two origins run at once, or the guard is beyond doubt; a warning where one of the two is weak.
    fn severity(&self, blamed: &Candidate<'_>, evidence: Evidence) -> Option<Severity> {
        let map = self.maps && blamed.access.how.is_map();
        let stated = self.guard.is_some_and(|guard| guard.stated.is_some());
        let strong = self.guard.is_some_and(|guard| guard.guarded >= 3 && guard.at_least(75) && guard.near);
        let strongly = self.guard.is_some_and(|guard| guard.at_least(80));
        let some = self.guard.is_some_and(|guard| guard.lock.is_some() && guard.at_least(50));
        let initial = self.guard.is_some_and(|guard| guard.initial) && !stated
            || blamed.access.write && blamed.is_initial(self.context);
        let parallel = matches!(evidence, Evidence::Origins(..));
        let generated = self.contexts.is_generated(self.context, blamed.home);
        if generated && !parallel || self.has_replaced(blamed) {
            return None;
        }
        if !map {
            return (stated && strong).then_some(Severity::Warning);
        }
        if initial || generated {
            return Some(Severity::Warning);
        }
        let sure = match evidence {
            _ if blamed.early.is_some() || self.holds_for_reading(blamed) => true,
            Evidence::Origins(one, other) => {
                let own = self.begins_with_owner(one) || self.begins_with_owner(other);
                let meant = stated || some && (own || strongly);
                meant && !self.is_started_by(one, other)
            }
            Evidence::Guarded | Evidence::Carries | Evidence::Served(..) => strong && blamed.access.write,
        };
        Some(if sure { Severity::Error } else { Severity::Warning })
    }

    /// Whether writers fill a new map, which they have put in place of the old one whatever the conditions, and the
    /// access is to a map that was read from the field before: the old one is not disturbed.
    fn has_replaced(&self, blamed: &Candidate<'_>) -> bool {
        let span = blamed.access.span;
        let reads_field = |(node, access): &(NodeRef, &FieldAccess)| {
            *node == blamed.home && span.start <= access.span.start && access.span.end <= span.end
        };
        let replaces = |write: &Candidate<'_>| {
            self.whole.iter().any(|(node, access)| {
                access.write
                    && *node == write.home
                    && access.position < write.access.position
                    && access.conditions <= write.access.conditions
            })
        };
        let mut writes = self.candidates.iter().filter(|candidate| candidate.access.write);
        !self.whole.iter().any(reads_field) && writes.all(replaces)
    }

    /// Whether one of two goroutines starts the other: then much of the one happens before the other, and what does not
    /// is for the scope of that function to say.
    fn is_started_by(&self, one: OriginId, other: OriginId) -> bool {
        let starts = |a: OriginId, b: OriginId| {
            let started = self.contexts.origin(b).started;
            started.is_some_and(|(node, _)| self.contexts.of(node).contains(&a))
        };
        starts(one, other) || starts(other, one)
    }
}

/// The type whose method a node is, or is a literal of.
fn receiver(context: &ProgramContext<'_>, node: NodeRef) -> Option<crate::types::ObjectId> {
    let func = unit_of(context, node).func?;
    match context.program.object(context.program.function(func)).kind {
        crate::types::ObjectKind::Method { receiver, .. } => receiver,
        _ => None,
    }
}

/// Whether a struct has a mutex among its fields.
fn carries_lock(context: &ProgramContext<'_>, owner: crate::types::ObjectId) -> bool {
    let ty = context.program.underlying(&context.program.object_type(owner));
    let Type::Struct(structure) = &ty else { return false };
    structure.fields.iter().any(|field| {
        let shown = context.program.display(field.ty.strip_pointer()).to_string();
        shown == "sync.Mutex" || shown == "sync.RWMutex"
    })
}
