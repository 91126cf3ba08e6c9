//! The code of a service that requests should not run through: that of open findings, and locks that were waited for.

use std::collections::{HashMap, HashSet};

use raceguard_diagnosis::statement::{declared_function, short_function};

use super::{SpanDigest, window_of};

/// A wait for a lock that is trouble, in nanoseconds: a tenth of what people notice.
pub const LOCK_WAIT_LIMIT_NS: u64 = 10_000_000;

/// Where the findings of a service are, in the forms that spans name code in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CodeIndex {
    /// Declared functions: with import path, and with its last element only.
    functions: HashSet<String>,
    /// By line and file name, the files as the evidence has them.
    lines: HashMap<(String, u32), Vec<String>>,
    /// Functions that waited for locks on average longer than the limit, with the windows in which they did.
    contended: HashMap<String, HashSet<i64>>,
}

impl CodeIndex {
    /// Adds a function of an open finding.
    pub fn add_function(&mut self, function: &str) {
        let function = declared_function(function);
        self.functions.insert(short_function(&function));
        self.functions.insert(function);
    }

    /// Adds a line of an open finding.
    pub fn add_line(&mut self, file: &str, line: u32) {
        let files = self.lines.entry((file_name(file).to_owned(), line)).or_default();
        if line > 0 && !files.iter().any(|known| known == file) {
            files.push(file.to_owned());
        }
    }

    /// Adds a function that waited for locks too long in a window.
    pub fn add_contended(&mut self, function: &str, window: i64) {
        let function = declared_function(function);
        self.contended.entry(short_function(&function)).or_default().insert(window);
        self.contended.entry(function).or_default().insert(window);
    }

    /// Functions and lines.
    pub fn len(&self) -> usize {
        self.functions.len() + self.lines.len() + self.contended.len()
    }

    /// Whether there is nothing to avoid.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the span names code that is in here.
    pub fn is_touched_by(&self, span: &SpanDigest) -> bool {
        let window = window_of(span.start_ms);
        let function = |function: &String| {
            let function = declared_function(function);
            self.functions.contains(&function)
                || self.contended.get(&function).is_some_and(|windows| windows.contains(&window))
        };
        let line = |(file, line): &(String, u32)| {
            let files = self.lines.get(&(file_name(file).to_owned(), *line));
            files.is_some_and(|files| files.iter().any(|known| same_file(known, file)))
        };
        span.functions.iter().any(function) || span.lines.iter().any(line)
    }
}

fn file_name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// Whether one path is the end of the other: builds differ in the folder that they were made in.
fn same_file(first: &str, second: &str) -> bool {
    let ends = |long: &str, short: &str| {
        long.strip_suffix(short)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('/') || short.starts_with('/'))
    };
    ends(first, second) || ends(second, first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_function(function: &str) -> SpanDigest {
        SpanDigest { functions: vec![function.to_owned()], ..SpanDigest::default() }
    }

    fn at(file: &str, line: u32) -> SpanDigest {
        SpanDigest { lines: vec![(file.to_owned(), line)], ..SpanDigest::default() }
    }

    #[test]
    fn functions_match_by_their_declaration() {
        let mut index = CodeIndex::default();
        assert!(index.is_empty());
        index.add_function("example.com/pay/book.(*Book).Add.func1");
        assert!(index.is_touched_by(&in_function("example.com/pay/book.(*Book).Add")));
        assert!(index.is_touched_by(&in_function("book.(*Book).Add")));
        assert!(!index.is_touched_by(&in_function("example.com/pay/book.(*Book).Adder")));
        assert!(!index.is_touched_by(&in_function("other/book.(*Book).Add")));
        assert!(!index.is_touched_by(&SpanDigest::default()));
    }

    #[test]
    fn lines_match_whatever_folder_the_build_had() {
        let mut index = CodeIndex::default();
        index.add_line("/src/pay/book.go", 12);
        assert!(
            index.is_touched_by(&at("pay/book.go", 12)) && index.is_touched_by(&at("/src/pay/book.go", 12))
        );
        assert!(
            index.is_touched_by(&at("book.go", 12)) && index.is_touched_by(&at("/ci/src/pay/book.go", 12))
        );
        assert!(!index.is_touched_by(&at("/src/pay/book.go", 13)));
        assert!(
            !index.is_touched_by(&at("/src/pray/book.go", 12)) && !index.is_touched_by(&at("ay/book.go", 12))
        );
    }

    #[test]
    fn contention_counts_in_its_window_only() {
        let mut index = CodeIndex::default();
        index.add_contended("m.(*Store).Put", 7);
        let mut span = in_function("m.(*Store).Put");
        span.start_ms = 7 * super::super::WINDOW_MS + 1;
        assert!(index.is_touched_by(&span));
        span.start_ms += super::super::WINDOW_MS;
        assert!(!index.is_touched_by(&span));
    }
}
