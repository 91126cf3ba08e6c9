//! Simple statements: expressions, assignments, sends, increments; labels, since they begin like expressions.

use super::{ExprId, Parser, Stmt, StmtKind, TokenKind};
use crate::syntax::ast::{AssignOp, AssignStmt};

/// What may stand where a simple statement is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Simple {
    /// Nothing else.
    Plain,
    /// A label.
    LabelAllowed,
}

/// The clause `k, v := range x` of a `for` statement.
pub(super) struct RangeClause {
    pub(super) variables: Vec<ExprId>,
    pub(super) define: bool,
    pub(super) x: ExprId,
}

/// What stands in the header of a `for` statement.
pub(super) enum ForClause {
    Simple(Stmt),
    Range(RangeClause),
}

impl Parser<'_> {
    pub(super) fn simple_statement(&mut self, allowed: Simple) -> Stmt {
        let (start, first) = self.left_hand_side();
        if let Some(op) = self.lexer.token.kind.assignment_operator() {
            self.bump();
            return self.assignment(start, first, op);
        }
        self.single(start, first, allowed)
    }

    /// Parses a simple statement or the clause with `range`.
    pub(super) fn for_clause(&mut self) -> ForClause {
        let (start, first) = self.left_hand_side();
        let Some(op) = self.lexer.token.kind.assignment_operator() else {
            return ForClause::Simple(self.single(start, first, Simple::Plain));
        };
        self.bump();
        if !matches!(op, AssignOp::Assign | AssignOp::Define) || !self.eat(TokenKind::Range) {
            return ForClause::Simple(self.assignment(start, first, op));
        }
        let variables = self.take_exprs(first);
        ForClause::Range(RangeClause { variables, define: op == AssignOp::Define, x: self.expression() })
    }

    /// Parses the expressions that a simple statement begins with: its place, and where they begin on the stack.
    fn left_hand_side(&mut self) -> (u32, usize) {
        let start = self.lexer.token.span.start;
        (start, self.expression_list())
    }

    fn assignment(&mut self, start: u32, first: usize, op: AssignOp) -> Stmt {
        let right = self.expression_list();
        let rhs = self.take_exprs(right);
        let lhs = self.take_exprs(first);
        self.stmt(start, StmtKind::Assign(Box::new(AssignStmt { lhs, op, rhs })))
    }

    /// The rest of a statement with one expression on its left.
    fn single(&mut self, start: u32, first: usize, allowed: Simple) -> Stmt {
        let x = self.sole_expression(first);
        match self.lexer.token.kind {
            TokenKind::Colon => self.label(start, x, allowed),
            TokenKind::Arrow => {
                self.bump();
                let value = self.expression();
                self.stmt(start, StmtKind::Send(x, value))
            }
            TokenKind::Increment | TokenKind::Decrement => {
                let increment = self.at(TokenKind::Increment);
                self.bump();
                self.stmt(start, StmtKind::IncDec(x, increment))
            }
            _ => self.stmt(start, StmtKind::Expr(x)),
        }
    }

    /// The only expression on the stack from `first` on; if there are more, that is an error.
    pub(super) fn sole_expression(&mut self, first: usize) -> ExprId {
        let x = self.expr_stack[first];
        if self.expr_stack.len() > first + 1 {
            let span = self.span_of(x);
            self.error_expected(span, "1 expression");
        }
        self.expr_stack.truncate(first);
        x
    }

    fn label(&mut self, start: u32, x: ExprId, allowed: Simple) -> Stmt {
        let colon = self.lexer.token.span;
        self.bump();
        match self.as_ident(x) {
            Some(label) if allowed == Simple::LabelAllowed => self.labeled(label),
            _ => {
                self.error(colon, "illegal label declaration");
                self.stmt(start, StmtKind::Bad)
            }
        }
    }
}
