//! What a condition says of `null`: which paths can't be null where it holds, or where it doesn't.

use cel::IdedExpr;
use cel::common::ast::{Expr, LiteralValue, operators};

/// `coverage.changed_percent`, where an expression is such a path.
pub(super) fn path(expression: &IdedExpr) -> Option<String> {
    match &expression.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => Some(format!("{}.{}", path(&select.operand)?, select.field)),
        _ => None,
    }
}

/// The paths that are not null where the expression is `outcome`.
pub(super) fn not_null(expression: &IdedExpr, outcome: bool) -> Vec<String> {
    let Expr::Call(call) = &expression.expr else { return Vec::new() };
    let both = || {
        let mut paths = not_null(&call.args[0], outcome);
        paths.extend(not_null(&call.args[1], outcome));
        paths
    };
    match (call.func_name.as_str(), outcome, call.args.len()) {
        (operators::LOGICAL_NOT, _, 1) => not_null(&call.args[0], !outcome),
        (operators::LOGICAL_AND, true, 2) | (operators::LOGICAL_OR, false, 2) => both(),
        (operators::NOT_EQUALS, true, 2) | (operators::EQUALS, false, 2) => {
            compared_with_null(&call.args[0], &call.args[1]).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn compared_with_null(left: &IdedExpr, right: &IdedExpr) -> Option<String> {
    match (is_null(left), is_null(right)) {
        (false, true) => path(left),
        (true, false) => path(right),
        _ => None,
    }
}

fn is_null(expression: &IdedExpr) -> bool {
    matches!(&expression.expr, Expr::Literal(LiteralValue::Null))
}
