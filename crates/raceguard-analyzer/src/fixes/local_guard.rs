//! Taking a local mutex that the other access holds.

use super::function_tree::{FunctionTree, PathRoot};
use super::hold_lock::{Lock, hold};
use crate::finding::{Finding, Fix};
use crate::rules::ProgramContext;
use crate::types::{LocalId, LocalKind};

/// Takes the one mutex that is held at the other access, if it is a variable of the same function.
pub(super) fn fix(context: &ProgramContext<'_>, finding: &Finding) -> Option<Fix> {
    let [bare, other] = finding.sites.as_slice() else { return None };
    let ([], [held]) = (bare.locks.as_slice(), other.locks.as_slice()) else { return None };
    if !bare.calls.is_empty() || held.contains([' ', '.', '[']) {
        return None;
    }
    let tree = FunctionTree::at(context, bare.location)?;
    let mut known = tree.info.locals.iter().zip(0..).filter(|(local, _)| local.name.as_str() == held);
    let (Some((lock, id)), None) = (known.next(), known.next()) else { return None };
    let ty = context.program.display(lock.ty.strip_pointer()).to_string();
    if !matches!(ty.as_str(), "sync.Mutex" | "sync.RWMutex") || lock.kind != LocalKind::Var {
        return None;
    }
    let other_tree = FunctionTree::at(context, other.location)?;
    if !std::ptr::eq(other_tree.unit, tree.unit) {
        return None;
    }
    let read = ty == "sync.RWMutex" && !bare.write;
    let lock = Lock { text: held.clone(), root: PathRoot::Local(LocalId(id)), read };
    Some(Fix { title: format!("hold {held} here"), edits: hold(&tree, &[bare.location.span], &lock)? })
}
