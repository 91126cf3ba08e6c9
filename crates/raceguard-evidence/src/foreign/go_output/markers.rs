//! Finds the lines at which something may begin, so that all others are passed over at the speed of memory.

use memchr::memmem::Finder;

use super::race_report::TITLE;
use crate::crash::header;

/// What the first line of a finding has in it.
const MARKERS: [&str; 7] = [
    TITLE,
    "fatal error: ",
    "panic: ",
    GOROUTINE,
    "SIGQUIT: quit",
    "SIGABRT: abort",
    "SIGSEGV: segmentation violation",
];
const GOROUTINE: &str = "goroutine ";

/// Searches for all markers at once.
#[derive(Debug)]
pub(super) struct Markers {
    finders: [Finder<'static>; MARKERS.len()],
    /// Of each marker where it comes next in the block; `usize::MAX` when it does not.
    next: [Option<usize>; MARKERS.len()],
}

/// A marker in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marker {
    /// Offset in the line.
    pub(super) at: usize,
    /// Its text.
    pub(super) text: &'static str,
}

impl Default for Markers {
    fn default() -> Self {
        Self { finders: MARKERS.map(Finder::new), next: [None; MARKERS.len()] }
    }
}

impl Markers {
    /// Goes on to another block.
    pub(super) fn reset(&mut self) {
        self.next = [None; MARKERS.len()];
    }

    /// The next marker in a block at or behind `from`. Between two resets the block must stay the same, and `from`
    /// not go back.
    pub(super) fn next(&mut self, block: &[u8], from: usize) -> Option<usize> {
        for (finder, next) in self.finders.iter().zip(&mut self.next) {
            if next.is_none_or(|next| next < from) {
                *next = Some(finder.find(&block[from..]).map_or(usize::MAX, |at| from + at));
            }
        }
        let nearest = self.next.iter().flatten().min().copied();
        nearest.filter(|nearest| *nearest != usize::MAX)
    }

    /// The first marker in a line.
    pub(super) fn in_line(&self, line: &[u8]) -> Option<Marker> {
        let found = self.finders.iter().zip(MARKERS).filter_map(|(finder, text)| {
            let at = finder.find(line)?;
            (text != GOROUTINE || is_header(&line[at..])).then_some(Marker { at, text })
        });
        found.min_by_key(|marker| marker.at)
    }
}

/// Whether a goroutine of a dump begins here, or, in a line of JSON, may begin here.
fn is_header(text: &[u8]) -> bool {
    let end = memchr::memchr2(b'\n', b'\\', text).unwrap_or(text.len()).min(4096);
    let line = String::from_utf8_lossy(&text[..end]);
    header(line.trim_end()).is_some()
        || header(line.split_inclusive("]:").next().unwrap_or_default()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_marker_comes_first_and_each_only_once() {
        let block = b"a panic: x\nWARNING: DATA RACE\nb fatal error: y\npanic: z\n";
        let mut markers = Markers::default();
        let mut from = 0;
        let mut found = Vec::new();
        while let Some(at) = markers.next(block, from) {
            found.push(at);
            from = at + 1;
        }
        assert_eq!(found, [2, 11, 32, 47]);
    }

    #[test]
    fn only_the_header_of_a_goroutine_is_a_marker() {
        let at = |line: &str| Markers::default().in_line(line.as_bytes()).map(|marker| marker.at);
        assert_eq!(at("web | goroutine 7 [running]:"), Some(6));
        assert_eq!(at(r#"{"m":"goroutine 7 [running]:\nmain.main()"}"#), Some(6));
        assert_eq!(at(r#"{"m":"goroutine 7 [running]:"}"#), Some(6));
        assert_eq!(at("started goroutine 7 of 9"), None);
    }
}
