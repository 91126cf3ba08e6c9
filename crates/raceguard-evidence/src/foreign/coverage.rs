//! Coverage profiles of `go test -coverprofile`, in the modes set, count and atomic.
//!
//! A file may hold several profiles, one behind the other: `mode:` lines in between are what is left of that. Blocks
//! that come several times, from several tests of the same package, are merged as `go tool cover` merges them.

use std::collections::BTreeMap;

use super::go_output::begins_finding;
use super::{ForeignError, Format, Input, Recognition, Sink};
use crate::coverage::{Coverage, CoveredBlock, CoveredFile};

/// Coverage in text.
pub(super) const FORMAT: Format =
    Format { name: "coverage", title: "coverage profile of go test", recognise, read };

const MAX_LINE: usize = 64 << 10;
/// Most different blocks of one file; at about 60 bytes each.
const MAX_BLOCKS: usize = 4_000_000;
/// Blocks of one record, so that its line stays short enough to be read again.
const BLOCKS_OF_A_RECORD: usize = 200_000;

/// Place of a block: line, column, end line, end column.
type Place = (u32, u32, u32, u32);

#[derive(Debug, Default)]
struct Merged {
    mode: String,
    files: BTreeMap<String, BTreeMap<Place, (u32, u64)>>,
    blocks: usize,
}

fn recognise(head: &[u8]) -> Recognition {
    let modes = ["mode: set", "mode: count", "mode: atomic"];
    if modes.iter().any(|mode| head.starts_with(mode.as_bytes())) {
        Recognition::Sure
    } else {
        Recognition::No
    }
}

fn read(input: &mut Input<'_>, sink: &mut dyn Sink) -> Result<(), ForeignError> {
    let mut merged = Merged::default();
    let mut line = Vec::new();
    let mut number = 0;
    while input.read_line(&mut line, MAX_LINE)? {
        number += 1;
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if let Some(mode) = text.strip_prefix("mode: ") {
            merged.start(mode, sink);
        } else if let Some((file, place, statements, count)) = block(text) {
            if !merged.add(file, place, statements, count) {
                sink.skip("blocks beyond the first 4,000,000", number);
            }
        } else if !text.is_empty() {
            sink.skip("lines that are no block of a coverage profile", number);
            if begins_finding(text) {
                sink.warn(
                    "output of a Go program is mixed in, and was not looked at: put it into a file of its own"
                        .to_owned(),
                );
            }
        }
    }
    merged.emit(sink)
}

/// `example.com/m/a.go:3.14,5.2 1 7`.
fn block(line: &str) -> Option<(&str, Place, u32, u64)> {
    let (rest, count) = line.rsplit_once(' ')?;
    let (rest, statements) = rest.rsplit_once(' ')?;
    let (file, range) = rest.rsplit_once(':')?;
    let (start, end) = range.split_once(',')?;
    let position = |text: &str| {
        let (line, column) = text.split_once('.')?;
        Some((line.parse::<u32>().ok()?, column.parse::<u32>().ok()?))
    };
    let ((line, column), (end_line, end_column)) = (position(start)?, position(end)?);
    (!file.is_empty()).then_some(())?;
    Some((file, (line, column, end_line, end_column), statements.parse().ok()?, count.parse().ok()?))
}

impl Merged {
    fn start(&mut self, mode: &str, sink: &mut dyn Sink) {
        if self.mode.is_empty() || self.mode == mode {
            mode.clone_into(&mut self.mode);
            return;
        }
        sink.warn(format!(
            "profiles of the modes {} and {mode} are merged: only whether a count is 0 holds",
            self.mode
        ));
        "set".clone_into(&mut self.mode);
    }

    /// Adds a block; `false` when there are too many.
    fn add(&mut self, file: &str, place: Place, statements: u32, count: u64) -> bool {
        if !self.files.contains_key(file) {
            self.files.insert(file.to_owned(), BTreeMap::new());
        }
        let Some(blocks) = self.files.get_mut(file) else { return false };
        if let Some((_, known)) = blocks.get_mut(&place) {
            *known = known.saturating_add(count);
            return true;
        }
        if self.blocks == MAX_BLOCKS {
            return false;
        }
        self.blocks += 1;
        blocks.insert(place, (statements, count));
        true
    }

    fn emit(self, sink: &mut dyn Sink) -> Result<(), ForeignError> {
        let is_set = self.mode == "set";
        let record = || Coverage { mode: self.mode.clone(), ..Coverage::default() };
        let mut coverage = record();
        let mut blocks_in_it = 0;
        for (file, blocks) in self.files {
            let of = |((line, column, end_line, end_column), (statements, count)): (Place, (u32, u64))| {
                let count = if is_set { count.min(1) } else { count };
                CoveredBlock { line, column, end_line, end_column, statements, count }
            };
            blocks_in_it += blocks.len();
            coverage.files.push(CoveredFile { file, blocks: blocks.into_iter().map(of).collect() });
            if blocks_in_it >= BLOCKS_OF_A_RECORD {
                sink.record(std::mem::replace(&mut coverage, record()).into())?;
                blocks_in_it = 0;
            }
        }
        if coverage.files.is_empty() { Ok(()) } else { sink.record(coverage.into()) }
    }
}
