//! Excerpts of source files around the line that a frame names.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Lines kept before and after the marked one.
const CONTEXT: usize = 4;

/// Source files larger than this are not shown.
const MAX_SOURCE: u64 = 16 << 20;

/// Reads a source file of at most 16 MiB; `None` when it can't be read as text.
pub fn read_source_file(path: &Path) -> Option<String> {
    let mut text = String::new();
    let read = std::fs::File::open(path).ok()?.take(MAX_SOURCE + 1).read_to_string(&mut text).ok()?;
    (read as u64 <= MAX_SOURCE).then_some(text)
}

/// Source files, each read once.
pub(crate) struct Sources<'a> {
    read: &'a dyn Fn(&Path) -> Option<String>,
    files: RefCell<HashMap<PathBuf, Option<Rc<str>>>>,
}

impl<'a> Sources<'a> {
    pub(crate) fn new(read: &'a dyn Fn(&Path) -> Option<String>) -> Self {
        Self { read, files: RefCell::default() }
    }

    /// The lines around `line` (from 1), when the file is there and has that line.
    pub(crate) fn excerpt(&self, file: &Path, line: u32) -> Option<Excerpt> {
        let text = self.text(file)?;
        let marked = usize::try_from(line).ok()?.checked_sub(1)?;
        let first = marked.saturating_sub(CONTEXT);
        let lines: Vec<String> =
            text.lines().skip(first).take(marked - first + 1 + CONTEXT).map(str::to_owned).collect();
        let statement = trimmed_range(lines.get(marked - first)?);
        Some(Excerpt { first_line: first + 1, marked: marked - first, mark: statement, lines })
    }

    fn text(&self, file: &Path) -> Option<Rc<str>> {
        if let Some(known) = self.files.borrow().get(file) {
            return known.clone();
        }
        let text = (self.read)(file).map(Rc::from);
        self.files.borrow_mut().insert(file.to_owned(), text.clone());
        text
    }
}

/// A few lines of a source file, one of them marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Excerpt {
    /// Number of the first line, from 1.
    pub(crate) first_line: usize,
    /// The lines, without newlines.
    pub(crate) lines: Vec<String>,
    /// Index of the marked line.
    pub(crate) marked: usize,
    /// Bytes of the marked line that are marked.
    pub(crate) mark: Range<usize>,
}

impl Excerpt {
    /// The line that is marked.
    pub(crate) fn marked_line(&self) -> &str {
        &self.lines[self.marked]
    }

    /// Number of the marked line, from 1.
    pub(crate) fn marked_number(&self) -> usize {
        self.first_line + self.marked
    }

    /// The same excerpt with at most `context` lines before and after, none of them blank at the ends.
    pub(crate) fn narrowed(&self, context: usize) -> Self {
        let blank = |line: &String| line.trim().is_empty();
        let mut start = self.marked.saturating_sub(context);
        let mut end = (self.marked + 1 + context).min(self.lines.len());
        start += self.lines[start..self.marked].iter().take_while(|line| blank(line)).count();
        end -= self.lines[self.marked + 1..end].iter().rev().take_while(|line| blank(line)).count();
        Self {
            first_line: self.first_line + start,
            lines: self.lines[start..end].to_vec(),
            marked: self.marked - start,
            mark: self.mark.clone(),
        }
    }
}

/// Where the line's text starts and ends, without blanks around it and without a comment behind it.
fn trimmed_range(line: &str) -> Range<usize> {
    let start = line.len() - line.trim_start().len();
    let code = raceguard_diagnosis::operand::code_only(line);
    let end = code.trim_end().len();
    if end > start { start..end } else { start..line.trim_end().len().max(start) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(text: &str, line: u32) -> Option<Excerpt> {
        Sources::new(&|_| Some(text.to_owned())).excerpt(Path::new("a.go"), line)
    }

    #[test]
    fn an_excerpt_ends_with_the_file() {
        let first = excerpt("a\nb\n", 1).expect("line 1");
        assert_eq!((first.first_line, first.marked, first.lines.len()), (1, 0, 2));
        let last = excerpt("1\n2\n3\n4\n5\n6\n7\n8\n", 8).expect("line 8");
        assert_eq!((last.first_line, last.marked, last.marked_line()), (4, 4, "8"));
        assert_eq!(excerpt("a\nb\n", 3), None);
        assert_eq!(excerpt("a\nb\n", 0), None);
    }

    #[test]
    fn the_mark_leaves_out_indentation_and_comment() {
        let marked = excerpt("\tx++ // counts \"x\"\n", 1).expect("line 1");
        assert_eq!(&marked.marked_line()[marked.mark.clone()], "x++");
    }

    #[test]
    fn narrowing_drops_blank_lines_at_the_ends() {
        let narrow = excerpt("1\n\n3\n4\n\n6\n", 3).expect("line 3").narrowed(2);
        assert_eq!(
            (narrow.first_line, narrow.lines.as_slice()),
            (1, &["1", "", "3", "4"].map(String::from)[..])
        );
        assert_eq!(narrow.marked_line(), "3");
    }

    #[test]
    fn a_file_is_read_once_and_a_missing_one_asked_for_once() {
        let reads = std::cell::Cell::new(0);
        let read = |_: &Path| {
            reads.set(reads.get() + 1);
            None
        };
        let sources = Sources::new(&read);
        assert_eq!(sources.excerpt(Path::new("a.go"), 1), None);
        assert_eq!(sources.excerpt(Path::new("a.go"), 2), None);
        assert_eq!(reads.get(), 1);
    }
}
