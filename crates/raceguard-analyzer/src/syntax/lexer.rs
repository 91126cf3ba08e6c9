//! From bytes to tokens, with the semicolons that Go adds at the ends of lines.
//!
//! The lexer never fails: what it can't read it reports and hands on as the nearest token, or as
//! [`TokenKind::Illegal`]. That the bytes are UTF-8 is checked once for the whole file, apart from it.

mod classes;
mod comment;
mod number;
mod skip;
mod text;

use super::ast::Comment;
use super::encoding::BYTE_ORDER_MARK;
use super::error::{ErrorList, SyntaxError};
use super::span::Span;
use super::token::{Token, TokenKind};
use classes::{IDENTIFIER, decode, is_digit, is_letter};

/// Reads tokens from a source file.
#[derive(Debug)]
pub struct Lexer<'s> {
    source: &'s [u8],
    offset: usize,
    /// Whether a line that ends here ends a statement.
    ends_statement: bool,
    keep_comments: bool,
    /// Number of skipped blocks that nothing closed.
    unclosed_blocks: u32,
    /// Number of lines begun before `offset`, not counting those inside skipped bodies, and those inside of comments
    /// and strings only when comments are kept.
    line: u32,
    /// The last token read.
    pub(super) token: Token,
    pub(super) token_line: u32,
    pub(super) comments: Vec<Comment>,
    /// The lines of the comments between the last two tokens.
    pub(super) gap: Vec<CommentLines>,
    pub(super) errors: ErrorList,
}

/// The lines on which a comment begins and ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct CommentLines {
    pub(super) first: u32,
    pub(super) last: u32,
}

impl<'s> Lexer<'s> {
    /// A lexer at the start of a file. Comments are passed over.
    pub fn new(source: &'s [u8]) -> Self {
        let mut lexer = Self::at(source, 0);
        if source.starts_with(BYTE_ORDER_MARK) {
            lexer.offset = BYTE_ORDER_MARK.len();
        }
        lexer
    }

    /// A lexer at some place between two tokens.
    pub(super) fn at(source: &'s [u8], offset: u32) -> Self {
        Self {
            source,
            offset: offset as usize,
            ends_statement: false,
            keep_comments: false,
            unclosed_blocks: 0,
            line: 0,
            token: Token { kind: TokenKind::Illegal, span: Span::default() },
            token_line: 0,
            comments: Vec::new(),
            gap: Vec::new(),
            errors: ErrorList::default(),
        }
    }

    /// The same lexer, which keeps comments.
    pub(super) fn keeping_comments(mut self, keep: bool) -> Self {
        self.keep_comments = keep;
        self
    }

