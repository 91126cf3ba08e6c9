//! Follows the evidence file while the program runs: how many races so far, and at which addresses.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use raceguard_evidence::{EvidenceReader, Record};

use crate::sightings::address;

/// How much is read at once.
const PIECE: u64 = 1 << 20;

/// The races in an evidence file that others append to.
#[derive(Debug)]
pub struct EvidenceTail {
    path: PathBuf,
    offset: u64,
    races: usize,
    addresses: HashSet<u64>,
}

impl EvidenceTail {
    /// Follows the file at `path` from its start.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), offset: 0, races: 0, addresses: HashSet::new() }
    }

    /// Takes what was written since the last time. Trouble in reading is not reported here: the whole file is
    /// read again when the run has ended.
    pub fn poll(&mut self) {
        while let Ok(new) = self.new_lines(PIECE)
            && !new.is_empty()
        {
            self.take(&new);
        }
    }

    fn take(&mut self, new: &[u8]) {
        for race in EvidenceReader::new(new).filter_map(|record| match record {
            Ok(Record::Race(race)) => Some(race),
            _ => None,
        }) {
            self.races += 1;
            self.addresses.extend(address(&race));
        }
    }

    /// Races so far.
    pub fn races(&self) -> usize {
        self.races
    }

    /// Whether a race at `address` is in the evidence.
    pub fn covers(&self, address: u64) -> bool {
        self.addresses.contains(&address)
    }

    /// Some whole lines behind what was taken before: about `piece` bytes, or one line.
    fn new_lines(&mut self, piece: u64) -> io::Result<Vec<u8>> {
        let mut file = File::open(&self.path)?;
        let length = file.metadata()?.len().saturating_sub(self.offset);
        if length == 0 {
            return Ok(Vec::new());
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut new = Vec::new();
        let mut file = file.take(length.min(piece));
        file.read_to_end(&mut new)?;
        if length > piece && !new.contains(&b'\n') {
            file.set_limit(length - piece);
            file.read_to_end(&mut new)?;
        }
        new.truncate(new.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1));
        self.offset += new.len() as u64;
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn races_count_once_their_line_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("evidence.jsonl");
        let mut tail = EvidenceTail::new(&path);
        tail.poll();
        assert_eq!(tail.races(), 0);
        let access = r#"{"op":"write","stack":[]}"#;
        let race = format!(
            "{{\"schema\":1,\"kind\":\"race\",\"id\":\"1-1\",\"pid\":1,\"address\":\"0x00c0001\",\"accesses\":[{access},{access}]}}\n"
        );
        let mut file = File::create(&path).unwrap();
        let (start, end) = race.split_at(40);
        file.write_all(start.as_bytes()).unwrap();
        tail.poll();
        assert_eq!(tail.races(), 0);
        file.write_all(end.as_bytes()).unwrap();
        tail.poll();
        tail.poll();
        assert_eq!(tail.races(), 1);
        assert!(tail.covers(0xc0001) && !tail.covers(0xc0002));
    }

    #[test]
    fn much_is_taken_in_pieces_of_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("evidence.jsonl");
        std::fs::write(&path, "short\na line longer than a piece\nlast\ntorn").unwrap();
        let mut tail = EvidenceTail::new(&path);
        let mut next = || String::from_utf8(tail.new_lines(8).unwrap()).unwrap();
        assert_eq!(next(), "short\n");
        assert_eq!(next(), "a line longer than a piece\nlast\n");
        assert_eq!(next(), "");
    }
}
