//! Which lock guards a field: by what the source says, or by what most accesses do.

use foldhash::{HashMap, HashMapExt as _};

use super::candidates::Candidate;
use super::key::{LockKey, MemoryKey};
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
    key: &MemoryKey,
    candidates: &[Candidate<'_>],
) -> Option<Guard> {
    let stated = stated(context, key);
    let mut counts: HashMap<&MemoryKey, usize> = HashMap::new();
    for candidate in candidates.iter().filter(|candidate| is_known(candidate)) {
        let mut seen: Vec<&MemoryKey> = Vec::new();
        for held in &candidate.locks {
            if let LockKey::Known(lock) = &held.key
                && !seen.contains(&lock)
            {
                seen.push(lock);
                *counts.entry(lock).or_default() += 1;
            }
        }
    }
    let said = stated.as_ref().map(|(name, _)| *name);
    let names = |lock: &MemoryKey| match lock {
        MemoryKey::Field(_, fields, _) => fields.last().copied(),
        MemoryKey::Global(object, fields, _) => {
            fields.last().copied().or_else(|| Some(context.program.object(*object).name))
        }
    };
    let mut ranked: Vec<(&MemoryKey, usize)> = counts.into_iter().collect();
    ranked.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let chosen = match said {
        Some(name) => ranked.iter().find(|(lock, _)| names(lock) == Some(name)),
        // A lock guards what lies beside it: in the same struct, or the same package.
        None => ranked.iter().find(|(lock, _)| is_near(context, lock, key)).or_else(|| ranked.first()),
    };
    if chosen.is_none() && stated.is_none() {
        return None;
    }
    let near = chosen.is_some_and(|(lock, _)| is_near(context, lock, key));
    Some(Guard {
        near,
        lock: chosen.map(|(lock, _)| (*lock).clone()),
        guarded: chosen.map_or(0, |(_, count)| *count),
        total: candidates.iter().filter(|candidate| is_known(candidate)).count(),
        stated: stated.map(|(_, text)| text),
    })
}

/// Whether all locks that are held at an access are known.
fn is_known(candidate: &Candidate<'_>) -> bool {
    candidate.locks.iter().all(|held| held.key != LockKey::Unknown)
}

fn is_near(context: &ProgramContext<'_>, lock: &MemoryKey, key: &MemoryKey) -> bool {
    match (lock, key) {
        (MemoryKey::Field(a, ..), MemoryKey::Field(b, ..)) => a == b,
        (MemoryKey::Global(a, ..), MemoryKey::Global(b, ..)) => {
            context.program.object(*a).file == context.program.object(*b).file && a.package == b.package
        }
        _ => false,
    }
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
