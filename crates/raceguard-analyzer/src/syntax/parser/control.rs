//! Statements with blocks: `if`, `switch`, `select`, `for`.

use super::simple_statements::{ForClause, RangeClause, Simple};
use super::{Block, ExprId, ExprKind, Ident, Parser, Span, Stmt, StmtId, StmtKind, TokenKind};
use crate::syntax::ast::{
    AssignOp, AssignStmt, CaseClause, CommClause, ForStmt, IfStmt, RangeStmt, SwitchStmt, TypeSwitchStmt,
};

impl Parser<'_> {
    /// Parses a header, in which `{` after a name opens the block.
    fn header<T>(&mut self, parse: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.expression_level, -1);
        let header = parse(self);
        self.expression_level = before;
        header
    }

    pub(super) fn if_statement(&mut self) -> Stmt {
        self.enter();
        let start = self.lexer.token.span.start;
        self.bump();
        let (init, cond) = self.if_header();
        let then = self.block();
        let otherwise = if self.eat(TokenKind::Else) { Some(self.otherwise()) } else { None };
        let stmt = IfStmt { init, cond, then, otherwise };
        let ends_with_if = otherwise.is_some_and(|id| matches!(self.arena[id].kind, StmtKind::If(_)));
        let end = otherwise.map_or(self.previous_end, |id| self.arena[id].span.end);
        let stmt = Stmt { kind: StmtKind::If(Box::new(stmt)), span: Span::new(start, end) };
        if !ends_with_if {
            self.expect_semicolon();
        }
        self.leave();
        stmt
    }

    /// Parses what follows `else`.
    fn otherwise(&mut self) -> StmtId {
        let start = self.lexer.token.span.start;
        let stmt = match self.lexer.token.kind {
            TokenKind::If => self.if_statement(),
            TokenKind::LeftBrace => {
                let block = self.block();
                self.stmt(start, StmtKind::Block(block))
            }
            _ => {
                self.error_expected(self.lexer.token.span, "if statement or block");
                self.bad_statement(start)
            }
        };
        self.add_stmt(stmt)
    }

    fn if_header(&mut self) -> (Option<StmtId>, ExprId) {
        if self.at(TokenKind::LeftBrace) {
            self.error(self.lexer.token.span, "missing condition in if statement");
            return (None, self.bad_expr_from(self.lexer.token.span.start));
        }
        self.header(|parser| {
            let first = parser.if_initializer();
            if let Some(first) = &first
                && parser.at(TokenKind::LeftBrace)
            {
                return (None, parser.as_expression(first, "boolean expression"));
            }
            let semicolon = parser.lexer.token;
            parser.expect(TokenKind::Semicolon);
            let init = first.map(|stmt| parser.add_stmt(stmt));
            if !parser.at(TokenKind::LeftBrace) {
                let cond = parser.simple_statement(Simple::Plain);
                return (init, parser.as_expression(&cond, "boolean expression"));
            }
            if semicolon.kind == TokenKind::Semicolon {
                let message = if semicolon.is_automatic_semicolon() {
                    "unexpected newline, expecting { after if clause"
                } else {
                    "missing condition in if statement"
                };
                parser.error(semicolon.span, message);
            }
            (init, parser.bad_expr_from(parser.lexer.token.span.start))
        })
    }

    fn if_initializer(&mut self) -> Option<Stmt> {
        if self.at(TokenKind::Semicolon) {
            return None;
        }
        if self.at(TokenKind::Var) {
            self.error(self.lexer.token.span, "var declaration not allowed in if initializer");
            self.bump();
        }
        Some(self.simple_statement(Simple::Plain))
    }

    /// The expression that a simple statement must be.
    fn as_expression(&mut self, stmt: &Stmt, what: &str) -> ExprId {
        let found = match stmt.kind {
            StmtKind::Expr(x) => return x,
            StmtKind::Assign(_) => "assignment",
            _ => "simple statement",
        };
        let hint = "missing parentheses around composite literal?";
        self.error(stmt.span, format!("expected {what}, found {found} ({hint})"));
        self.bad_expr(stmt.span)
    }

    pub(super) fn switch_statement(&mut self) -> Stmt {
        let start = self.lexer.token.span.start;
        self.bump();
        let (init, tag) =
            if self.at(TokenKind::LeftBrace) { (None, None) } else { self.header(Self::switch_header) };
        let guard = tag.as_ref().and_then(|tag| self.type_switch_guard(tag));
        self.expect(TokenKind::LeftBrace);
        let mut cases = Vec::new();
        while matches!(self.lexer.token.kind, TokenKind::Case | TokenKind::Default) {
            cases.push(self.case_clause());
        }
        self.expect(TokenKind::RightBrace);
        let kind = if let Some((bind, x)) = guard {
            StmtKind::TypeSwitch(Box::new(TypeSwitchStmt { init, bind, x, cases }))
        } else {
            let tag = tag.map(|tag| self.as_expression(&tag, "switch expression"));
            StmtKind::Switch(Box::new(SwitchStmt { init, tag, cases }))
        };
        let stmt = self.stmt(start, kind);
        self.expect_semicolon();
        stmt
    }

    fn switch_header(&mut self) -> (Option<StmtId>, Option<Stmt>) {
        let first =
            if self.at(TokenKind::Semicolon) { None } else { Some(self.simple_statement(Simple::Plain)) };
        if !self.eat(TokenKind::Semicolon) {
            return (None, first);
        }
        let init = first.map(|stmt| self.add_stmt(stmt));
        let second =
            if self.at(TokenKind::LeftBrace) { None } else { Some(self.simple_statement(Simple::Plain)) };
        (init, second)
    }

    /// The name and operand of `x := y.(type)` or `y.(type)`, if a statement is that.
    fn type_switch_guard(&mut self, stmt: &Stmt) -> Option<(Option<Ident>, ExprId)> {
        let (bind, x, assigns) = match &stmt.kind {
            StmtKind::Expr(x) => (None, *x, false),
            StmtKind::Assign(assign) => {
                let AssignStmt { lhs, op, rhs } = assign.as_ref();
                let ([name], [x]) = (lhs.as_slice(), rhs.as_slice()) else { return None };
                match op {
                    AssignOp::Define => (self.as_ident(*name), *x, false),
                    AssignOp::Assign => (self.as_ident(*name), *x, true),
                    AssignOp::Op(_) => return None,
                }
            }
            _ => return None,
        };
        let ExprKind::TypeAssert(operand, None) = self.arena[x].kind else { return None };
        if assigns {
            self.error(stmt.span, "expected ':=', found '='");
        }
        Some((bind, operand))
    }

    fn case_clause(&mut self) -> CaseClause {
        let values = if self.eat(TokenKind::Case) {
            let start = self.expression_list();
            Some(self.take_exprs(start))
        } else {
            self.expect(TokenKind::Default);
            None
        };
        CaseClause { values, body: self.case_body() }
    }

    fn case_body(&mut self) -> Block {
        self.expect(TokenKind::Colon);
        let start = self.previous_end;
        let stmts = self.statement_list();
        Block { stmts, span: Span::new(start, self.previous_end.max(start)) }
    }

    pub(super) fn select_statement(&mut self) -> Stmt {
        let start = self.lexer.token.span.start;
        self.bump();
        self.expect(TokenKind::LeftBrace);
        let mut cases = Vec::new();
        while matches!(self.lexer.token.kind, TokenKind::Case | TokenKind::Default) {
            let comm = if self.eat(TokenKind::Case) {
                Some(self.communication())
            } else {
                self.expect(TokenKind::Default);
                None
            };
            cases.push(CommClause { comm, body: self.case_body() });
        }
        self.expect(TokenKind::RightBrace);
        let stmt = self.stmt(start, StmtKind::Select(cases.into()));
        self.expect_semicolon();
        stmt
    }

    /// Parses the send or receive of a case.
    fn communication(&mut self) -> StmtId {
        let start = self.lexer.token.span.start;
        let first = self.expression_list();
        let op = self.lexer.token.kind.assignment_operator();
        let kind = if let Some(op @ (AssignOp::Assign | AssignOp::Define)) = op {
            let mut lhs = self.take_exprs(first);
            if lhs.len() > 2 {
                let span = self.span_of(lhs[0]);
                self.error_expected(span, "1 or 2 expressions");
                lhs.truncate(2);
            }
            self.bump();
            let rhs = vec![self.expression()];
            StmtKind::Assign(Box::new(AssignStmt { lhs, op, rhs }))
        } else {
            let x = self.sole_expression(first);
            if self.eat(TokenKind::Arrow) { StmtKind::Send(x, self.expression()) } else { StmtKind::Expr(x) }
        };
        let stmt = self.stmt(start, kind);
        self.add_stmt(stmt)
    }

    pub(super) fn for_statement(&mut self) -> Stmt {
        let start = self.lexer.token.span.start;
        self.bump();
        let header = if self.at(TokenKind::LeftBrace) {
            ForHeader::Clauses { init: None, cond: None, post: None }
        } else {
            self.header(Self::for_header)
        };
        let body = self.block();
        let kind = match header {
            ForHeader::Range(range) => self.range_statement(range, body),
            ForHeader::Clauses { init, cond, post } => {
                let cond = cond.map(|cond| self.as_expression(&cond, "boolean or range expression"));
                StmtKind::For(Box::new(ForStmt { init, cond, post, body }))
            }
        };
        let stmt = self.stmt(start, kind);
        self.expect_semicolon();
        stmt
    }

    fn for_header(&mut self) -> ForHeader {
        if self.eat(TokenKind::Range) {
            let x = self.expression();
            return ForHeader::Range(RangeClause { variables: Vec::new(), define: false, x });
        }
        let first = if self.at(TokenKind::Semicolon) {
            None
        } else {
            match self.for_clause() {
                ForClause::Range(range) => return ForHeader::Range(range),
                ForClause::Simple(stmt) => Some(stmt),
            }
        };
        if !self.eat(TokenKind::Semicolon) {
            return ForHeader::Clauses { init: None, cond: first, post: None };
        }
        let init = first.map(|stmt| self.add_stmt(stmt));
        let cond =
            if self.at(TokenKind::Semicolon) { None } else { Some(self.simple_statement(Simple::Plain)) };
        self.expect_semicolon();
        let post = if self.at(TokenKind::LeftBrace) {
            None
        } else {
            let stmt = self.simple_statement(Simple::Plain);
            Some(self.add_stmt(stmt))
        };
        ForHeader::Clauses { init, cond, post }
    }

    fn range_statement(&mut self, range: RangeClause, body: Block) -> StmtKind {
        let RangeClause { variables, define, x } = range;
        if let [_, _, .., last] = variables.as_slice() {
            let span = self.span_of(*last);
            self.error_expected(span, "at most 2 expressions");
        }
        let mut variables = variables.into_iter();
        let (key, value) = (variables.next(), variables.next());
        StmtKind::Range(Box::new(RangeStmt { key, value, define, x, body }))
    }
}

/// What stands between `for` and its block.
enum ForHeader {
    Range(RangeClause),
    Clauses { init: Option<StmtId>, cond: Option<Stmt>, post: Option<StmtId> },
}
