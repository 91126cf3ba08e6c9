//! Passing over a function body without making tokens of it.

use super::{Comment, Lexer, TokenKind, span};

/// Bytes that matter when braces are matched: braces, quotes, and what may begin a comment.
const MARKS: [bool; 256] = {
    let mut table = [false; 256];
    let mut i = 0;
    while i < b"{}\"'`/".len() {
        table[b"{}\"'`/"[i] as usize] = true;
        i += 1;
    }
    table
};

/// How often to look for the next function after a body that nothing closes: each costs a pass over the rest.
const MAX_UNCLOSED: u32 = 16;

impl Lexer<'_> {
    /// Passes over all to the brace that closes a block whose opening brace was the last token. On success the lexer
    /// stands after that brace. Comments inside are kept if the lexer keeps comments.
    ///
    /// If there is no such brace, the lexer stands where the next function seems to begin, or at the end of the file.
    pub(in crate::syntax) fn skip_block(&mut self) -> bool {
        let start = self.offset;
        let mut depth = 1_usize;
        while let Some(at) = self.source[self.offset..].iter().position(|byte| MARKS[usize::from(*byte)]) {
            let mark = self.source[self.offset + at];
            self.offset += at + 1;
            match mark {
                b'{' => depth += 1,
                b'}' => {
                    depth -= 1;
                    if depth == 0 {
                        self.ends_statement = TokenKind::RightBrace.ends_statement();
                        return true;
                    }
                }
                b'"' | b'\'' => self.skip_quoted(mark),
                b'`' => self.skip_past(b'`'),
                _ => self.skip_comment(),
            }
        }
        self.recover_at_function(start);
        false
    }

    /// Passes over the rest of a string or rune, which ends with its line at the latest.
    fn skip_quoted(&mut self, quote: u8) {
        while let Some(&byte) = self.source.get(self.offset) {
            match byte {
                b'\\' if self.peek(1) != b'\n' => self.offset += 2,
                b'\n' => return,
                _ => {
                    self.offset += 1;
                    if byte == quote {
                        return;
                    }
                }
            }
        }
        self.offset = self.source.len();
    }

    fn skip_past(&mut self, end: u8) {
        let rest = &self.source[self.offset..];
        self.offset += memchr::memchr(end, rest).map_or(rest.len(), |at| at + 1);
    }

    /// Passes over a comment whose first slash was passed; a slash that begins none is a division.
    fn skip_comment(&mut self) {
        let start = self.offset - 1;
        let rest = &self.source[self.offset..];
        match rest.first() {
            Some(b'/') => self.offset += memchr::memchr(b'\n', rest).unwrap_or(rest.len()),
            Some(b'*') => {
                self.offset += memchr::memmem::find(&rest[1..], b"*/").map_or(rest.len(), |at| at + 3);
            }
            _ => return,
        }
        if self.keep_comments {
            self.comments.push(Comment { span: span(start, self.offset) });
        }
    }

    /// After a body that nothing closes: the next line that begins with `func`.
    fn recover_at_function(&mut self, start: usize) {
        self.unclosed_blocks += 1;
        let rest = &self.source[start..];
        let next = memchr::memmem::find(rest, b"\nfunc ").filter(|_| self.unclosed_blocks <= MAX_UNCLOSED);
        self.offset = start + next.unwrap_or(rest.len());
        while self.comments.last().is_some_and(|comment| comment.span.end as usize > self.offset) {
            self.comments.pop();
        }
        self.ends_statement = TokenKind::RightBrace.ends_statement();
    }
}
