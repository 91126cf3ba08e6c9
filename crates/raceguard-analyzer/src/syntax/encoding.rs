//! What Go asks of a file's bytes before any grammar: UTF-8, no NUL, no byte order mark but at the start.

use super::error::{MAX_ERRORS, SyntaxError};
use super::span::Span;

/// The byte order mark in UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A file's faults of encoding.
#[derive(Debug, Default)]
pub(super) struct Encoding {
    /// The first few faults in order of their place.
    pub(super) errors: Vec<SyntaxError>,
    /// Whether the file is in UTF-16, so that nothing can be made of it.
    pub(super) utf16: bool,
}

/// Checks a whole file: one pass at memory speed when it is clean.
pub(super) fn check(source: &[u8]) -> Encoding {
    let mut found = Encoding::default();
    if matches!(source, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..]) {
        found.utf16 = true;
        found.report(0, 2, "illegal UTF-8 encoding (got UTF-16)");
        return found;
    }
    for at in memchr::memchr_iter(0, source).take(MAX_ERRORS) {
        found.report(at, 1, "illegal character NUL");
    }
    if !source.is_ascii() {
        found.check_marks(source);
    }
    if std::str::from_utf8(source).is_err() {
        found.check_utf8(source);
    }
    found
}

impl Encoding {
    fn report(&mut self, at: usize, len: usize, message: &str) {
        let [start, end] = [at, at + len].map(|offset| u32::try_from(offset).unwrap_or(u32::MAX));
        self.errors.push(SyntaxError { span: Span::new(start, end), message: message.to_owned() });
    }

    fn check_marks(&mut self, source: &[u8]) {
        let marks = memchr::memmem::find_iter(source, BYTE_ORDER_MARK).filter(|at| *at > 0);
        for at in marks.take(MAX_ERRORS) {
            self.report(at, BYTE_ORDER_MARK.len(), "illegal byte order mark");
        }
    }

    fn check_utf8(&mut self, source: &[u8]) {
        let mut offset = 0;
        for chunk in source.utf8_chunks() {
            offset += chunk.valid().len();
            if !chunk.invalid().is_empty() {
                self.report(offset, chunk.invalid().len(), "illegal UTF-8 encoding");
            }
            offset += chunk.invalid().len();
            if self.errors.len() > 3 * MAX_ERRORS {
                break;
            }
        }
    }
}
