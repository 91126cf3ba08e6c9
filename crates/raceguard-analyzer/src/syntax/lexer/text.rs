//! Strings and runes.

use super::comment::lines;
use super::{Lexer, TokenKind, decode};

impl Lexer<'_> {
    /// `"..."`, which ends at the end of its line at the latest.
    pub(super) fn string(&mut self) -> TokenKind {
        let start = self.offset;
        self.offset += 1;
        loop {
            let rest = &self.source[self.offset..];
            let stop = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | b'\n'));
            self.offset += stop.unwrap_or(rest.len());
            match self.source.get(self.offset) {
                Some(b'"') => {
                    self.offset += 1;
                    return TokenKind::String;
                }
                Some(b'\\') => {
                    self.offset += 1;
                    self.escape(b'"');
                }
                _ => {
                    self.error(start, self.offset, "string literal not terminated");
                    return TokenKind::String;
                }
            }
        }
    }

    /// A string between back quotes.
    pub(super) fn raw_string(&mut self) -> TokenKind {
        let start = self.offset;
        let body = &self.source[start + 1..];
        if let Some(length) = memchr::memchr(b'`', body) {
            self.offset = start + 1 + length + 1;
        } else {
            self.offset = self.source.len();
            self.error(start, start + 1, "raw string literal not terminated");
        }
        if self.keep_comments {
            self.line += lines(&self.source[start..self.offset]);
        }
        TokenKind::String
    }

    /// `'x'`
    pub(super) fn rune(&mut self) -> TokenKind {
        let start = self.offset;
        self.offset += 1;
        let mut characters = 0_u32;
        let mut valid = true;
        loop {
            match self.source.get(self.offset) {
                None | Some(b'\n') => {
                    if valid {
                        self.error(start, self.offset, "rune literal not terminated");
                    }
                    return TokenKind::Char;
                }
                Some(b'\'') => {
                    self.offset += 1;
                    break;
                }
                Some(b'\\') => {
                    self.offset += 1;
                    valid &= self.escape(b'\'');
                }
                Some(_) => self.offset += decode(&self.source[self.offset..]).1,
            }
            characters = characters.saturating_add(1);
        }
        if valid && characters != 1 {
            self.error(start, self.offset, "illegal rune literal");
        }
        TokenKind::Char
    }

    /// What follows a backslash; on a fault it stops before the offending character.
    fn escape(&mut self, quote: u8) -> bool {
        let start = self.offset;
        let (digits, base, limit) = match self.source.get(start) {
            Some(b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'\\') => {
                self.offset += 1;
                return true;
            }
            Some(&byte) if byte == quote => {
                self.offset += 1;
                return true;
            }
            Some(b'0'..=b'7') => (3, 8, 255),
            Some(b'x') => (2, 16, 255),
            Some(b'u') => (4, 16, u32::from(char::MAX)),
            Some(b'U') => (8, 16, u32::from(char::MAX)),
            found => {
                let message = if found.is_some() {
                    "unknown escape sequence"
                } else {
                    "escape sequence not terminated"
                };
                self.error(start - 1, start, message);
                return false;
            }
        };
        if base == 16 {
            self.offset += 1;
        }
        self.escaped_number(start, digits, base, limit)
    }

    fn escaped_number(&mut self, start: usize, digits: u32, base: u32, limit: u32) -> bool {
        let mut value = 0_u64;
        for _ in 0..digits {
            let Some(digit) = char::from(self.peek(0)).to_digit(base) else {
                let message = if self.offset < self.source.len() {
                    "illegal character in escape sequence"
                } else {
                    "escape sequence not terminated"
                };
                self.error(start - 1, self.offset, message);
                return false;
            };
            value = value * u64::from(base) + u64::from(digit);
            self.offset += 1;
        }
        if value > u64::from(limit) || (0xD800..0xE000).contains(&value) {
            self.error(start - 1, self.offset, "escape sequence is invalid Unicode code point");
            return false;
        }
        true
    }
}
