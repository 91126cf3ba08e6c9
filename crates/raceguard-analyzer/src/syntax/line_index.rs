//! From offsets to lines and columns.

/// Where the lines of a file begin.
#[derive(Debug, Clone)]
pub struct LineIndex {
    starts: Vec<u32>,
    length: u32,
}

/// A place for people: lines and columns count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column, in bytes as Go counts them.
    pub column: u32,
}

/// What a column counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnUnit {
    /// Bytes of UTF-8, as in Go's own messages.
    Byte,
    /// UTF-16 code units, as editors and SARIF count.
    Utf16,
    /// Unicode scalar values.
    Character,
}

impl LineIndex {
    /// Finds all lines of a file.
    pub fn new(source: &[u8]) -> Self {
        let ends = memchr::memchr_iter(b'\n', source).map(|at| offset(at + 1));
        Self { starts: std::iter::once(0).chain(ends).collect(), length: offset(source.len()) }
    }

    /// Number of lines; a last one that is empty counts.
    pub fn line_count(&self) -> u32 {
        offset(self.starts.len())
    }

    /// The line of an offset, counting from 1.
    pub fn line(&self, offset_in_file: u32) -> u32 {
        offset(self.starts.partition_point(|start| *start <= offset_in_file))
    }

    /// The line of an offset, and its column in bytes.
    pub fn position(&self, offset_in_file: u32) -> Position {
        let line = self.line(offset_in_file);
        Position { line, column: offset_in_file - self.starts[line as usize - 1] + 1 }
    }

    /// The line of an offset in `source`, which must be the file indexed, and its column in `unit`.
    pub fn position_in(&self, source: &[u8], offset_in_file: u32, unit: ColumnUnit) -> Position {
        let position = self.position(offset_in_file.min(self.length));
        if unit == ColumnUnit::Byte {
            return position;
        }
        let start = self.starts[position.line as usize - 1] as usize;
        let before = String::from_utf8_lossy(&source[start..start + position.column as usize - 1]);
        let column = match unit {
            ColumnUnit::Utf16 => before.encode_utf16().count(),
            _ => before.chars().count(),
        };
        Position { line: position.line, column: offset(column) + 1 }
    }

    /// The offsets of a line's first byte and of its end, the line feed excluded; none if there is no such line.
    pub fn line_span(&self, line: u32) -> Option<super::span::Span> {
        let at = (line as usize).checked_sub(1)?;
        let start = *self.starts.get(at)?;
        let end = self.starts.get(at + 1).map_or(self.length, |next| next - 1);
        Some(super::span::Span::new(start, end))
    }
}

fn offset(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::span::Span;

    #[test]
    fn places_in_lines() {
        let source = "a\nbü𝄞c\n".as_bytes();
        let index = LineIndex::new(source);
        assert_eq!(index.line_count(), 3);
        assert_eq!(index.position(0), Position { line: 1, column: 1 });
        assert_eq!(index.position(1), Position { line: 1, column: 2 }, "the line feed belongs to its line");
        assert_eq!(index.position(9), Position { line: 2, column: 8 });
        let in_unit = |unit| index.position_in(source, 9, unit).column;
        assert_eq!(in_unit(ColumnUnit::Byte), 8);
        assert_eq!(in_unit(ColumnUnit::Utf16), 5);
        assert_eq!(in_unit(ColumnUnit::Character), 4);
        assert_eq!(index.position(11), Position { line: 3, column: 1 });
        assert_eq!(index.line_span(2), Some(Span::new(2, 10)));
        assert_eq!(index.line_span(3), Some(Span::new(11, 11)));
        assert_eq!(index.line_span(4), None);
        assert_eq!(index.line_span(0), None);
    }

    #[test]
    fn an_empty_file_has_one_line() {
        let index = LineIndex::new(b"");
        assert_eq!(index.line_count(), 1);
        assert_eq!(index.position_in(b"", 7, ColumnUnit::Utf16), Position { line: 1, column: 1 });
    }
}
