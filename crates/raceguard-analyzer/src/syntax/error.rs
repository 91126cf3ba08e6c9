//! Syntax errors, and the list that a parse gathers.

use super::span::Span;

/// What is wrong in a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SyntaxError {
    /// The place; of zero length where something is missing.
    pub span: Span,
    /// What is wrong, in the words of Go's own parser where it has some.
    pub message: String,
}

/// The most errors that one parse reports. Parsing goes on after the last, so that the rest is still analysed.
pub const MAX_ERRORS: usize = 50;

/// The errors of one parse, at most one a line, since later ones on a line mostly follow from the first.
#[derive(Debug, Default)]
pub(super) struct ErrorList {
    list: Vec<SyntaxError>,
    last_line: Option<u32>,
    silenced: bool,
}

impl ErrorList {
    /// Keeps an error that was met while the lexer was at `line`.
    #[cold]
    pub(super) fn add(&mut self, line: u32, span: Span, message: impl Into<String>) {
        if self.silenced || self.last_line == Some(line) || self.list.len() >= MAX_ERRORS {
            return;
        }
        self.last_line = Some(line);
        self.list.push(SyntaxError { span, message: message.into() });
    }

    /// Keeps no more errors: what follows is a consequence.
    pub(super) const fn silence(&mut self) {
        self.silenced = true;
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All errors in order of their place, `others` among them.
    pub(super) fn finish(self, others: Vec<SyntaxError>) -> Vec<SyntaxError> {
        let mut list = self.list;
        list.extend(others);
        list.sort();
        list.truncate(MAX_ERRORS);
        list
    }
}
