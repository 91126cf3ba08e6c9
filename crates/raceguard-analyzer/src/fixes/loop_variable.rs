//! RG205: a variable of its own for each iteration.

use super::function_tree::FunctionTree;
use crate::finding::{Finding, Fix};
use crate::rules::ProgramContext;
use crate::syntax::ast::{AssignOp, Block, ExprId, ExprKind, StmtKind};
use crate::syntax::span::Span;
use crate::types::{Entity, LocalId, LocalKind};

/// `i := i` at the beginning of the loop's body, which does not change the variable itself.
pub(super) fn fix(context: &ProgramContext<'_>, finding: &Finding) -> Option<Fix> {
    let captured = finding.sites.iter().find(|site| !site.write).or(finding.sites.first())?;
    let tree = FunctionTree::at(context, captured.location)?;
    let name = finding.subject.rsplit(' ').next()?;
    let variable = tree.exprs_in(captured.location.span).find_map(|(id, _)| match tree.info.entity(id) {
        Entity::Local(local) if tree.info.locals[local.0 as usize].name.as_str() == name => Some(local),
        _ => None,
    })?;
    let local = &tree.info.locals[variable.0 as usize];
    if !matches!(local.kind, LocalKind::ForVar | LocalKind::RangeVar) {
        return None;
    }
    let body = body_of_loop(&tree, local.span)?;
    if is_changed(&tree, variable, body.span) {
        return None;
    }
    let first = tree.arena[*body.stmts.first()?].span;
    let indent = tree.indent(first.start)?;
    let edits = vec![tree.insert(first.start, format!("{name} := {name}\n{indent}"))];
    Some(Fix { title: format!("give each iteration a {name} of its own"), edits })
}

/// The body of the loop that declares a variable here.
fn body_of_loop<'t>(tree: &'t FunctionTree<'_>, declared: Span) -> Option<&'t Block> {
    let whole = tree.unit.bodies[0].span;
    let mut loops: Vec<(Span, &Block)> = tree
        .stmts_in(whole)
        .filter_map(|(_, stmt)| match &stmt.kind {
            StmtKind::For(inner) => Some((stmt.span, &inner.body)),
            StmtKind::Range(inner) => Some((stmt.span, &inner.body)),
            _ => None,
        })
        .filter(|(span, body)| span.contains(declared.start) && declared.start < body.span.start)
        .collect();
    loops.sort_by_key(|(span, _)| span.end - span.start);
    loops.first().map(|(_, body)| *body)
}

/// Whether the body assigns to the variable, or takes its address.
fn is_changed(tree: &FunctionTree<'_>, variable: LocalId, body: Span) -> bool {
    let is_it = |expr: ExprId| tree.info.entity(expr) == Entity::Local(variable);
    let assigned = tree.stmts_in(body).any(|(_, stmt)| match &stmt.kind {
        StmtKind::IncDec(expr, _) => is_it(*expr),
        StmtKind::Assign(assign) => {
            let defines = |lhs: ExprId| assign.op == AssignOp::Define && tree.info.definition(lhs).is_some();
            assign.lhs.iter().any(|&lhs| is_it(lhs) && !defines(lhs))
        }
        _ => false,
    });
    assigned
        || tree.exprs_in(body).any(|(_, expr)| {
            matches!(expr.kind, ExprKind::Unary(crate::syntax::ast::UnaryOp::Address, inner) if is_it(inner))
        })
}
