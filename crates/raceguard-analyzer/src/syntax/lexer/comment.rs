//! Comments.

use super::{Comment, CommentLines, Lexer, span};

impl Lexer<'_> {
    /// Passes over the comment that begins here. It may hold the line's end that ends a statement: its place.
    pub(super) fn comment(&mut self) -> Option<usize> {
        let start = self.offset;
        let first_line = self.line;
        let block = self.peek(1) == b'*';
        let line_end = if block { self.block_comment() } else { self.line_comment() };
        if self.keep_comments {
            self.comments.push(Comment { span: span(start, self.offset) });
            self.gap.push(CommentLines { first: first_line, last: self.line });
        }
        self.check_line_directive(start, block);
        let semicolon = line_end.filter(|_| self.ends_statement)?;
        self.token_line = first_line;
        Some(semicolon)
    }

    fn line_comment(&mut self) -> Option<usize> {
        let rest = &self.source[self.offset..];
        self.offset += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        None
    }

    /// Passes over `/* */`; the place of the first line's end inside.
    fn block_comment(&mut self) -> Option<usize> {
        let start = self.offset;
        let body = &self.source[start + 2..];
        if let Some(length) = memchr::memmem::find(body, b"*/") {
            self.offset = start + 2 + length + 2;
        } else {
            self.offset = self.source.len();
            self.error(start, start + 2, "comment not terminated");
        }
        let comment = &self.source[start..self.offset];
        let line_end = memchr::memchr(b'\n', comment)?;
        if self.keep_comments {
            self.line += lines(comment);
        }
        Some(start + line_end)
    }

    /// Go asks of a `//line file:line:column` comment that its numbers are numbers.
    fn check_line_directive(&mut self, start: usize, block: bool) {
        let comment = &self.source[start..self.offset];
        let Some(text) = comment[2..].strip_prefix(b"line ") else { return };
        let at_line_start = start == 0 || self.source[start - 1] == b'\n';
        let text = if block {
            text.strip_suffix(b"*/")
        } else {
            at_line_start.then(|| text.strip_suffix(b"\r").unwrap_or(text))
        };
        if let Some(message) = text.and_then(line_directive_fault) {
            self.error(start, self.offset, message);
        }
    }
}

/// What is wrong with the text of a line directive: `file:line` or `file:line:column`. Text without a colon is none.
fn line_directive_fault(text: &[u8]) -> Option<&'static str> {
    let valid = 1..=1_u64 << 30;
    let (before, last) = split_number(text)?;
    let Some(last) = last else { return Some("invalid line number") };
    if let Some((_, Some(line))) = split_number(before) {
        if !valid.contains(&last) {
            return Some("invalid column number");
        }
        return (!valid.contains(&line)).then_some("invalid line number");
    }
    (!valid.contains(&last)).then_some("invalid line number")
}

/// What stands before the last colon, and the number after it if it is one.
fn split_number(text: &[u8]) -> Option<(&[u8], Option<u64>)> {
    let colon = memchr::memrchr(b':', text)?;
    let digits = &text[colon + 1..];
    let number = if digits.iter().all(u8::is_ascii_digit) {
        std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok())
    } else {
        None
    };
    Some((&text[..colon], number))
}

/// Number of line ends.
pub(super) fn lines(text: &[u8]) -> u32 {
    u32::try_from(memchr::memchr_iter(b'\n', text).count()).unwrap_or(u32::MAX)
}
