//! Where to take and release a lock around places in a function.

use super::function_tree::{BlockKind, FunctionTree, PathRoot, Statements};
use super::under_lock::{Strictness, may_run};
use crate::finding::Edit;
use crate::syntax::ast::{BranchKind, ExprKind, StmtId, StmtKind};
use crate::syntax::span::Span;

/// A lock to hold.
#[derive(Debug, Clone)]
pub(super) struct Lock {
    /// As it is written: `c.mu`.
    pub(super) text: String,
    /// What this begins with.
    pub(super) root: PathRoot,
    /// Whether readers need not exclude each other.
    pub(super) read: bool,
}

impl Lock {
    fn lock(&self) -> String {
        format!("{}.{}()", self.text, if self.read { "RLock" } else { "Lock" })
    }

    fn unlock(&self) -> String {
        format!("{}.{}()", self.text, if self.read { "RUnlock" } else { "Unlock" })
    }
}

/// Holds a lock over all these places of one function at once. None if something there should not run under it.
pub(super) fn hold(tree: &FunctionTree<'_>, spans: &[Span], lock: &Lock) -> Option<Vec<Edit>> {
    let whole = spans.iter().copied().reduce(Span::to)?;
    let function = tree.function_around(*spans.first()?)?;
    if function.span.end < whole.end || function.span.start > whole.start {
        return None;
    }
    let (mut block, mut first, mut last) = tree.statements_around(spans)?;
    while let (BlockKind::Loop, 1) = (block.kind, block.stmts.len()) {
        // All a loop does is done under the lock: taking it once is enough.
        let Some(whole) = tree.loop_with(block).filter(|whole| may_hold_over(tree, lock, *whole)) else {
            break;
        };
        (block, first, last) = tree.statements_around(&[whole])?;
    }
    let span_of = |number: usize| tree.arena[block.stmts[number]].span;
    let stretch = span_of(first).to(span_of(last));
    if !is_known_before(tree, lock, stretch) {
        return None;
    }
    let to_end = Span::new(stretch.start, function.span.end);
    let at_top = block.span == function.span;
    let ends = last + 2 >= block.stmts.len();
    let rest_may_run = at_top && may_run(tree, to_end, Strictness::Strict);
    if first == 0 && ends && rest_may_run {
        return defer_from(tree, block, first, lock);
    }
    if !may_run(tree, stretch, Strictness::Strict) {
        return None;
    }
    if !is_left(tree, stretch) {
        return around(tree, stretch, lock);
    }
    let returns =
        matches!(tree.arena[block.stmts[last]].kind, StmtKind::Return(_)) && !jumps_out(tree, stretch);
    (rest_may_run || returns).then(|| defer_from(tree, block, first, lock))?
}

fn may_hold_over(tree: &FunctionTree<'_>, lock: &Lock, whole: Span) -> bool {
    tree.indent(whole.start).is_some()
        && is_known_before(tree, lock, whole)
        && !is_left(tree, whole)
        && may_run(tree, whole, Strictness::Strict)
}

/// Whether what the lock is reached through is there before the stretch, and the same all through it.
fn is_known_before(tree: &FunctionTree<'_>, lock: &Lock, stretch: Span) -> bool {
    let PathRoot::Local(root) = lock.root else { return true };
    let declared = tree.info.locals[root.0 as usize].span;
    let assigned = tree.stmts_in(stretch).any(|(_, stmt)| match &stmt.kind {
        StmtKind::Assign(assign) => assign.lhs.iter().any(|&lhs| {
            tree.root_of_path(lhs) == Some(lock.root) && matches!(tree.arena[lhs].kind, ExprKind::Name(_))
        }),
        _ => false,
    });
    declared.start < stretch.start && !assigned
}

/// Whether control may leave the statements other than at their end.
fn is_left(tree: &FunctionTree<'_>, stretch: Span) -> bool {
    let returns = own_stmts(tree, stretch).any(|stmt| matches!(tree.arena[stmt].kind, StmtKind::Return(_)));
    let stops = tree.calls_in(stretch).any(|(_, _, call)| {
        matches!(tree.expr_text(call.fun), "panic" | "os.Exit")
            || tree.expr_text(call.fun).ends_with(".Fatal")
            || tree.expr_text(call.fun).ends_with(".Fatalf")
    });
    returns || stops || jumps_out(tree, stretch)
}

fn jumps_out(tree: &FunctionTree<'_>, stretch: Span) -> bool {
    own_stmts(tree, stretch).any(|stmt| match &tree.arena[stmt].kind {
        StmtKind::Branch(BranchKind::Fallthrough, _) => false,
        StmtKind::Branch(BranchKind::Goto, _) | StmtKind::Branch(_, Some(_)) => true,
        StmtKind::Branch(kind, None) => {
            let at = tree.arena[stmt].span;
            !tree.stmts_in(stretch).any(|(_, outer)| {
                let takes = match outer.kind {
                    StmtKind::For(_) | StmtKind::Range(_) => true,
                    StmtKind::Switch(_) | StmtKind::TypeSwitch(_) | StmtKind::Select(_) => {
                        *kind == BranchKind::Break
                    }
                    _ => false,
                };
                takes && outer.span.start <= at.start && at.end <= outer.span.end
            })
        }
        _ => false,
    })
}

/// The statements of a stretch, those of function literals in it left out.
fn own_stmts<'t>(tree: &'t FunctionTree<'_>, stretch: Span) -> impl Iterator<Item = StmtId> + 't {
    let literals: Vec<Span> = tree
        .exprs_in(stretch)
        .filter_map(|(_, expr)| match &expr.kind {
            ExprKind::FuncLit(literal) => Some(literal.body.span),
            _ => None,
        })
        .collect();
    let own = move |span: Span| !literals.iter().any(|literal| literal.contains(span.start));
    tree.stmts_in(stretch).filter(move |(_, stmt)| own(stmt.span)).map(|(id, _)| id)
}

fn around(tree: &FunctionTree<'_>, stretch: Span, lock: &Lock) -> Option<Vec<Edit>> {
    let indent = tree.indent(stretch.start)?;
    let end = tree.line_end(stretch.end)?;
    Some(vec![
        tree.insert(stretch.start, format!("{}\n{indent}", lock.lock())),
        tree.insert(end, format!("\n{indent}{}", lock.unlock())),
    ])
}

/// Takes the lock before a statement and releases it when the function ends.
fn defer_from(tree: &FunctionTree<'_>, block: &Statements, first: usize, lock: &Lock) -> Option<Vec<Edit>> {
    let start = tree.arena[block.stmts[first]].span.start;
    if let Some(indent) = tree.indent(start) {
        let text = format!("{}\n{indent}defer {}\n{indent}", lock.lock(), lock.unlock());
        return Some(vec![tree.insert(start, text)]);
    }
    let one_line = !tree.text(block.span).contains('\n');
    if block.kind != BlockKind::Function || !one_line || block.stmts.len() != 1 {
        return None;
    }
    let indent = tree.indent_of_line(block.span.start);
    let statement = tree.text(tree.arena[block.stmts[0]].span);
    let text = format!(
        "{{\n{indent}\t{}\n{indent}\tdefer {}\n{indent}\t{statement}\n{indent}}}",
        lock.lock(),
        lock.unlock()
    );
    Some(vec![tree.replace(block.span, text)])
}
