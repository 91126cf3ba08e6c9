//! Which statements tests executed.

use serde::{Deserialize, Serialize};

use crate::record::Extra;

/// A coverage profile of `go test -coverprofile`, several merged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// `set` (a count is 0 or 1), `count` or `atomic`.
    #[serde(default)]
    pub mode: String,
    /// Sorted by name.
    #[serde(default)]
    pub files: Vec<CoveredFile>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The blocks of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoveredFile {
    /// Import path of the package and name of the file, `example.com/m/pkg/file.go`.
    pub file: String,
    /// Sorted by place.
    #[serde(default)]
    pub blocks: Vec<CoveredBlock>,
}

/// A block of statements without a branch. Serialised as an array of six numbers in the order of the fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "(u32, u32, u32, u32, u32, u64)", into = "(u32, u32, u32, u32, u32, u64)")]
pub struct CoveredBlock {
    /// Line of its first byte, from 1.
    pub line: u32,
    /// Column of its first byte, from 1.
    pub column: u32,
    /// Line of its end.
    pub end_line: u32,
    /// Column after its last byte.
    pub end_column: u32,
    /// How many statements it has.
    pub statements: u32,
    /// How often it was executed.
    pub count: u64,
}

impl From<(u32, u32, u32, u32, u32, u64)> for CoveredBlock {
    fn from((line, column, end_line, end_column, statements, count): (u32, u32, u32, u32, u32, u64)) -> Self {
        Self { line, column, end_line, end_column, statements, count }
    }
}

impl From<CoveredBlock> for (u32, u32, u32, u32, u32, u64) {
    fn from(block: CoveredBlock) -> Self {
        (block.line, block.column, block.end_line, block.end_column, block.statements, block.count)
    }
}

impl CoveredFile {
    /// How often the statement at `line` was executed; `None` when no block covers the line.
    pub fn count_at(&self, line: u32) -> Option<u64> {
        let blocks = self.blocks.iter().filter(|block| block.line <= line && line <= block.end_line);
        // A line that two blocks share was executed as often as the one executed most.
        blocks.map(|block| block.count).max()
    }
}
