//! Types, but for struct and interface types, which are apart.

use super::{ExprId, ExprKind, Ident, Parser, Span, TokenKind};
use crate::syntax::ast::{ArrayLen, ChanDir, Signature};

impl Parser<'_> {
    /// Parses a type; with an error if there is none.
    pub(super) fn ty(&mut self) -> ExprId {
        if let Some(ty) = self.try_type() {
            return ty;
        }
        let start = self.lexer.token.span.start;
        self.error_expected(self.lexer.token.span, "type");
        self.advance_to_expression_end();
        self.bad_expr_from(start)
    }

    /// Parses a type if there is one.
    pub(super) fn try_type(&mut self) -> Option<ExprId> {
        self.enter();
        let start = self.lexer.token.span.start;
        let ty = match self.lexer.token.kind {
            TokenKind::Ident => Some(self.named_type()),
            TokenKind::LeftBracket => {
                self.bump();
                Some(self.array_type(start, None))
            }
            TokenKind::Struct => Some(self.struct_type()),
            TokenKind::Mul => {
                self.bump();
                let base = self.ty();
                Some(self.expr(start, ExprKind::Star(base)))
            }
            TokenKind::Func => {
                let signature = self.function_signature();
                Some(self.expr(start, ExprKind::FuncType(Box::new(signature))))
            }
            TokenKind::Interface => Some(self.interface_type()),
            TokenKind::Map => Some(self.map_type()),
            TokenKind::Chan | TokenKind::Arrow => Some(self.chan_type()),
            TokenKind::LeftParen => {
                self.bump();
                let inner = self.ty();
                self.expect(TokenKind::RightParen);
                Some(self.expr(start, ExprKind::Paren(inner)))
            }
            _ => None,
        };
        self.leave();
        ty
    }

    /// Parses `T`, `p.T`, `T[A]` or `p.T[A]`.
    pub(super) fn named_type(&mut self) -> ExprId {
        let ident = self.ident();
        self.qualified_type(ident)
    }

    /// Parses what may follow a type's first name.
    pub(super) fn qualified_type(&mut self, ident: Ident) -> ExprId {
        let name = self.type_name(ident);
        if self.at(TokenKind::LeftBracket) { self.type_instance(name) } else { name }
    }

    /// Parses `.T` after a name, if it is there.
    pub(super) fn type_name(&mut self, ident: Ident) -> ExprId {
        let name = self.name_expr(ident);
        if !self.eat(TokenKind::Period) {
            return name;
        }
        let selected = self.ident();
        self.expr(ident.span.start, ExprKind::Selector(name, selected))
    }

    /// Parses `[A, B]` after a generic type.
    pub(super) fn type_instance(&mut self, generic: ExprId) -> ExprId {
        let start = self.expr_stack.len();
        self.bump();
        self.type_argument_list(generic, start)
    }

    /// Parses the rest of a list of type arguments, those read being on the stack from `first` on.
    pub(super) fn type_argument_list(&mut self, generic: ExprId, first: usize) -> ExprId {
        self.expression_level += 1;
        while !matches!(self.lexer.token.kind, TokenKind::RightBracket | TokenKind::Eof) {
            let argument = self.ty();
            self.expr_stack.push(argument);
            if !self.at_comma("type argument list", TokenKind::RightBracket) {
                break;
            }
            self.bump();
        }
        self.expression_level -= 1;
        if self.expr_stack.len() == first {
            self.error_expected(self.lexer.token.span, "type argument list");
            let bad = self.bad_expr_from(self.lexer.token.span.start);
            self.expr_stack.push(bad);
        }
        self.expect_closing(TokenKind::RightBracket, "type argument list");
        let arguments = self.take_exprs(first).into();
        self.expr(self.span_of(generic).start, ExprKind::Index(generic, arguments))
    }

    /// Parses an array or slice type from after its `[`, or from after its length if that was read.
    pub(super) fn array_type(&mut self, start: u32, length: Option<ExprId>) -> ExprId {
        let length = match length {
            Some(length) => ArrayLen::Fixed(length),
            None => self.array_length(),
        };
        if self.at(TokenKind::Comma) {
            self.error(self.lexer.token.span, "unexpected comma; expecting ]");
            self.bump();
        }
        self.expect(TokenKind::RightBracket);
        let element = self.ty();
        self.expr(start, ExprKind::ArrayType(length, element))
    }

    fn array_length(&mut self) -> ArrayLen {
        if self.eat(TokenKind::Ellipsis) {
            return ArrayLen::Inferred;
        }
        if self.at(TokenKind::RightBracket) {
            return ArrayLen::Slice;
        }
        self.expression_level += 1;
        let length = self.expression();
        self.expression_level -= 1;
        ArrayLen::Fixed(length)
    }

    fn map_type(&mut self) -> ExprId {
        let start = self.lexer.token.span.start;
        self.bump();
        self.expect(TokenKind::LeftBracket);
        let key = self.ty();
        self.expect(TokenKind::RightBracket);
        let value = self.ty();
        self.expr(start, ExprKind::MapType(key, value))
    }

    fn chan_type(&mut self) -> ExprId {
        let start = self.lexer.token.span.start;
        let dir = if self.eat(TokenKind::Chan) {
            if self.eat(TokenKind::Arrow) { ChanDir::Send } else { ChanDir::Both }
        } else {
            self.bump();
            self.expect(TokenKind::Chan);
            ChanDir::Receive
        };
        let element = self.ty();
        self.expr(start, ExprKind::ChanType(dir, element))
    }

    /// Parses `func(...) ...`; type parameters are read with an error.
    pub(super) fn function_signature(&mut self) -> Signature {
        self.bump();
        if self.at(TokenKind::LeftBracket) {
            let open = self.lexer.token.span;
            self.type_parameters();
            self.error(open, "function type must have no type parameters");
        }
        self.signature()
    }

    /// Parses a union `~A | B` whose first term was read.
    pub(super) fn union_from(&mut self, first: ExprId) -> ExprId {
        let mut x = first;
        while self.eat(TokenKind::Or) {
            let term = self.union_term();
            let span = self.span_of(x).to(self.span_of(term));
            x = self.expr_at(span, ExprKind::Binary(crate::syntax::ast::BinaryOp::Or, x, term));
        }
        x
    }

    /// Parses a union.
    pub(super) fn union(&mut self) -> ExprId {
        let first = self.union_term();
        self.union_from(first)
    }

    fn union_term(&mut self) -> ExprId {
        let Span { start, .. } = self.lexer.token.span;
        if self.eat(TokenKind::Tilde) {
            let ty = self.ty();
            return self.expr(start, ExprKind::Unary(crate::syntax::ast::UnaryOp::Tilde, ty));
        }
        if let Some(ty) = self.try_type() {
            return ty;
        }
        self.error_expected(self.lexer.token.span, "~ term or type");
        self.advance_to_expression_end();
        self.bad_expr_from(start)
    }
}
