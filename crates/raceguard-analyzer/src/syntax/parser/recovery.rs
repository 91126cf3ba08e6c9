//! Errors, and how to go on after them.

use super::{Parser, Span, TokenKind};

/// The deepest nesting of expressions, types, statements and blocks that is read. Beyond it the rest of the file is
/// given up with an error, lest the stack of a worker thread (2 MiB) overflow. Go's own parser has such a limit too.
pub const MAX_DEPTH: u32 = 500;

/// Most synchronisations at one place before a token is dropped.
const MAX_STALLS: u32 = 10;

/// Where the parser synchronised last, lest it stay at one place for ever.
#[derive(Debug, Default)]
pub(super) struct Sync {
    at: u32,
    stalls: u32,
}

impl Parser<'_> {
    #[cold]
    pub(super) fn error(&mut self, span: Span, message: impl Into<String>) {
        self.lexer.errors.add(self.lexer.token_line, span, message);
    }

    /// Reports that something else was expected at `span`, and if that is the token, what was found.
    #[cold]
    pub(super) fn error_expected(&mut self, span: Span, what: &str) {
        let mut message = format!("expected {what}");
        if span == self.lexer.token.span {
            message.push_str(", found ");
            if self.lexer.token.is_automatic_semicolon() {
                message.push_str("newline");
            } else if self.lexer.token.kind.is_literal() || self.lexer.token.kind == TokenKind::Illegal {
                message.push_str(&excerpt(self.text(self.lexer.token)));
            } else {
                message.push('\'');
                message.push_str(self.lexer.token.kind.text());
                message.push('\'');
            }
        }
        self.error(span, message);
    }

    /// Goes one level deeper; beyond the limit, the rest of the source is given up.
    pub(super) fn enter(&mut self) {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.give_up();
        }
    }

    pub(super) const fn leave(&mut self) {
        self.depth -= 1;
    }

    #[cold]
    fn give_up(&mut self) {
        self.error(self.lexer.token.span, format!("nested too deeply: more than {MAX_DEPTH} levels"));
        self.lexer.errors.silence();
        self.lexer.give_up();
        if !self.at(TokenKind::Eof) {
            self.bump();
        }
    }

    /// Whether a function declaration begins here, at the start of a line. In a body it means that a brace is missing.
    pub(super) fn at_function_declaration(&self) -> bool {
        let start = self.lexer.token.span.start as usize;
        let source = self.lexer.source();
        self.at(TokenKind::Func)
            && (start == 0 || source[start - 1] == b'\n')
            && source[start..]
                .strip_prefix(b"func ")
                .and_then(<[u8]>::first)
                .is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_' || !byte.is_ascii())
    }

    /// Passes tokens up to one that begins a statement.
    pub(super) fn advance_to_statement(&mut self) {
        self.advance(|kind| {
            use TokenKind as K;
            matches!(
                kind,
                K::Break
                    | K::Const
                    | K::Continue
                    | K::Defer
                    | K::Fallthrough
                    | K::For
                    | K::Go
                    | K::Goto
                    | K::If
                    | K::Return
                    | K::Select
                    | K::Switch
                    | K::Type
                    | K::Var
            )
        });
    }

    /// Passes tokens up to one that begins a declaration.
    pub(super) fn advance_to_declaration(&mut self) {
        self.advance(|kind| {
            use TokenKind as K;
            matches!(kind, K::Import | K::Const | K::Type | K::Var | K::Func)
        });
    }

    /// Passes tokens up to one that ends an expression.
    pub(super) fn advance_to_expression_end(&mut self) {
        self.advance(|kind| {
            use TokenKind as K;
            matches!(
                kind,
                K::Comma | K::Colon | K::Semicolon | K::RightParen | K::RightBracket | K::RightBrace
            )
        });
    }

    fn advance(&mut self, stop: impl Fn(TokenKind) -> bool) {
        while !self.at(TokenKind::Eof) {
            if stop(self.lexer.token.kind) || self.at_function_declaration() {
                let here = self.lexer.token.span.start;
                if here == self.sync.at && self.sync.stalls < MAX_STALLS {
                    self.sync.stalls += 1;
                    return;
                }
                if here > self.sync.at {
                    self.sync = Sync { at: here, stalls: 0 };
                    return;
                }
            }
            self.bump();
        }
    }
}

/// The beginning of a token's text, for a message.
fn excerpt(text: &[u8]) -> String {
    const LONGEST: usize = 40;
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * LONGEST)]);
    let first_line = text.lines().next().unwrap_or_default();
    let mut short: String = first_line.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
