//! Expressions: operators, and what follows an operand.

use super::{ExprId, ExprKind, Parser, Span, TokenKind};
use crate::syntax::ast::{BinaryOp, CallExpr, ChanDir, CompositeLit, Element, SliceExpr, UnaryOp};

/// Length of the keyword `chan`.
const CHAN_LENGTH: u32 = 4;

/// Number of levels of precedence.
const LEVELS: usize = 5;

impl Parser<'_> {
    /// Parses an expression or a type.
    pub(super) fn expression(&mut self) -> ExprId {
        let first = self.unary();
        self.binary_from(first)
    }

    /// Parses `x, y, z`. The list is on [`expr_stack`](Parser::expr_stack) from the index returned on.
    pub(super) fn expression_list(&mut self) -> usize {
        let start = self.expr_stack.len();
        loop {
            let x = self.expression();
            self.expr_stack.push(x);
            if !self.eat(TokenKind::Comma) {
                return start;
            }
        }
    }

    /// Takes a list off [`expr_stack`](Parser::expr_stack).
    pub(super) fn take_exprs(&mut self, start: usize) -> Vec<ExprId> {
        let list = self.expr_stack[start..].to_vec();
        self.expr_stack.truncate(start);
        list
    }

    /// Parses the operators and operands that follow a first operand.
    ///
    /// Operators that wait for their right operand bind ever tighter, so there are no more than levels of precedence.
    pub(super) fn binary_from(&mut self, first: ExprId) -> ExprId {
        let mut waiting = [(first, BinaryOp::Add, 0_u8); LEVELS];
        let mut count = 0;
        let mut x = first;
        loop {
            let operator = self.lexer.token.kind.binary_operator();
            let precedence = operator.map_or(0, |(_, precedence)| precedence);
            while count > 0 && waiting[count - 1].2 >= precedence {
                count -= 1;
                let (left, op, _) = waiting[count];
                let span = self.span_of(left).to(self.span_of(x));
                x = self.expr_at(span, ExprKind::Binary(op, left, x));
            }
            let Some((op, precedence)) = operator else { return x };
            waiting[count] = (x, op, precedence);
            count += 1;
            self.bump();
            x = self.unary();
        }
    }

    pub(super) fn unary(&mut self) -> ExprId {
        self.enter();
        let start = self.lexer.token.span.start;
        let op = match self.lexer.token.kind {
            TokenKind::Add => Some(UnaryOp::Plus),
            TokenKind::Sub => Some(UnaryOp::Minus),
            TokenKind::Not => Some(UnaryOp::Not),
            TokenKind::Xor => Some(UnaryOp::Complement),
            TokenKind::And => Some(UnaryOp::Address),
            TokenKind::Tilde => Some(UnaryOp::Tilde),
            _ => None,
        };
        let x = if let Some(op) = op {
            self.bump();
            let x = self.unary();
            self.expr(start, ExprKind::Unary(op, x))
        } else if self.eat(TokenKind::Arrow) {
            let x = self.unary();
            self.receive_or_channel(start, x)
        } else if self.eat(TokenKind::Mul) {
            let x = self.unary();
            self.expr(start, ExprKind::Star(x))
        } else {
            let x = self.operand();
            self.primary_from(x)
        };
        self.leave();
        x
    }

    /// What `<-` before `x` makes: of a channel type the type of channels to receive from, since only after `x` is read
    /// it shows that the arrow belongs to it; of anything else a receive.
    fn receive_or_channel(&mut self, start: u32, x: ExprId) -> ExprId {
        let ExprKind::ChanType(..) = self.arena[x].kind else {
            return self.expr(start, ExprKind::Unary(UnaryOp::Receive, x));
        };
        // `<-chan<- T` reads as `<-chan (<-T)`: each arrow moves to the channel type before it.
        let mut at = x;
        let mut arrow = start;
        while let ExprKind::ChanType(dir, element) = self.arena[at].kind {
            if dir == ChanDir::Receive {
                self.error_expected(self.span_of(at), "'chan'");
            }
            let chan = &mut self.arena.exprs[at.0 as usize];
            let after_keyword = chan.span.start + CHAN_LENGTH;
            chan.kind = ExprKind::ChanType(ChanDir::Receive, element);
            chan.span.start = arrow;
            if dir != ChanDir::Send {
                return x;
            }
            at = element;
            arrow = self.token_start_after(after_keyword);
        }
        self.error_expected(self.span_of(at), "channel type");
        x
    }

    /// Parses what follows an operand: selectors, indexes, calls, literal values.
    pub(super) fn primary_from(&mut self, operand: ExprId) -> ExprId {
        let mut x = operand;
        loop {
            x = match self.lexer.token.kind {
                TokenKind::Period => self.selector_or_assertion(x),
                TokenKind::LeftBracket => self.index_or_slice(x),
                TokenKind::LeftParen => self.call(x),
                TokenKind::LeftBrace if self.may_be_literal_type(x) => {
                    let start = self.span_of(x).start;
                    if matches!(self.arena[x].kind, ExprKind::Paren(_)) {
                        let span = self.span_of(x);
                        self.error(span, "cannot parenthesize type in composite literal");
                    }
                    self.literal_value(start, Some(x))
                }
                _ => return x,
            };
        }
    }

    /// Whether `{` after `x` opens a composite literal.
    fn may_be_literal_type(&self, x: ExprId) -> bool {
        match self.arena[self.unparenthesized(x)].kind {
            ExprKind::Bad | ExprKind::Name(_) | ExprKind::Selector(..) | ExprKind::Index(..) => {
                self.expression_level >= 0
            }
            ExprKind::ArrayType(..) | ExprKind::StructType(_) | ExprKind::MapType(..) => true,
            _ => false,
        }
    }

    pub(super) fn unparenthesized(&self, mut x: ExprId) -> ExprId {
        while let ExprKind::Paren(inner) = self.arena[x].kind {
            x = inner;
        }
        x
    }

    fn selector_or_assertion(&mut self, x: ExprId) -> ExprId {
        let start = self.span_of(x).start;
        self.bump();
        match self.lexer.token.kind {
            TokenKind::Ident => {
                let selected = self.ident();
                self.expr(start, ExprKind::Selector(x, selected))
            }
            TokenKind::LeftParen => {
                self.bump();
                let ty = if self.eat(TokenKind::Type) { None } else { Some(self.ty()) };
                self.expect(TokenKind::RightParen);
                self.expr(start, ExprKind::TypeAssert(x, ty))
            }
            _ => {
                let span = self.lexer.token.span;
                self.error_expected(span, "selector or type assertion");
                if !self.at(TokenKind::RightBrace) {
                    self.bump();
                }
                let selected = self.missing_ident();
                self.expr(start, ExprKind::Selector(x, selected))
            }
        }
    }

    fn index_or_slice(&mut self, x: ExprId) -> ExprId {
        let start = self.span_of(x).start;
        self.bump();
        if self.at(TokenKind::RightBracket) {
            self.error_expected(self.lexer.token.span, "operand");
            let bad = self.bad_expr(Span::new(self.lexer.token.span.start, self.lexer.token.span.start));
            self.bump();
            return self.expr(start, ExprKind::Index(x, Box::new([bad])));
        }
        self.expression_level += 1;
        let first = if self.at(TokenKind::Colon) { None } else { Some(self.expression()) };
        let kind = match (self.lexer.token.kind, first) {
            (TokenKind::Colon, lo) => self.slice_bounds(x, lo),
            (TokenKind::Comma, Some(first)) => self.type_arguments(x, first),
            (_, first) => ExprKind::Index(x, first.into_iter().collect()),
        };
        self.expression_level -= 1;
        self.expect(TokenKind::RightBracket);
        self.expr(start, kind)
    }

    fn slice_bounds(&mut self, x: ExprId, lo: Option<ExprId>) -> ExprKind {
        let mut bounds = [None, None];
        let mut colons = [self.lexer.token.span; 2];
        let mut count = 0;
        while self.at(TokenKind::Colon) && count < 2 {
            colons[count] = self.lexer.token.span;
            self.bump();
            if !matches!(self.lexer.token.kind, TokenKind::Colon | TokenKind::RightBracket | TokenKind::Eof) {
                bounds[count] = Some(self.expression());
            }
            count += 1;
        }
        if count == 2 {
            for (bound, colon, which) in [(0, colons[0], "middle"), (1, colons[1], "final")] {
                if bounds[bound].is_none() {
                    self.error(colon, format!("{which} index required in 3-index slice"));
                    bounds[bound] = Some(self.bad_expr(Span::new(colon.end, colon.end)));
                }
            }
        }
        let [hi, max] = bounds;
        ExprKind::Slice(Box::new(SliceExpr { x, lo, hi, max }))
    }

    /// The rest of `x[T, U, V]`.
    fn type_arguments(&mut self, x: ExprId, first: ExprId) -> ExprKind {
        let start = self.expr_stack.len();
        self.expr_stack.push(first);
        while self.eat(TokenKind::Comma) {
            if !matches!(self.lexer.token.kind, TokenKind::RightBracket | TokenKind::Eof) {
                let ty = self.ty();
                self.expr_stack.push(ty);
            }
        }
        ExprKind::Index(x, self.take_exprs(start).into())
    }

    fn call(&mut self, fun: ExprId) -> ExprId {
        let start = self.span_of(fun).start;
        let first = self.expr_stack.len();
        self.bump();
        self.expression_level += 1;
        let mut spread = false;
        while !matches!(self.lexer.token.kind, TokenKind::RightParen | TokenKind::Eof) && !spread {
            let argument = self.expression();
            self.expr_stack.push(argument);
            spread = self.eat(TokenKind::Ellipsis);
            if !self.at_comma("argument list", TokenKind::RightParen) {
                break;
            }
            self.bump();
        }
        self.expression_level -= 1;
        self.expect_closing(TokenKind::RightParen, "argument list");
        let args = self.take_exprs(first);
        self.expr(start, ExprKind::Call(Box::new(CallExpr { fun, args, spread })))
    }

    /// Parses `{ ... }` of a composite literal.
    pub(super) fn literal_value(&mut self, start: u32, ty: Option<ExprId>) -> ExprId {
        self.enter();
        self.expect(TokenKind::LeftBrace);
        self.expression_level += 1;
        let first = self.element_stack.len();
        while !matches!(self.lexer.token.kind, TokenKind::RightBrace | TokenKind::Eof) {
            let element = self.element();
            self.element_stack.push(element);
            if !self.at_comma("composite literal", TokenKind::RightBrace) {
                break;
            }
            self.bump();
        }
        self.expression_level -= 1;
        self.expect_closing(TokenKind::RightBrace, "composite literal");
        self.leave();
        let elements = self.element_stack[first..].to_vec();
        self.element_stack.truncate(first);
        self.expr(start, ExprKind::Composite(Box::new(CompositeLit { ty, elements })))
    }

    fn element(&mut self) -> Element {
        let value = self.element_value();
        if !self.eat(TokenKind::Colon) {
            return Element { key: None, value };
        }
        Element { key: Some(value), value: self.element_value() }
    }

    fn element_value(&mut self) -> ExprId {
        if self.at(TokenKind::LeftBrace) {
            return self.literal_value(self.lexer.token.span.start, None);
        }
        self.expression()
    }
}
