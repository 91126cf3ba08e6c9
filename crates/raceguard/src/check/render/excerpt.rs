//! The lines of a file around a statement.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use raceguard_evidence::SourcePlace;

use super::Look;
use crate::report::source::Excerpt;

/// Files, each read once.
pub(super) struct Sources<'a> {
    read: &'a dyn Fn(&Path) -> Option<String>,
    files: RefCell<HashMap<String, Option<Rc<Vec<String>>>>>,
}

impl<'a> Sources<'a> {
    pub(super) fn new(look: &Look<'a>) -> Self {
        Self { read: look.read_source, files: RefCell::default() }
    }

    /// The lines around a place, at most `context` before and after; none if the file has no such line.
    pub(super) fn around(&self, place: &SourcePlace, context: usize) -> Option<Excerpt> {
        let lines = self.lines(&place.file)?;
        let number = usize::try_from(place.line).ok()?;
        let marked = number.checked_sub(1).filter(|index| *index < lines.len())?;
        let first = marked.saturating_sub(context);
        let end = (marked + 1 + context).min(lines.len());
        let mark = mark(&lines[marked], place);
        let excerpt = Excerpt {
            first_line: first + 1,
            lines: lines[first..end].to_vec(),
            marked: marked - first,
            mark,
        };
        Some(excerpt.narrowed(context))
    }

    fn lines(&self, file: &str) -> Option<Rc<Vec<String>>> {
        if let Some(known) = self.files.borrow().get(file) {
            return known.clone();
        }
        let lines =
            (self.read)(Path::new(file)).map(|text| Rc::new(text.lines().map(str::to_owned).collect()));
        self.files.borrow_mut().insert(file.to_owned(), lines.clone());
        lines
    }
}

/// The bytes of the place's first line that it covers; at least one, where the line has some. The file may have
/// changed since, so that columns no longer fit.
fn mark(line: &str, place: &SourcePlace) -> Range<usize> {
    let boundary = |column: u32| {
        let at = (column as usize).saturating_sub(1).min(line.len());
        (0..=at).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0)
    };
    let start = boundary(place.column);
    let end = if place.end_line > place.line { line.trim_end().len() } else { boundary(place.end_column) };
    if end > start {
        return start..end;
    }
    start..line[start..].chars().next().map_or(start, |first| start + first.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: u32, column: u32, end_line: u32, end_column: u32) -> SourcePlace {
        SourcePlace { file: "a.go".into(), line, column, end_line, end_column, ..SourcePlace::default() }
    }

    #[test]
    fn marks_stay_inside_their_line() {
        assert_eq!(mark("\tx[k] = v", &place(1, 2, 1, 6)), 1..5);
        assert_eq!(mark("\tf(func() {", &place(1, 2, 3, 3)), 1..11, "several lines");
        assert_eq!(mark("ab", &place(1, 9, 1, 12)), 2..2, "the file is shorter now");
        assert_eq!(mark("üb", &place(1, 2, 1, 2)), 0..2, "whole characters");
    }

    #[test]
    fn excerpts_end_with_the_file() {
        let read = |_: &Path| Some("a\nb\nc\n".to_owned());
        let sources = Sources { read: &read, files: RefCell::default() };
        let excerpt = sources.around(&place(1, 1, 1, 2), 1).expect("line 1");
        assert_eq!((excerpt.first_line, excerpt.lines.len(), excerpt.marked), (1, 2, 0));
        assert!(sources.around(&place(4, 1, 4, 2), 1).is_none());
        assert!(sources.around(&place(0, 0, 0, 0), 1).is_none());
    }
}
