//! How much work an expression can be at most, told before it is evaluated.
//!
//! CEL has no loops but those over lists, and every list is bounded: a literal by its text, one in a fact by
//! [`LIST_LENGTH`]. So the work is bounded by a walk over the expression, which multiplies where loops are nested.

use cel::IdedExpr;
use cel::common::ast::{EntryExpr, Expr, operators};

/// Elements that a list in a fact may have where the cost of conditions matters.
pub(crate) const LIST_LENGTH: u64 = 32;

/// Steps that a regular expression counts for: it is compiled, and looks at each character.
const REGULAR_EXPRESSION: u64 = 500;

/// How deep an expression may be nested; walks over it are recursive.
pub(super) const MAX_DEPTH: u32 = 300;

/// What an expression costs at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Cost {
    /// Nodes that are evaluated, those in loops as often as the loops run. Saturates.
    pub(super) steps: u64,
    /// Nodes above the deepest one.
    pub(super) depth: u32,
}

impl Cost {
    /// Both, one after the other.
    fn and(self, other: Self) -> Self {
        Self { steps: self.steps.saturating_add(other.steps), depth: self.depth.max(other.depth) }
    }

    fn times(self, times: u64) -> Self {
        Self { steps: self.steps.saturating_mul(times), ..self }
    }
}

/// The cost of an expression.
pub(super) fn of(expression: &IdedExpr) -> Cost {
    at(expression, 0)
}

fn at(expression: &IdedExpr, depth: u32) -> Cost {
    let own = Cost { steps: 1, depth };
    if depth > MAX_DEPTH {
        // Refused in any case, so that what lies deeper does not matter.
        return own;
    }
    let below = |parts: &mut dyn Iterator<Item = &IdedExpr>| {
        parts.fold(Cost::default(), |sum, part| sum.and(at(part, depth + 1)))
    };
    let parts = match &expression.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Cost::default(),
        Expr::Select(select) => below(&mut std::iter::once(&*select.operand)),
        Expr::Call(call) => {
            let extra = if call.func_name == "matches" { REGULAR_EXPRESSION } else { 0 };
            let parts = below(&mut call.target.as_deref().into_iter().chain(&call.args));
            parts.and(Cost { steps: extra, depth })
        }
        Expr::List(list) => below(&mut list.elements.iter()),
        Expr::Map(map) => {
            map.entries.iter().fold(Cost::default(), |sum, entry| sum.and(of_entry(&entry.expr, depth)))
        }
        Expr::Struct(made) => {
            made.entries.iter().fold(Cost::default(), |sum, entry| sum.and(of_entry(&entry.expr, depth)))
        }
        Expr::Comprehension(it) => {
            let once = below(&mut [&it.iter_range, &it.accu_init, &it.result].into_iter());
            let looped = below(&mut [&it.loop_cond, &it.loop_step].into_iter());
            once.and(looped.times(length(&it.iter_range)))
        }
    };
    own.and(parts)
}

fn of_entry(entry: &EntryExpr, depth: u32) -> Cost {
    match entry {
        EntryExpr::StructField(field) => at(&field.value, depth + 1),
        EntryExpr::MapEntry(entry) => at(&entry.key, depth + 1).and(at(&entry.value, depth + 1)),
    }
}

/// How many elements a list has at most.
fn length(list: &IdedExpr) -> u64 {
    match &list.expr {
        Expr::List(list) => list.elements.len() as u64,
        Expr::Comprehension(made) => length(&made.iter_range),
        Expr::Call(call) if call.func_name == operators::ADD => {
            call.args.iter().fold(0, |sum: u64, part| sum.saturating_add(length(part)))
        }
        _ => LIST_LENGTH,
    }
}

#[cfg(test)]
mod tests {
    use cel::parser::Parser;

    use super::*;

    fn cost(source: &str) -> Cost {
        of(&Parser::default().parse(source).unwrap())
    }

    #[test]
    fn loops_multiply() {
        let one = cost("a.exists(x, x == 'b')").steps;
        let two = cost("a.exists(x, a.exists(y, x == y))").steps;
        let three = cost("a.exists(x, a.exists(y, a.exists(z, x == y + z)))").steps;
        assert!(one > LIST_LENGTH && two > LIST_LENGTH * one / 2 && three > LIST_LENGTH * two / 2);
        assert!(cost("[1, 2].exists(x, x > 1)").steps < one);
        assert!(cost("a.matches('x')").steps > REGULAR_EXPRESSION);
    }

    #[test]
    fn a_list_is_never_shorter_than_it_is_taken_for() {
        assert_eq!(length(&Parser::default().parse("[1, 2] + [3]").unwrap()), 3);
        assert_eq!(length(&Parser::default().parse("[1, 2].map(x, x + 1)").unwrap()), 2);
        assert_eq!(length(&Parser::default().parse("a + a").unwrap()), 2 * LIST_LENGTH);
    }

    #[test]
    fn depth_is_told() {
        assert_eq!(cost("a").depth, 0);
        assert!(cost(&["a"; 100].join(" + ")).depth >= 6);
    }
}
