//! Reads a file in blocks of whole lines, without touching each line.

use std::io::Read;

use crate::foreign::{ForeignError, Input};

const FIRST_SIZE: usize = 256 << 10;
/// Longest line, in bytes; of a longer one only the beginning is seen.
pub(super) const MAX_LINE: usize = 8 << 20;

/// Blocks of whole lines.
#[derive(Debug, Default)]
pub(super) struct LineBlocks {
    buffer: Vec<u8>,
    /// What is read of the file.
    filled: usize,
    /// What of that was given out.
    used: usize,
    /// Whether the rest of a line that was too long is to be passed over.
    skips_line: bool,
    /// Lines that were too long.
    pub(super) cut_lines: u64,
}

impl LineBlocks {
    /// The next block: it ends with a newline, unless a line is too long or the file ends without one.
    pub(super) fn next(&mut self, input: &mut Input<'_>) -> Result<Option<&[u8]>, ForeignError> {
        self.buffer.copy_within(self.used..self.filled, 0);
        self.filled -= self.used;
        self.used = 0;
        let mut searched = 0;
        loop {
            if self.filled == self.buffer.len() {
                if self.filled >= MAX_LINE {
                    self.cut_lines += 1;
                    self.skips_line = true;
                    self.used = self.filled;
                    return Ok(Some(&self.buffer[..self.filled]));
                }
                self.buffer.resize((self.filled * 2).clamp(FIRST_SIZE, MAX_LINE), 0);
            }
            let read = match input.read(&mut self.buffer[self.filled..]) {
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(input.read_error(source)),
            };
            if read == 0 {
                self.used = self.filled;
                let rest = !self.skips_line && self.filled > 0;
                return Ok(rest.then(|| &self.buffer[..self.filled]));
            }
            self.filled += read;
            if self.skips_line && !self.skip_line() {
                continue;
            }
            if let Some(last) = memchr::memrchr(b'\n', &self.buffer[searched..self.filled]) {
                self.used = searched + last + 1;
                return Ok(Some(&self.buffer[..self.used]));
            }
            searched = self.filled;
        }
    }

    /// Drops what is left of a line; `false` when its end was not read yet.
    fn skip_line(&mut self) -> bool {
        let end = memchr::memchr(b'\n', &self.buffer[..self.filled]);
        self.skips_line = end.is_none();
        let dropped = end.map_or(self.filled, |end| end + 1);
        self.buffer.copy_within(dropped..self.filled, 0);
        self.filled -= dropped;
        end.is_some()
    }
}
