//! RG208: `Add` before the goroutine starts.

use super::function_tree::{FunctionTree, PathRoot};
use crate::finding::{Finding, Fix};
use crate::rules::ProgramContext;
use crate::syntax::ast::{ExprKind, StmtKind};
use crate::syntax::span::Span;

/// Moves the call of `Add` that a goroutine begins with to before the `go` statement.
pub(super) fn fix(context: &ProgramContext<'_>, finding: &Finding) -> Option<Fix> {
    let add = finding.sites.iter().find(|site| site.action == "Add")?;
    let tree = FunctionTree::at(context, add.location)?;
    let (block, number, _) = tree.statements_around(&[add.location.span])?;
    let statement = tree.arena[block.stmts[number]].span;
    let StmtKind::Expr(expr) = tree.arena[block.stmts[number]].kind else { return None };
    let ExprKind::Call(call) = &tree.arena[expr].kind else { return None };
    let ExprKind::Selector(group, _) = tree.arena[call.fun].kind else { return None };
    let [count] = call.args.as_slice() else { return None };
    let start = started_by(&tree, block.span)?;
    // Both the group and the count must be known outside, and mean the same there.
    let literal = matches!(tree.arena[*count].kind, ExprKind::Literal(_));
    let declared_outside = match tree.root_of_path(group)? {
        PathRoot::Local(local) => tree.info.locals[local.0 as usize].span.start < start.start,
        PathRoot::Package => true,
    };
    if !literal || !declared_outside {
        return None;
    }
    let indent = tree.indent(start.start)?;
    let edits = vec![
        tree.insert(start.start, format!("{}\n{indent}", tree.text(statement))),
        tree.replace(tree.whole_line(statement)?, ""),
    ];
    Some(Fix { title: format!("call {}.Add before the goroutine starts", tree.expr_text(group)), edits })
}

/// The `go` statement that starts the function literal with this body.
fn started_by(tree: &FunctionTree<'_>, body: Span) -> Option<Span> {
    tree.stmts_in(tree.unit.bodies[0].span).find_map(|(_, stmt)| {
        let StmtKind::Go(expr) = stmt.kind else { return None };
        let ExprKind::Call(call) = &tree.arena[expr].kind else { return None };
        let ExprKind::FuncLit(literal) = &tree.arena[call.fun].kind else { return None };
        (literal.body.span == body).then_some(stmt.span)
    })
}
