//! Taking the lock that guards a field or a package-level variable, where an access forgets it.

use super::deferred_unlock;
use super::function_tree::{FunctionTree, LockCall, PathRoot};
use super::hold_lock::{Lock, hold};
use crate::analysis::models::Effect;
use crate::finding::{Fix, Location};
use crate::rules::ProgramContext;
use crate::syntax::ast::{ExprId, ExprKind, StmtKind};
use crate::syntax::name::Name;
use crate::syntax::span::Span;
use crate::types::{ObjectId, Selection, Type};

/// Memory, the lock that guards it, and where that is not held.
#[derive(Debug)]
pub(crate) struct Unguarded<'a> {
    /// The struct type that both are fields of, or the package-level variable that the lock is.
    pub(crate) owner: ObjectId,
    /// Whether the lock is a package-level variable, or in one.
    pub(crate) global: bool,
    /// The field that is accessed.
    pub(crate) field: Option<Name>,
    /// The fields that lead to the lock.
    pub(crate) lock: &'a [Name],
    /// The access, or the call of a method that accesses it.
    pub(crate) place: Location,
    /// All of them in the same function, this one included.
    pub(crate) spans: Vec<Span>,
    /// Whether one of them writes.
    pub(crate) write: bool,
}

/// Takes the lock around the accesses.
pub(crate) fn fix(context: &ProgramContext<'_>, unguarded: &Unguarded<'_>) -> Option<Fix> {
    let kind = lock_kind(context, unguarded)?;
    let tree = FunctionTree::at(context, unguarded.place)?;
    let function = tree.function_around(unguarded.place.span)?.span;
    let own = |span: &&Span| tree.function_around(**span).is_some_and(|around| around.span == function);
    let spans: Vec<Span> = unguarded.spans.iter().filter(own).copied().collect();
    let mut lock = if unguarded.global {
        global_lock(&tree, unguarded)?
    } else {
        let base = base_of(&tree, unguarded, unguarded.place.span)?;
        let same = |&span: &Span| {
            base_of(&tree, unguarded, span).is_some_and(|other| tree.expr_text(other) == tree.expr_text(base))
        };
        // A lock of one object does nothing for the accesses to another.
        if !spans.iter().all(same) {
            return None;
        }
        field_lock(&tree, unguarded, base)?
    };
    lock.read = kind == LockKind::ReadWrite && !unguarded.write;
    let of_lock: Vec<LockCall> =
        tree.lock_calls(function).into_iter().filter(|call| call.lock == lock.text).collect();
    if of_lock.iter().any(|call| call.deferred) {
        return None;
    }
    if let [.., taken, released] = of_lock.as_slice()
        && released.span.end <= unguarded.place.span.start
        && tree.text(Span::new(taken.span.end, released.span.start)).trim().is_empty()
    {
        return deferred_unlock::defer_at_once(&tree, taken.span, released.span);
    }
    let title = format!("hold {} here", lock.text);
    let others = other_uses(&tree, unguarded, &lock, &of_lock, function);
    let all = [spans.as_slice(), &others].concat();
    let over = |spans: &[Span]| {
        let read = lock.read && !is_assigned(&tree, spans);
        hold(&tree, spans, &Lock { read, ..lock.clone() })
    };
    let edits = over(&all).or_else(|| over(&spans))?;
    Some(Fix { title, edits })
}

/// Whether something is written that is reached through one of the uses: `c.items`, `c.items[key].count`.
fn is_assigned(tree: &FunctionTree<'_>, uses: &[Span]) -> bool {
    let is_use = |expr: ExprId| {
        let span = tree.arena[expr].span;
        uses.iter().any(|used| used.start == span.start && used.end <= span.end)
    };
    tree.stmts_in(Span::new(0, u32::MAX)).any(|(_, stmt)| match &stmt.kind {
        StmtKind::Assign(assign) => assign.lhs.iter().any(|&lhs| is_use(lhs)),
        StmtKind::IncDec(expr, _) => is_use(*expr),
        _ => false,
    })
}

