//! Going from token to token.

use super::{CommentGroup, Ident, Parser, Span, Token, TokenKind, blank};

impl<'s> Parser<'s> {
    pub(super) fn first_token(&mut self) {
        self.lexer.advance();
        self.attach_comments(None);
    }

    /// Goes on to the next token.
    pub(super) fn bump(&mut self) {
        let line = self.lexer.token_line;
        if !self.at(TokenKind::Semicolon) {
            self.previous_end = self.lexer.token.span.end;
        }
        self.lexer.advance();
        if self.mode.comments {
            self.attach_comments(Some(line));
        }
    }

    pub(super) fn at(&self, kind: TokenKind) -> bool {
        self.lexer.token.kind == kind
    }

    /// Passes the token if it is of that kind.
    pub(super) fn eat(&mut self, kind: TokenKind) -> bool {
        let found = self.at(kind);
        if found {
            self.bump();
        }
        found
    }

    /// Passes the token and gives its place, with an error if it isn't of that kind.
    pub(super) fn expect(&mut self, kind: TokenKind) -> Span {
        let span = self.lexer.token.span;
        if self.at(kind) {
            self.bump();
        } else {
            self.error_expected(span, &format!("'{kind}'"));
            self.pass_unexpected();
        }
        span
    }

    /// Passes a token that is not what was expected, so that no loop stands still; not one that begins a function.
    fn pass_unexpected(&mut self) {
        if !self.at_function_declaration() {
            self.bump();
        }
    }

    /// Like [`expect`](Self::expect), for what closes a list: there a comma is easily forgotten at a line's end.
    pub(super) fn expect_closing(&mut self, kind: TokenKind, context: &str) {
        if self.lexer.token.is_automatic_semicolon() && !self.at(kind) {
            self.error(self.lexer.token.span, format!("missing ',' before newline in {context}"));
            self.bump();
        }
        self.expect(kind);
    }

    /// Passes the end of a statement or line, and gives the comment that ends the line.
    pub(super) fn expect_semicolon(&mut self) -> CommentGroup {
        match self.lexer.token.kind {
            TokenKind::RightParen | TokenKind::RightBrace => return CommentGroup::default(),
            TokenKind::Semicolon => {}
            TokenKind::Comma => self.error_expected(self.lexer.token.span, "';'"),
            _ => {
                self.error_expected(self.lexer.token.span, "';'");
                self.advance_to_statement();
                return CommentGroup::default();
            }
        }
        if self.lexer.token.is_automatic_semicolon() {
            let before = self.line_comment;
            self.bump();
            return before;
        }
        self.bump();
        self.line_comment
    }

    /// Whether a comma comes, or ought to: if it is missing, that is reported and the list goes on.
    pub(super) fn at_comma(&mut self, context: &str, closing: TokenKind) -> bool {
        if self.at(TokenKind::Comma) {
            return true;
        }
        if self.at(closing) || self.at_function_declaration() {
            return false;
        }
        let newline = if self.lexer.token.is_automatic_semicolon() { " before newline" } else { "" };
        self.error(self.lexer.token.span, format!("missing ','{newline} in {context}"));
        true
    }

    /// Passes an identifier; `_` with an error if there is none.
    pub(super) fn ident(&mut self) -> Ident {
        let span = self.lexer.token.span;
        if !self.at(TokenKind::Ident) {
            self.error_expected(span, "identifier");
            if self.at_function_declaration() {
                return self.missing_ident();
            }
            self.bump();
            self.previous_end = self.previous_end.max(span.end);
            return blank(span);
        }
        let name = self.names.name(self.text(self.lexer.token));
        self.bump();
        Ident { name, span }
    }

    /// Passes `a, b, c`.
    pub(super) fn ident_list(&mut self) -> Vec<Ident> {
        let mut list = vec![self.ident()];
        while self.eat(TokenKind::Comma) {
            list.push(self.ident());
        }
        list
    }

    pub(super) fn text(&self, token: Token) -> &'s [u8] {
        &self.lexer.source()[token.span.start as usize..token.span.end as usize]
    }
}