    pub(super) const fn source(&self) -> &'s [u8] {
        self.source
    }

    /// Where the next token is looked for.
    pub(super) fn offset(&self) -> u32 {
        span(self.offset, self.offset).start
    }

    pub(super) const fn line(&self) -> u32 {
        self.line
    }

    /// The errors so far, in order of their place.
    pub fn into_errors(self) -> Vec<SyntaxError> {
        self.errors.finish(Vec::new())
    }

    /// The errors so far and others, in order of their place.
    pub(super) fn into_errors_and(self, others: Vec<SyntaxError>) -> Vec<SyntaxError> {
        self.errors.finish(others)
    }

    /// The next token; at the end of the source [`TokenKind::Eof`], again and again.
    pub fn next_token(&mut self) -> Token {
        self.advance();
        self.token
    }

    /// Reads the next token into [`token`](Self::token).
    pub(super) fn advance(&mut self) {
        loop {
            let Some(&byte) = self.source.get(self.offset) else { return self.end_of_file() };
            match byte {
                b' ' | b'\t' | b'\r' => {
                    let rest = &self.source[self.offset..];
                    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r');
                    self.offset += rest.iter().position(|byte| !blank(byte)).unwrap_or(rest.len());
                }
                b'\n' => {
                    let at = self.offset;
                    self.offset += 1;
                    self.token_line = self.line;
                    self.line += 1;
                    if self.ends_statement {
                        return self.automatic_semicolon(at);
                    }
                }
                b'/' if matches!(self.peek(1), b'/' | b'*') => {
                    if let Some(at) = self.comment() {
                        return self.automatic_semicolon(at);
                    }
                }
                _ => return self.written_token(byte),
            }
        }
    }

    /// Sets the token, one field at a time: a copy of the whole would have to wait for all of them to be stored.
    fn set_token(&mut self, kind: TokenKind, start: usize, end: usize) {
        let Span { start, end } = span(start, end);
        self.token.kind = kind;
        self.token.span.start = start;
        self.token.span.end = end;
    }

    fn automatic_semicolon(&mut self, at: usize) {
        self.ends_statement = false;
        self.set_token(TokenKind::Semicolon, at, at);
    }

    /// Makes the next token the end of the file.
    pub(super) fn give_up(&mut self) {
        self.offset = self.source.len();
        self.ends_statement = false;
    }

    fn end_of_file(&mut self) {
        self.token_line = self.line;
        let end = self.source.len();
        if self.ends_statement {
            self.automatic_semicolon(end);
        } else {
            self.set_token(TokenKind::Eof, end, end);
        }
    }

    fn written_token(&mut self, byte: u8) {
        let start = self.offset;
        self.token_line = self.line;
        let kind = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word(),
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_ascii_digit() => self.number(),
            b'"' => self.string(),
            b'`' => self.raw_string(),
            b'\'' => self.rune(),
            _ => match PUNCTUATION[usize::from(byte)] {
                Some(kind) => {
                    self.offset += 1;
                    kind
                }
                None => self.operator_or_unusual(byte),
            },
        };
        if kind != TokenKind::Illegal {
            self.ends_statement = kind.ends_statement();
        }
        self.set_token(kind, start, self.offset);
    }

    /// The byte that many places further, or NUL after the end.
    fn peek(&self, ahead: usize) -> u8 {
        self.source.get(self.offset + ahead).copied().unwrap_or(0)
    }

    fn word(&mut self) -> TokenKind {
        let start = self.offset;
        let rest = &self.source[start..];
        let length = rest.iter().position(|byte| !IDENTIFIER[usize::from(*byte)]).unwrap_or(rest.len());
        self.offset += length;
        if self.peek(0) >= 0x80 {
            self.rest_of_identifier();
        }
        TokenKind::keyword(&self.source[start..self.offset]).unwrap_or(TokenKind::Ident)
    }

    fn rest_of_identifier(&mut self) {
        while let Some(&byte) = self.source.get(self.offset) {
            if byte < 0x80 {
                if !IDENTIFIER[usize::from(byte)] {
                    return;
                }
                self.offset += 1;
                continue;
            }
            let (character, length) = decode(&self.source[self.offset..]);
            if !is_letter(character) && !is_digit(character) {
                return;
            }
            self.offset += length;
        }
    }

    fn operator_or_unusual(&mut self, byte: u8) -> TokenKind {
        match self.operator(byte) {
            Some((kind, length)) => {
                self.offset += length;
                kind
            }
            None => self.unusual(),
        }
    }

    /// The operator that begins with `byte`, and its length.
    fn operator(&self, byte: u8) -> Option<(TokenKind, usize)> {
        use TokenKind as K;
        let (second, third) = (self.peek(1), self.peek(2));
        let or_assign = |plain, assign| if second == b'=' { (assign, 2) } else { (plain, 1) };
        let shift = |shift, assign| if third == b'=' { (assign, 3) } else { (shift, 2) };
        Some(match (byte, second) {
            (b'.', b'.') if third == b'.' => (K::Ellipsis, 3),
            (b'.', _) => (K::Period, 1),
            (b':', _) => or_assign(K::Colon, K::Define),
            (b'=', _) => or_assign(K::Assign, K::Equal),
            (b'!', _) => or_assign(K::Not, K::NotEqual),
            (b'*', _) => or_assign(K::Mul, K::MulAssign),
            (b'/', _) => or_assign(K::Quo, K::QuoAssign),
            (b'%', _) => or_assign(K::Rem, K::RemAssign),
            (b'^', _) => or_assign(K::Xor, K::XorAssign),
            (b'+', b'+') => (K::Increment, 2),
            (b'+', _) => or_assign(K::Add, K::AddAssign),
            (b'-', b'-') => (K::Decrement, 2),
            (b'-', _) => or_assign(K::Sub, K::SubAssign),
            (b'|', b'|') => (K::LogicalOr, 2),
            (b'|', _) => or_assign(K::Or, K::OrAssign),
            (b'&', b'&') => (K::LogicalAnd, 2),
            (b'&', b'^') => shift(K::AndNot, K::AndNotAssign),
            (b'&', _) => or_assign(K::And, K::AndAssign),
            (b'<', b'-') => (K::Arrow, 2),
            (b'<', b'<') => shift(K::Shl, K::ShlAssign),
            (b'<', _) => or_assign(K::Less, K::LessEqual),
            (b'>', b'>') => shift(K::Shr, K::ShrAssign),
            (b'>', _) => or_assign(K::Greater, K::GreaterEqual),
            _ => return None,
        })
    }

    /// An identifier that begins outside ASCII, or a character that begins no token.
    fn unusual(&mut self) -> TokenKind {
        let start = self.offset;
        let (character, length) = decode(&self.source[start..]);
        if character.is_ascii() || !is_letter(character) {
            self.offset += length;
            let message = match character {
                '\u{201c}' | '\u{201d}' => format!("curly quotation mark {character:?} (use neutral '\"')"),
                _ => format!("illegal character {character:?} (U+{:04X})", u32::from(character)),
            };
            self.error(start, self.offset, message);
            return TokenKind::Illegal;
        }
        self.rest_of_identifier();
        TokenKind::Ident
    }

    #[cold]
    fn error(&mut self, start: usize, end: usize, message: impl Into<String>) {
        self.errors.add(self.line, span(start, end), message);
    }
}

/// The tokens of one byte that begins no other token.
const PUNCTUATION: [Option<TokenKind>; 256] = {
    use TokenKind as K;
    let kinds = [
        K::LeftParen,
        K::RightParen,
        K::LeftBracket,
        K::RightBracket,
        K::LeftBrace,
        K::RightBrace,
        K::Comma,
        K::Semicolon,
        K::Tilde,
    ];
    let mut table = [None; 256];
    let mut i = 0;
    while i < kinds.len() {
        table[kinds[i].text().as_bytes()[0] as usize] = Some(kinds[i]);
        i += 1;
    }
    table
};

/// A span of offsets into a source. A parse refuses sources too long for 32 bits, so nothing is lost.
#[expect(
    clippy::cast_possible_truncation,
    reason = "sources of 4 GiB and more are refused before they get here"
)]
const fn span(start: usize, end: usize) -> Span {
    Span::new(start as u32, end as u32)
}