/// Other uses of the field in the function, outside of what the lock is held over already: to look whether it is nil,
/// or to set it.
fn other_uses(
    tree: &FunctionTree<'_>,
    unguarded: &Unguarded<'_>,
    lock: &Lock,
    of_lock: &[LockCall],
    function: Span,
) -> Vec<Span> {
    let Some(field) = unguarded.field.filter(|_| !unguarded.global) else { return Vec::new() };
    let held = |span: Span| {
        let before = of_lock.iter().rfind(|call| call.span.end <= span.start);
        before.is_some_and(|call| matches!(call.effect, Effect::Lock | Effect::ReadLock))
    };
    let uses = tree.exprs_in(function).filter_map(|(_, expr)| match &expr.kind {
        ExprKind::Selector(base, member) if member.name == field => {
            let same = lock.text.strip_prefix(tree.expr_text(*base));
            same.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')).then_some(expr.span)
        }
        _ => None,
    });
    uses.filter(|&span| !held(span))
        .filter(|&span| tree.function_around(span).is_some_and(|around| around.span == function))
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LockKind {
    Exclusive,
    ReadWrite,
}

fn lock_kind(context: &ProgramContext<'_>, unguarded: &Unguarded<'_>) -> Option<LockKind> {
    let program = context.program;
    let mut ty = program.object_type(unguarded.owner);
    for name in unguarded.lock {
        let Type::Struct(structure) = program.underlying(&ty) else { return None };
        ty = structure.fields.iter().find(|field| field.name == *name)?.ty.clone();
    }
    match program.display(ty.strip_pointer()).to_string().as_str() {
        "sync.Mutex" => Some(LockKind::Exclusive),
        "sync.RWMutex" => Some(LockKind::ReadWrite),
        _ => None,
    }
}

/// A package-level lock by its name, unless something in the function has the same.
fn global_lock(tree: &FunctionTree<'_>, unguarded: &Unguarded<'_>) -> Option<Lock> {
    let name = tree.context.program.object(unguarded.owner).name;
    if unguarded.owner.package != tree.unit.package || tree.info.locals.iter().any(|local| local.name == name)
    {
        return None;
    }
    let mut text = name.as_str().to_owned();
    for field in unguarded.lock {
        text = format!("{text}.{field}");
    }
    Some(Lock { text, root: PathRoot::Package, read: false })
}

fn field_lock(tree: &FunctionTree<'_>, unguarded: &Unguarded<'_>, base: ExprId) -> Option<Lock> {
    let root = tree.root_of_path(base)?;
    let mut text = tree.expr_text(base).to_owned();
    if !is_promoted(tree, unguarded) {
        let is_ours = unguarded.owner.package == tree.unit.package;
        if !is_ours && !unguarded.lock.iter().all(|field| field.is_exported()) {
            return None;
        }
        for field in unguarded.lock {
            text = format!("{text}.{field}");
        }
    }
    Some(Lock { text, root, read: false })
}

/// Whether the lock is embedded, so that its methods are the struct's own.
fn is_promoted(tree: &FunctionTree<'_>, unguarded: &Unguarded<'_>) -> bool {
    let program = tree.context.program;
    let owner = program.object_type(unguarded.owner);
    let from = unguarded.owner.package;
    let Selection::Method(method) = program.select(&owner, Name::new("Unlock"), from) else { return false };
    method.path.iter().map(|step| step.name).eq(unguarded.lock.iter().copied())
}

/// The struct that a field or method is selected from, in an access or a call.
fn base_of(tree: &FunctionTree<'_>, unguarded: &Unguarded<'_>, span: Span) -> Option<ExprId> {
    let of_owner = |expr: ExprId| {
        tree.info.type_of(expr).strip_pointer().named().is_some_and(|named| named == unguarded.owner)
    };
    let selected = tree.exprs_in(span).filter_map(|(id, expr)| match &expr.kind {
        ExprKind::Selector(base, member) if of_owner(*base) => {
            let wanted = match unguarded.field {
                Some(field) => member.name == field,
                None => is_called(tree, id),
            };
            wanted.then_some(*base)
        }
        _ => None,
    });
    let mut found: Option<ExprId> = None;
    for base in selected {
        if found.is_some_and(|known| tree.expr_text(known) != tree.expr_text(base)) {
            return None;
        }
        found = Some(base);
    }
    found
}

fn is_called(tree: &FunctionTree<'_>, selector: ExprId) -> bool {
    tree.calls_in(Span::new(0, u32::MAX)).any(|(_, _, call)| call.fun == selector)
}
