//! Struct and interface types.

use super::parameters::ListKind;
use super::{ExprId, ExprKind, Ident, Parser, Span, TokenKind};
use crate::syntax::ast::{Field, InterfaceElement};

impl Parser<'_> {
    pub(super) fn struct_type(&mut self) -> ExprId {
        let start = self.lexer.token.span.start;
        self.bump();
        self.expect(TokenKind::LeftBrace);
        let mut fields = Vec::new();
        while matches!(self.lexer.token.kind, TokenKind::Ident | TokenKind::Mul | TokenKind::LeftParen) {
            fields.push(self.field());
        }
        self.expect(TokenKind::RightBrace);
        self.expr(start, ExprKind::StructType(fields.into()))
    }

    fn field(&mut self) -> Field {
        let doc = self.lead_comment;
        let start = self.lexer.token.span.start;
        let (names, ty) = match self.lexer.token.kind {
            TokenKind::Ident => self.named_or_embedded_field(),
            TokenKind::Mul => {
                self.bump();
                let base = if self.at(TokenKind::LeftParen) {
                    self.parenthesized_embedded()
                } else {
                    self.named_type()
                };
                (Vec::new(), self.expr(start, ExprKind::Star(base)))
            }
            _ => (Vec::new(), self.parenthesized_embedded()),
        };
        let tag = self.at(TokenKind::String).then_some(self.lexer.token.span);
        if tag.is_some() {
            self.bump();
        }
        let comment = self.expect_semicolon();
        Field { names, ty, tag, doc, comment }
    }

    fn named_or_embedded_field(&mut self) -> (Vec<Ident>, ExprId) {
        let first = self.ident();
        match self.lexer.token.kind {
            TokenKind::Period | TokenKind::String | TokenKind::Semicolon | TokenKind::RightBrace => {
                (Vec::new(), self.qualified_type(first))
            }
            TokenKind::LeftBracket => {
                let (name, ty) = self.array_or_instance(first);
                (name.into_iter().collect(), ty)
            }
            _ => {
                let mut names = vec![first];
                while self.eat(TokenKind::Comma) {
                    names.push(self.ident());
                }
                let ty = self.ty();
                (names, ty)
            }
        }
    }

    /// Reads `(T)` or `(*T)`, which Go once allowed, with an error.
    fn parenthesized_embedded(&mut self) -> ExprId {
        self.error(self.lexer.token.span, "cannot parenthesize embedded type");
        self.bump();
        let start = self.lexer.token.span.start;
        let ty = if self.eat(TokenKind::Mul) {
            let base = self.named_type();
            self.expr(start, ExprKind::Star(base))
        } else {
            self.named_type()
        };
        self.eat(TokenKind::RightParen);
        ty
    }

    pub(super) fn interface_type(&mut self) -> ExprId {
        let start = self.lexer.token.span.start;
        self.bump();
        self.expect(TokenKind::LeftBrace);
        let mut elements = Vec::new();
        loop {
            let element = match self.lexer.token.kind {
                TokenKind::Ident => self.method_or_embedded(),
                TokenKind::Tilde => InterfaceElement::Embedded(self.union()),
                _ => match self.try_type() {
                    Some(ty) => InterfaceElement::Embedded(self.union_from(ty)),
                    None => break,
                },
            };
            elements.push(element);
            self.expect_semicolon();
        }
        self.expect(TokenKind::RightBrace);
        self.expr(start, ExprKind::InterfaceType(elements.into()))
    }

    fn method_or_embedded(&mut self) -> InterfaceElement {
        let name = self.ident();
        match self.lexer.token.kind {
            TokenKind::LeftParen => InterfaceElement::Method(name, self.signature()),
            TokenKind::LeftBracket => self.generic_method_or_instance(name),
            _ => {
                let ty = self.qualified_type(name);
                InterfaceElement::Embedded(self.union_from(ty))
            }
        }
    }

    /// What `name[` begins: an embedded instance, or a method with type parameters, which is an error.
    fn generic_method_or_instance(&mut self, name: Ident) -> InterfaceElement {
        let open: Span = self.lexer.token.span;
        self.bump();
        let first = self.expr_stack.len();
        if !self.at(TokenKind::RightBracket) {
            self.expression_level += 1;
            let x = self.expression();
            self.expression_level -= 1;
            if let Some(parameter) = self.as_ident(x)
                && !matches!(self.lexer.token.kind, TokenKind::Comma | TokenKind::RightBracket)
            {
                self.parameter_list(ListKind::TypeParameters, Some((parameter, None)));
                self.expect(TokenKind::RightBracket);
                self.error(open, "interface method must have no type parameters");
                return InterfaceElement::Method(name, self.signature());
            }
            self.expr_stack.push(x);
            if self.at_comma("type argument list", TokenKind::RightBracket) {
                self.bump();
            }
        }
        let generic = self.name_expr(name);
        let instance = self.type_argument_list(generic, first);
        InterfaceElement::Embedded(self.union_from(instance))
    }
}
