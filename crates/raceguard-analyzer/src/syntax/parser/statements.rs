//! Blocks and statements, but for those with blocks of their own and for simple statements, which are apart.

use super::simple_statements::Simple;
use super::{ExprId, ExprKind, Parser, Stmt, StmtId, StmtKind, TokenKind};
use crate::syntax::ast::{Block, BranchKind};

impl Parser<'_> {
    /// Parses `{ ... }`.
    pub(super) fn block(&mut self) -> Block {
        let start = self.lexer.token.span.start;
        self.expect(TokenKind::LeftBrace);
        let stmts = self.statement_list();
        self.expect(TokenKind::RightBrace);
        self.previous_end = self.previous_end.max(start);
        Block { stmts, span: super::Span::new(start, self.previous_end) }
    }

    /// Parses statements up to the end of the block or case.
    pub(super) fn statement_list(&mut self) -> Vec<StmtId> {
        let start = self.stmt_stack.len();
        while !matches!(
            self.lexer.token.kind,
            TokenKind::Case | TokenKind::Default | TokenKind::RightBrace | TokenKind::Eof
        ) && !self.at_function_declaration()
        {
            let stmt = self.statement();
            self.stmt_stack.push(stmt);
        }
        let list = self.stmt_stack[start..].to_vec();
        self.stmt_stack.truncate(start);
        list
    }

    fn statement(&mut self) -> StmtId {
        self.enter();
        let stmt = self.statement_by_token();
        self.leave();
        self.add_stmt(stmt)
    }

    fn statement_by_token(&mut self) -> Stmt {
        use TokenKind as K;
        let start = self.lexer.token.span.start;
        match self.lexer.token.kind {
            K::Const | K::Type | K::Var => {
                let decl = self.value_or_type_declaration();
                self.stmt(start, StmtKind::Decl(Box::new(decl)))
            }
            K::Go | K::Defer => self.go_or_defer(),
            K::Return => self.return_statement(),
            K::Break => self.branch(BranchKind::Break),
            K::Continue => self.branch(BranchKind::Continue),
            K::Goto => self.branch(BranchKind::Goto),
            K::Fallthrough => self.branch(BranchKind::Fallthrough),
            K::LeftBrace => {
                let block = self.block();
                let stmt = self.stmt(start, StmtKind::Block(block));
                self.expect_semicolon();
                stmt
            }
            K::If => self.if_statement(),
            K::Switch => self.switch_statement(),
            K::Select => self.select_statement(),
            K::For => self.for_statement(),
            K::Semicolon => {
                let end = self.lexer.token.span.end;
                self.bump();
                self.empty(start, end)
            }
            K::RightBrace => self.empty(start, start),
            kind if begins_expression(kind) => self.simple_as_statement(),
            _ => {
                self.error_expected(self.lexer.token.span, "statement");
                self.advance_to_statement();
                self.bad_statement(start)
            }
        }
    }

    fn empty(&mut self, start: u32, end: u32) -> Stmt {
        self.previous_end = self.previous_end.max(end);
        self.stmt(start, StmtKind::Empty)
    }

    pub(super) fn bad_statement(&mut self, start: u32) -> Stmt {
        self.previous_end = self.previous_end.max(start);
        self.stmt(start, StmtKind::Bad)
    }

    fn simple_as_statement(&mut self) -> Stmt {
        let stmt = self.simple_statement(Simple::LabelAllowed);
        if !matches!(stmt.kind, StmtKind::Labeled(..)) {
            self.expect_semicolon();
        }
        stmt
    }

    /// Parses `label: statement` from after the colon.
    pub(super) fn labeled(&mut self, label: super::Ident) -> Stmt {
        let labeled = self.statement();
        let end = self.arena[labeled].span.end;
        Stmt { kind: StmtKind::Labeled(label, labeled), span: super::Span::new(label.span.start, end) }
    }

    fn go_or_defer(&mut self) -> Stmt {
        let start = self.lexer.token.span.start;
        let keyword = self.lexer.token.kind;
        self.bump();
        let call = self.call_alone(keyword);
        let stmt = match (call, keyword) {
            (None, _) => self.stmt(start, StmtKind::Bad),
            (Some(call), TokenKind::Go) => self.stmt(start, StmtKind::Go(call)),
            (Some(call), _) => self.stmt(start, StmtKind::Defer(call)),
        };
        self.expect_semicolon();
        stmt
    }

    /// Parses the call that `go` or `defer` asks for.
    fn call_alone(&mut self, keyword: TokenKind) -> Option<ExprId> {
        let x = self.expression();
        let inner = self.unparenthesized(x);
        if inner != x {
            let span = self.span_of(x);
            self.error(span, format!("expression in {keyword} must not be parenthesized"));
        }
        match self.arena[inner].kind {
            ExprKind::Call(_) => Some(inner),
            ExprKind::Bad => None,
            _ => {
                let span = self.span_of(inner);
                self.error(span, format!("expression in {keyword} must be function call"));
                None
            }
        }
    }

    fn return_statement(&mut self) -> Stmt {
        let start = self.lexer.token.span.start;
        self.bump();
        let first = self.expr_stack.len();
        if !matches!(self.lexer.token.kind, TokenKind::Semicolon | TokenKind::RightBrace) {
            self.expression_list();
        }
        let results = self.take_exprs(first).into();
        let stmt = self.stmt(start, StmtKind::Return(results));
        self.expect_semicolon();
        stmt
    }

    fn branch(&mut self, kind: BranchKind) -> Stmt {
        let start = self.lexer.token.span.start;
        self.bump();
        let label = match kind {
            BranchKind::Goto => Some(self.ident()),
            BranchKind::Break | BranchKind::Continue if self.at(TokenKind::Ident) => Some(self.ident()),
            _ => None,
        };
        let stmt = self.stmt(start, StmtKind::Branch(kind, label));
        self.expect_semicolon();
        stmt
    }
}

/// Whether a statement that begins with this token begins with an expression.
const fn begins_expression(kind: TokenKind) -> bool {
    use TokenKind as K;
    matches!(
        kind,
        K::Ident
            | K::Int
            | K::Float
            | K::Imaginary
            | K::Char
            | K::String
            | K::Func
            | K::LeftParen
            | K::LeftBracket
            | K::Struct
            | K::Map
            | K::Chan
            | K::Interface
            | K::Add
            | K::Sub
            | K::Mul
            | K::And
            | K::Xor
            | K::Arrow
            | K::Not
    )
}
