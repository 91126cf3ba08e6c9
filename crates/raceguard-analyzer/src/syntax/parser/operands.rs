//! Operands: names, literals, parenthesised expressions, function literals, types.

use super::{ExprId, ExprKind, Parser, TokenKind};
use crate::syntax::ast::{FuncLit, LiteralKind};

impl Parser<'_> {
    /// Parses an operand. It may be a type, also `[...]T`.
    pub(super) fn operand(&mut self) -> ExprId {
        let span = self.lexer.token.span;
        let literal = match self.lexer.token.kind {
            TokenKind::Ident => {
                let ident = self.ident();
                return self.name_expr(ident);
            }
            TokenKind::LeftParen => return self.parenthesized(),
            TokenKind::Func => return self.function_type_or_literal(),
            TokenKind::Int => LiteralKind::Int,
            TokenKind::Float => LiteralKind::Float,
            TokenKind::Imaginary => LiteralKind::Imaginary,
            TokenKind::Char => LiteralKind::Char,
            TokenKind::String => LiteralKind::String,
            _ => return self.type_operand(),
        };
        self.bump();
        self.expr_at(span, ExprKind::Literal(literal))
    }

    fn parenthesized(&mut self) -> ExprId {
        let start = self.lexer.token.span.start;
        self.bump();
        self.expression_level += 1;
        let inner = self.expression();
        self.expression_level -= 1;
        self.expect(TokenKind::RightParen);
        self.expr(start, ExprKind::Paren(inner))
    }

    fn type_operand(&mut self) -> ExprId {
        if let Some(ty) = self.try_type() {
            return ty;
        }
        let start = self.lexer.token.span.start;
        self.error_expected(self.lexer.token.span, "operand");
        self.advance_to_statement();
        self.bad_expr_from(start)
    }

    fn function_type_or_literal(&mut self) -> ExprId {
        let start = self.lexer.token.span.start;
        let signature = self.function_signature();
        if !self.at(TokenKind::LeftBrace) {
            return self.expr(start, ExprKind::FuncType(Box::new(signature)));
        }
        self.expression_level += 1;
        let body = self.block();
        self.expression_level -= 1;
        self.expr(start, ExprKind::FuncLit(Box::new(FuncLit { signature, body })))
    }
}
