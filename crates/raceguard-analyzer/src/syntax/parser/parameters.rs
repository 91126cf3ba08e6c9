//! Parameters, results, receivers and type parameters.
//!
//! A list is read before it is known whether its names are parameters or types: `(a, b)` or `(a, b int)`.

use super::{ExprId, ExprKind, Ident, Parser, Span, TokenKind, blank};
use crate::syntax::ast::{ArrayLen, Param, Signature};

/// An entry as it is read: `name`, `type` or `name type`. A name alone may turn out to be a type.
#[derive(Clone, Copy)]
struct Entry {
    name: Option<Ident>,
    ty: Option<ExprId>,
    /// Place of `...`.
    dots: Option<Span>,
}

impl Entry {
    const EMPTY: Self = Self { name: None, ty: None, dots: None };
}

/// Which list is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ListKind {
    /// The last may be variadic.
    Parameters,
    Results,
    TypeParameters,
}

impl ListKind {
    const fn closing(self) -> TokenKind {
        match self {
            Self::TypeParameters => TokenKind::RightBracket,
            _ => TokenKind::RightParen,
        }
    }
}

impl Parser<'_> {
    /// Parses `(...) results`.
    pub(super) fn signature(&mut self) -> Signature {
        let params = self.parameters(ListKind::Parameters);
        let results = self.results();
        Signature { params, results }
    }

    /// Parses a list in parentheses.
    pub(super) fn parameters(&mut self, kind: ListKind) -> Vec<Param> {
        self.expect(TokenKind::LeftParen);
        let list = self.parameter_list(kind, None);
        self.expect(TokenKind::RightParen);
        list
    }

    fn results(&mut self) -> Vec<Param> {
        if self.at(TokenKind::LeftParen) {
            return self.parameters(ListKind::Results);
        }
        match self.try_type() {
            Some(ty) => vec![Param { name: None, ty, variadic: false }],
            None => Vec::new(),
        }
    }

    /// Parses `[P any, Q ~int]`.
    pub(super) fn type_parameters(&mut self) -> Vec<Param> {
        self.bump();
        let list = self.parameter_list(ListKind::TypeParameters, None);
        if list.is_empty() && self.at(TokenKind::RightBracket) {
            self.error(self.lexer.token.span, "empty type parameter list");
        }
        self.expect(TokenKind::RightBracket);
        list
    }

    /// Parses a list up to what closes it. Its first name, and its type, may have been read.
    pub(super) fn parameter_list(
        &mut self,
        kind: ListKind,
        first: Option<(Ident, Option<ExprId>)>,
    ) -> Vec<Param> {
        let start = first.map_or(self.lexer.token.span, |(name, _)| name.span);
        let entries = self.entries(kind, first);
        if entries.is_empty() {
            return Vec::new();
        }
        let mut params = if entries.iter().any(|entry| entry.name.is_some() && entry.ty.is_some()) {
            self.named(kind, entries)
        } else {
            self.unnamed(kind, &entries, start)
        };
        self.check_dots(kind, &mut params);
        params.into_iter().map(|(param, _)| param).collect()
    }

    fn entries(&mut self, kind: ListKind, first: Option<(Ident, Option<ExprId>)>) -> Vec<Entry> {
        let closing = kind.closing();
        let mut first = first;
        let mut entries = Vec::new();
        while first.is_some() || !self.at(closing) && !self.at(TokenKind::Eof) {
            let entry = match first.take() {
                Some((name, Some(ty))) => {
                    let ty = if kind == ListKind::TypeParameters { self.union_from(ty) } else { ty };
                    Entry { name: Some(name), ty: Some(ty), dots: None }
                }
                Some((name, None)) => self.entry_after_name(kind, name),
                None => self.entry(kind),
            };
            if entry.name.is_some() || entry.ty.is_some() {
                entries.push(entry);
            }
            if !self.at_comma("parameter list", closing) {
                break;
            }
            self.bump();
        }
        entries
    }

    fn entry(&mut self, kind: ListKind) -> Entry {
        use TokenKind as K;
        let type_parameters = kind == ListKind::TypeParameters;
        match self.lexer.token.kind {
            K::Ident => {
                let name = self.ident();
                self.entry_after_name(kind, name)
            }
            K::Tilde if type_parameters => Entry { ty: Some(self.union()), ..Entry::EMPTY },
            K::Ellipsis => self.variadic_entry(None),
            _ => {
                let ty = self.try_type();
                if ty.is_none() {
                    self.error_expected(self.lexer.token.span, &format!("'{}'", kind.closing()));
                    self.advance_to_expression_end();
                }
                self.finish_entry(kind, Entry { ty, ..Entry::EMPTY })
            }
        }
    }

    /// Parses what follows a name in a list: its type, or what makes a type of it.
    fn entry_after_name(&mut self, kind: ListKind, name: Ident) -> Entry {
        use TokenKind as K;
        let type_parameters = kind == ListKind::TypeParameters;
        let entry = match self.lexer.token.kind {
            K::Ident
            | K::Mul
            | K::Arrow
            | K::Func
            | K::Chan
            | K::Map
            | K::Struct
            | K::Interface
            | K::LeftParen => Entry { name: Some(name), ty: Some(self.ty()), dots: None },
            K::LeftBracket => {
                let (name, ty) = self.array_or_instance(name);
                Entry { name, ty: Some(ty), dots: None }
            }
            K::Ellipsis => return self.variadic_entry(Some(name)),
            K::Period => Entry { ty: Some(self.qualified_type(name)), ..Entry::EMPTY },
            K::Tilde if type_parameters => {
                return Entry { name: Some(name), ty: Some(self.union()), dots: None };
            }
            K::Or if type_parameters => Entry { ty: Some(self.name_expr(name)), ..Entry::EMPTY },
            _ => return Entry { name: Some(name), ..Entry::EMPTY },
        };
        self.finish_entry(kind, entry)
    }

    fn variadic_entry(&mut self, name: Option<Ident>) -> Entry {
        let dots = self.expect(TokenKind::Ellipsis);
        Entry { name, ty: Some(self.ty()), dots: Some(dots) }
    }

    /// A constraint may go on with `|`.
    fn finish_entry(&mut self, kind: ListKind, entry: Entry) -> Entry {
        match entry.ty {
            Some(ty) if kind == ListKind::TypeParameters => Entry { ty: Some(self.union_from(ty)), ..entry },
            _ => entry,
        }
    }

    /// Parses what `[` after a name begins: `x []E`, `x [n]E`, which keep the name, or the instance `x[P, Q]`.
    pub(super) fn array_or_instance(&mut self, name: Ident) -> (Option<Ident>, ExprId) {
        let start = self.lexer.token.span.start;
        self.bump();
        if self.eat(TokenKind::RightBracket) {
            let element = self.ty();
            return (Some(name), self.expr(start, ExprKind::ArrayType(ArrayLen::Slice, element)));
        }
        let first = self.expr_stack.len();
        let mut trailing_comma = None;
        self.expression_level += 1;
        loop {
            let argument = self.expression();
            self.expr_stack.push(argument);
            if !self.at(TokenKind::Comma) {
                break;
            }
            let comma = self.lexer.token.span;
            self.bump();
            if self.at(TokenKind::RightBracket) {
                trailing_comma = Some(comma);
                break;
            }
        }
        self.expression_level -= 1;
        self.expect(TokenKind::RightBracket);
        let end = self.previous_end;
        if self.expr_stack.len() == first + 1
            && let Some(element) = self.try_type()
        {
            if let Some(comma) = trailing_comma {
                self.error(comma, "unexpected comma; expecting ]");
            }
            let length = self.take_exprs(first)[0];
            let ty = self.expr(start, ExprKind::ArrayType(ArrayLen::Fixed(length), element));
            return (Some(name), ty);
        }
        let generic = self.name_expr(name);
        let arguments = self.take_exprs(first).into();
        let span = Span::new(name.span.start, end);
        (None, self.expr_at(span, ExprKind::Index(generic, arguments)))
    }

    /// No entry has both name and type: all are types.
    fn unnamed(&mut self, kind: ListKind, entries: &[Entry], start: Span) -> Vec<(Param, Option<Span>)> {
        if kind == ListKind::TypeParameters {
            if entries.iter().all(|entry| entry.ty.is_none()) {
                self.error(self.lexer.token.span, "missing type constraint");
            } else {
                self.error(start, missing_type_parameter_name(entries.len()));
            }
        }
        let params = entries.iter().map(|entry| {
            let ty = match (entry.ty, entry.name) {
                (Some(ty), _) => ty,
                (None, Some(name)) => self.name_expr(name),
                (None, None) => self.bad_expr(start),
            };
            (Param { name: None, ty, variadic: entry.dots.is_some() }, entry.dots)
        });
        params.collect()
    }

    /// Some entry has both name and type: all must have a name, and take the type of the next that has one.
    fn named(&mut self, kind: ListKind, entries: Vec<Entry>) -> Vec<(Param, Option<Span>)> {
        let has_both = |entry: &Entry| entry.name.is_some() && entry.ty.is_some();
        let nameless = entries.iter().any(|entry| entry.ty.is_some() && !has_both(entry));
        let count = entries.len();
        let mut fault = None;
        let mut next: Option<(ExprId, Option<Span>)> = None;
        let mut params = Vec::with_capacity(count);
        for entry in entries.into_iter().rev() {
            if let Some(ty) = entry.ty {
                next = Some((ty, entry.dots));
            }
            let place = entry.name.map(|name| name.span);
            let (ty, dots) = next.unwrap_or_else(|| {
                fault = place;
                (self.bad_expr(place.unwrap_or_default()), None)
            });
            let name = entry.name.unwrap_or_else(|| {
                let start = self.span_of(ty).start;
                fault = Some(Span::new(start, start));
                blank(Span::new(start, start))
            });
            params.push((Param { name: Some(name), ty, variadic: dots.is_some() }, dots));
        }
        params.reverse();
        if let Some(place) = fault {
            self.report_incomplete(kind, nameless.then_some(place), count);
        }
        params
    }

    /// Reports a list in which some have names and types and others not: at `nameless` a name is missing, else a type
    /// before the token.
    fn report_incomplete(&mut self, kind: ListKind, nameless: Option<Span>, count: usize) {
        match (nameless, kind) {
            (None, ListKind::TypeParameters) => self.error(self.lexer.token.span, "missing type constraint"),
            (None, _) => self.error(self.lexer.token.span, "missing parameter type"),
            (Some(place), ListKind::TypeParameters) => {
                self.error(place, missing_type_parameter_name(count));
            }
            (Some(place), _) => self.error(place, "missing parameter name"),
        }
    }

    /// Only a function's last parameter may be variadic.
    fn check_dots(&mut self, kind: ListKind, params: &mut [(Param, Option<Span>)]) {
        let allowed = kind == ListKind::Parameters;
        let last = params.len() - 1;
        let misplaced = |(at, _): &(usize, &mut (Param, Option<Span>))| !allowed || *at != last;
        let mut first = None;
        for (_, (param, dots)) in params.iter_mut().enumerate().filter(misplaced) {
            first = first.or(*dots);
            param.variadic = false;
        }
        if let Some(dots) = first {
            let message =
                if allowed { "can only use ... with final parameter" } else { "invalid use of ..." };
            self.error(dots, message);
        }
    }
}

const fn missing_type_parameter_name(count: usize) -> &'static str {
    if count == 1 {
        "missing type parameter name or invalid array length"
    } else {
        "missing type parameter name"
    }
}
