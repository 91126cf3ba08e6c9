//! The file, and its declarations; those of functions too.

use super::parameters::ListKind;
use super::{CommentGroup, File, Ident, ImportSpec, Parser, Span, TokenKind};
use crate::syntax::ast::{Body, ConstSpec, Decl, FuncDecl, VarSpec};
use crate::syntax::literal::unquote_string;
use crate::syntax::name::Name;

impl Parser<'_> {
    /// Parses the whole file. Nothing is read after a package clause that is wrong, since it is hardly Go then.
    pub(super) fn file(&mut self) -> File {
        self.expect(TokenKind::Package);
        let package = self.ident();
        self.expect_semicolon();
        let decls = if self.lexer.errors.is_empty() { self.declarations() } else { Vec::new() };
        File {
            package,
            imports: std::mem::take(&mut self.imports),
            decls,
            arena: std::mem::take(&mut self.arena),
            comments: std::mem::take(&mut self.lexer.comments),
        }
    }

    fn declarations(&mut self) -> Vec<Decl> {
        let mut decls = Vec::new();
        let mut after_imports = false;
        while !self.at(TokenKind::Eof) {
            if self.at(TokenKind::Import) {
                if after_imports {
                    self.error(self.lexer.token.span, "imports must appear before other declarations");
                }
                self.import_declaration();
                continue;
            }
            after_imports = true;
            decls.push(self.declaration());
        }
        decls
    }

    fn declaration(&mut self) -> Decl {
        let start = self.lexer.token.span;
        match self.lexer.token.kind {
            TokenKind::Func => Decl::Func(Box::new(self.function_declaration())),
            TokenKind::Const | TokenKind::Var | TokenKind::Type => self.value_or_type_declaration(),
            _ => {
                self.error_expected(start, "declaration");
                self.advance_to_declaration();
                Decl::Bad(Span::new(start.start, self.previous_end.max(start.start)))
            }
        }
    }

    /// Parses a `const`, `var` or `type` declaration.
    pub(super) fn value_or_type_declaration(&mut self) -> Decl {
        match self.lexer.token.kind {
            TokenKind::Const => Decl::Const(self.group(Self::const_spec, |spec| &mut spec.doc)),
            TokenKind::Var => Decl::Var(self.group(Self::var_spec, |spec| &mut spec.doc)),
            _ => Decl::Type(self.group(Self::type_spec, |spec| &mut spec.doc)),
        }
    }

    /// Parses a keyword and what follows: one line, or several in parentheses. `spec` is given the lines before.
    fn group<T>(
        &mut self,
        spec: fn(&mut Self, &[T], CommentGroup) -> T,
        doc: fn(&mut T) -> &mut CommentGroup,
    ) -> Vec<T> {
        let group_doc = self.lead_comment;
        self.bump();
        if !self.eat(TokenKind::LeftParen) {
            return vec![spec(self, &[], group_doc)];
        }
        let mut specs = Vec::new();
        while !self.at_group_end() {
            let next = spec(self, &specs, self.lead_comment);
            specs.push(next);
        }
        self.expect(TokenKind::RightParen);
        self.expect_semicolon();
        if let [sole] = specs.as_mut_slice() {
            let doc = doc(sole);
            if *doc == CommentGroup::default() {
                *doc = group_doc;
            }
        }
        specs
    }

    fn at_group_end(&self) -> bool {
        matches!(self.lexer.token.kind, TokenKind::RightParen | TokenKind::Eof)
            || self.at_function_declaration()
    }

    fn const_spec(&mut self, before: &[ConstSpec], doc: CommentGroup) -> ConstSpec {
        let names = self.ident_list();
        let mut ty = None;
        let mut values = Vec::new();
        if !matches!(self.lexer.token.kind, TokenKind::Eof | TokenKind::Semicolon | TokenKind::RightParen) {
            ty = self.try_type();
            if self.eat(TokenKind::Assign) {
                let start = self.expression_list();
                values = self.take_exprs(start);
            }
        }
        self.expect_semicolon();
        if let Some(last) = before.last().filter(|_| ty.is_none() && values.is_empty()) {
            ty = last.ty;
            values = last.values.iter().copied().take(names.len()).collect();
        }
        let iota = u32::try_from(before.len()).unwrap_or(u32::MAX);
        ConstSpec { names, ty, values, iota, doc }
    }

    fn var_spec(&mut self, _before: &[VarSpec], doc: CommentGroup) -> VarSpec {
        let names = self.ident_list();
        let ty = if self.at(TokenKind::Assign) { None } else { Some(self.ty()) };
        let mut values = Vec::new();
        if self.eat(TokenKind::Assign) {
            let start = self.expression_list();
            values = self.take_exprs(start);
        }
        let comment = self.expect_semicolon();
        VarSpec { names, ty, values, doc, comment }
    }

    fn import_declaration(&mut self) {
        self.bump();
        if !self.eat(TokenKind::LeftParen) {
            self.import_spec();
            return;
        }
        while !self.at_group_end() {
            self.import_spec();
        }
        self.expect(TokenKind::RightParen);
        self.expect_semicolon();
    }

    fn import_spec(&mut self) {
        let span = self.lexer.token.span;
        let name = match self.lexer.token.kind {
            TokenKind::Ident => Some(self.ident()),
            TokenKind::Period => {
                self.bump();
                Some(Ident { name: Name::new("."), span })
            }
            _ => None,
        };
        let span = self.lexer.token.span;
        if self.at(TokenKind::String) {
            let path = unquote_string(self.text(self.lexer.token)).unwrap_or_default();
            self.imports.push(ImportSpec { name, path: Name::new(&path), span });
            self.bump();
        } else if self.lexer.token.kind.is_literal() {
            self.error(span, "import path must be a string");
            self.bump();
        } else {
            self.error(span, "missing import path");
            self.advance_to_expression_end();
        }
        self.expect_semicolon();
    }

    fn function_declaration(&mut self) -> FuncDecl {
        let doc = self.lead_comment;
        let start = self.lexer.token.span.start;
        self.bump();
        let receivers =
            if self.at(TokenKind::LeftParen) { self.parameters(ListKind::Parameters) } else { Vec::new() };
        let name = self.ident();
        let type_params = if self.at(TokenKind::LeftBracket) { self.type_parameters() } else { Vec::new() };
        let signature = self.signature();
        let mut span = Span::new(start, self.previous_end);
        let body = self.function_body(&mut span);
        FuncDecl { receiver: receivers.first().copied(), name, type_params, signature, body, doc, span }
    }

    /// Parses or skips a body and the line's end after it. A body makes the function's span longer.
    fn function_body(&mut self, span: &mut Span) -> Body {
        if self.eat(TokenKind::Semicolon) {
            if !self.at(TokenKind::LeftBrace) {
                return Body::None;
            }
            self.error(self.lexer.token.span, "unexpected semicolon or newline before {");
        }
        let body = match self.lexer.token.kind {
            TokenKind::LeftBrace if self.mode.bodies => Body::Parsed(self.block()),
            TokenKind::LeftBrace => Body::Skipped(self.skip_body()),
            _ => Body::None,
        };
        span.end = self.previous_end;
        self.expect_semicolon();
        body
    }

    fn skip_body(&mut self) -> Span {
        let open = self.lexer.token.span;
        let closed = self.lexer.skip_block();
        let span = Span::new(open.start, self.lexer.offset());
        if !closed {
            self.error(open, "function body is not closed: expected '}'");
        }
        self.lexer.token.span = span;
        self.lexer.token_line = self.lexer.line();
        self.bump();
        span
    }
}
