//! Which lock guards a field: by what the source says, or by what most accesses do.

use foldhash::{HashMap, HashMapExt as _};

use super::candidates::Candidate;
use super::contexts::Contexts;
use super::key::{LockKey, MemoryKey};
use super::relation::{Relation, relation};
use crate::rules::ProgramContext;
use crate::syntax::name::Name;
use crate::types::{ObjectId, Type};

/// The lock that guards some memory.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    /// Which; none if the source names one that no access holds.
    pub(super) lock: Option<MemoryKey>,
    /// Accesses under it.
    pub(super) guarded: usize,
    /// All accesses.
    pub(super) total: usize,
    /// Whether it lies beside the memory: in the same struct, or for variables in the same file.
    pub(super) near: bool,
    /// Whether it may be the lock of an initialisation: no more than one function takes it, or all writes under it
    /// belong to one. Then it keeps those apart, and says little of others.
    pub(super) initial: bool,
    /// What the source says of it.
    pub(super) stated: Option<String>,
}

impl Guard {
    /// Whether at least this share of the accesses, in percent, is under the lock.
    pub(super) const fn at_least(&self, percent: usize) -> bool {
        self.guarded * 100 >= self.total * percent
    }
}

/// The guard of some memory, if there is one.
pub(super) fn guard(
    context: &ProgramContext<'_>,
    contexts: &Contexts,
    key: &MemoryKey,
    candidates: &[Candidate<'_>],
) -> Option<Guard> {
    let stated = stated(context, key);
    let counted: Vec<&Candidate<'_>> = candidates
        .iter()
        .filter(|candidate| is_known(candidate) && !contexts.is_generated(context, candidate.home))
        .collect();
    let said = stated.as_ref().map(|(name, _)| *name);
    let names = |lock: &MemoryKey| match lock {
        MemoryKey::Field(_, fields, _) => fields.last().copied(),
        MemoryKey::Global(object, fields, _) => {
            fields.last().copied().or_else(|| Some(context.program.object(*object).name))
        }
    };
    let ranked = ranked(context, contexts, key, &counted);
    let chosen = match said {
        Some(name) => ranked.iter().find(|(lock, ..)| names(lock) == Some(name)),
        None => ranked.first(),
    };
    if chosen.is_none() && stated.is_none() {
        return None;
    }
    Some(Guard {
        near: chosen.is_some_and(|(_, relation, _)| *relation == Relation::Beside),
        initial: chosen
            .is_some_and(|(lock, ..)| contexts.takers(lock) < 2 || is_initial_lock(context, lock, &counted)),
        lock: chosen.map(|(lock, ..)| (*lock).clone()),
        guarded: chosen.map_or(0, |(.., count)| *count),
        total: counted.len(),
        stated: stated.map(|(_, text)| text),
    })
}

/// The locks that may guard the memory and are held at accesses: the nearest first, then by how many hold them. A lock
/// farther away counts only if some write holds it exclusively; one that nobody ever takes exclusively guards nothing.
fn ranked<'f>(
    context: &ProgramContext<'_>,
    contexts: &Contexts,
    key: &MemoryKey,
    candidates: &[&'f Candidate<'_>],
) -> Vec<(&'f MemoryKey, Relation, usize)> {
    let mut counts: HashMap<&MemoryKey, (usize, bool)> = HashMap::new();
    for candidate in candidates {
        let mut seen: Vec<&MemoryKey> = Vec::new();
        for held in &candidate.locks {
            let LockKey::Known(lock) = &held.key else { continue };
            let (count, written) = counts.entry(lock).or_default();
            *written |= held.exclusive && candidate.access.write;
            if !seen.contains(&lock) {
                seen.push(lock);
                *count += 1;
            }
        }
    }
    let mut ranked: Vec<(&MemoryKey, Relation, usize)> = counts
        .into_iter()
        .filter_map(|(lock, (count, written))| {
            let relation = relation(context, lock, key)?;
            let excludes = written || relation == Relation::Beside && contexts.is_taken_exclusively(lock);
            excludes.then_some((lock, relation, count))
        })
        .collect();
    ranked.sort_unstable_by(|a, b| a.1.cmp(&b.1).then(b.2.cmp(&a.2)).then_with(|| a.0.cmp(b.0)));
    ranked
}

/// Whether all writes under a lock are parts of an initialisation.
fn is_initial_lock(context: &ProgramContext<'_>, lock: &MemoryKey, candidates: &[&Candidate<'_>]) -> bool {
    let under = |candidate: &&&Candidate<'_>| candidate.locks.iter().any(|held| held.is_of(lock));
    let mut writes = candidates.iter().filter(|candidate| candidate.access.write).filter(under).peekable();
    writes.peek().is_some() && writes.all(|candidate| candidate.is_initial(context))
}

/// Whether all locks that are held at an access are known.
fn is_known(candidate: &Candidate<'_>) -> bool {
    candidate.locks.iter().all(super::key::Held::is_certain)
}

/// The lock that a field's comment names, and the words it says it with.
fn stated(context: &ProgramContext<'_>, key: &MemoryKey) -> Option<(Name, String)> {
    let comment = match key {
        MemoryKey::Field(owner, fields, _) => field_comment(context, *owner, *fields.first()?)?,
        MemoryKey::Global(object, ..) => context.program.object_comment(*object),
    };
    let lower = comment.to_lowercase();
    for mark in ["guarded by ", "protected by ", "guards:", "+checklocks:", "guarded_by(", "protects by "] {
        let Some(at) = lower.find(mark) else { continue };
        let rest = comment.get(at + mark.len()..)?;
        let name = rest
            .trim_start_matches(['`', '"', '\'', '(', '*', '&'])
            .split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.')
            .next()?;
        let last = name.rsplit('.').next().filter(|last| !last.is_empty())?;
        let plausible = !["the", "a", "an", "its", "this", "same", "lock", "mutex"]
            .contains(&last.to_lowercase().as_str())
            || ["lock", "mutex"].contains(&last);
        if plausible && !last.is_empty() {
            return Some((Name::new(last), format!("{mark}{name}")));
        }
    }
    None
}

fn field_comment(context: &ProgramContext<'_>, owner: ObjectId, field: Name) -> Option<String> {
    let ty = context.program.object_type(owner);
    let underlying = context.program.underlying(&ty);
    let Type::Struct(structure) = &underlying else { return None };
    let index = structure.fields.iter().position(|known| known.name == field)?;
    Some(context.program.field_comment(structure, u32::try_from(index).ok()?))
}
