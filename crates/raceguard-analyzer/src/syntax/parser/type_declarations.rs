//! Type declarations, and the ambiguity of `type T[P ...`: type parameters or the length of an array.

use super::parameters::ListKind;
use super::{CommentGroup, ExprId, ExprKind, Ident, Parser, Span, TokenKind};
use crate::syntax::ast::{BinaryOp, Param, TypeSpec, UnaryOp};

impl Parser<'_> {
    /// Parses a line of a `type` declaration.
    pub(super) fn type_spec(&mut self, _before: &[TypeSpec], doc: CommentGroup) -> TypeSpec {
        let start = self.lexer.token.span.start;
        let name = self.ident();
        let (type_params, alias, ty) =
            if self.at(TokenKind::LeftBracket) { self.bracketed_type() } else { self.plain_type(Vec::new()) };
        let span = Span::new(start, self.previous_end);
        self.expect_semicolon();
        TypeSpec { name, type_params, alias, ty, doc, span }
    }

    /// Parses `T` or `= T`.
    fn plain_type(&mut self, type_params: Vec<Param>) -> (Vec<Param>, bool, ExprId) {
        let alias = self.eat(TokenKind::Assign);
        (type_params, alias, self.ty())
    }

    /// Parses what follows the name when it begins with `[`.
    ///
    /// After `[` and a name stands either an array's length or a type parameter list. An expression is read that begins
    /// with the name, unless `[` follows, as no length goes on like that. A list is what can only be one: `P *[]int` is
    /// no product; `P *C` is one unless a comma follows.
    fn bracketed_type(&mut self) -> (Vec<Param>, bool, ExprId) {
        let open = self.lexer.token.span;
        self.bump();
        if !self.at(TokenKind::Ident) {
            return (Vec::new(), false, self.array_type(open.start, None));
        }
        let name = self.ident();
        if self.at(TokenKind::LeftBracket) {
            return self.generic_type(name, None);
        }
        self.expression_level += 1;
        let operand = self.name_expr(name);
        let operand = self.primary_from(operand);
        let x = self.binary_from(operand);
        self.expression_level -= 1;
        match self.split_parameter(x, self.at(TokenKind::Comma)) {
            Some((name, constraint)) if constraint.is_some() || !self.at(TokenKind::RightBracket) => {
                self.generic_type(name, constraint)
            }
            _ => (Vec::new(), false, self.array_type(open.start, Some(x))),
        }
    }

    fn generic_type(&mut self, first: Ident, constraint: Option<ExprId>) -> (Vec<Param>, bool, ExprId) {
        let list = self.parameter_list(ListKind::TypeParameters, Some((first, constraint)));
        self.expect(TokenKind::RightBracket);
        self.plain_type(list)
    }

    /// Splits an expression into a name and a constraint, if it can be written as both in a row: `P *C`, `P (C)`, each
    /// also as the start of a union. Where it could be an ordinary expression as well, only if `force`.
    fn split_parameter(&mut self, x: ExprId, force: bool) -> Option<(Ident, Option<ExprId>)> {
        if let Some(name) = self.as_ident(x) {
            return Some((name, None));
        }
        let mut force = force;
        let mut terms = Vec::new();
        let mut first = x;
        while let ExprKind::Binary(BinaryOp::Or, left, right) = self.arena[first].kind {
            force = force || self.is_type_element(right);
            terms.push(right);
            first = left;
        }
        let (name, mut constraint) = self.split_first_term(first, force)?;
        for term in terms.into_iter().rev() {
            let span = self.span_of(constraint).to(self.span_of(term));
            constraint = self.expr_at(span, ExprKind::Binary(BinaryOp::Or, constraint, term));
        }
        Some((name, Some(constraint)))
    }

    fn split_first_term(&mut self, x: ExprId, force: bool) -> Option<(Ident, ExprId)> {
        match &self.arena[x].kind {
            ExprKind::Binary(BinaryOp::Multiply, left, right) => {
                let (left, right) = (*left, *right);
                let name = self.as_ident(left).filter(|_| force || self.is_type_element(right))?;
                let star = self.token_start_after(name.span.end);
                let span = Span::new(star, self.span_of(right).end);
                Some((name, self.expr_at(span, ExprKind::Star(right))))
            }
            ExprKind::Call(call) => {
                let ([argument], false) = (call.args.as_slice(), call.spread) else { return None };
                let argument = *argument;
                let end = self.span_of(x).end;
                let name = self.as_ident(call.fun).filter(|_| force || self.is_type_element(argument))?;
                let open = self.token_start_after(name.span.end);
                Some((name, self.expr_at(Span::new(open, end), ExprKind::Paren(argument))))
            }
            _ => None,
        }
    }

    /// Whether an expression can only be a type or a constraint.
    fn is_type_element(&self, x: ExprId) -> bool {
        let mut left_to_see = vec![x];
        while let Some(x) = left_to_see.pop() {
            match self.arena[x].kind {
                ExprKind::ArrayType(..)
                | ExprKind::StructType(_)
                | ExprKind::FuncType(_)
                | ExprKind::InterfaceType(_)
                | ExprKind::MapType(..)
                | ExprKind::ChanType(..)
                | ExprKind::Unary(UnaryOp::Tilde, _) => return true,
                ExprKind::Binary(_, left, right) => left_to_see.extend([left, right]),
                ExprKind::Paren(inner) => left_to_see.push(inner),
                _ => {}
            }
        }
        false
    }
}
