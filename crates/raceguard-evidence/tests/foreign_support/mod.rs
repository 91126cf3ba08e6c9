//! Reads bytes as foreign evidence.

#![allow(dead_code, reason = "each test program uses a part of this")]

use raceguard_evidence::foreign::{self, ForeignError};
use raceguard_evidence::{Crash, GoroutineDump, Race, Record, Source};

/// What became of a file.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) source: Source,
    pub(crate) records: Vec<Record>,
}

/// Reads `content` as the format that recognises it.
pub(crate) fn read(content: &[u8]) -> Result<Read, ForeignError> {
    read_as(content, None)
}

/// Reads `content` as the format `name`.
pub(crate) fn read_as(content: &[u8], name: Option<&str>) -> Result<Read, ForeignError> {
    let format = name.map(|name| foreign::find(name).expect("a format of this name"));
    let mut records = Vec::new();
    let mut raw = content;
    let mut take = |record: Record| {
        records.push(record);
        Ok(())
    };
    let source = foreign::read("s1", "file", &mut raw, format, &mut take, &mut |_| {})?;
    Ok(Read { source, records })
}

/// Reads text that some format recognises.
#[track_caller]
pub(crate) fn text(content: &str) -> Read {
    read(content.as_bytes()).expect("a format that recognises it")
}

/// The content of a fixture.
pub(crate) fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

impl Read {
    pub(crate) fn races(&self) -> Vec<&Race> {
        let mut found: Vec<&Race> = Vec::new();
        for record in &self.records {
            if let Record::Race(one) = record {
                found.push(one);
            }
        }
        found
    }

    pub(crate) fn crashes(&self) -> Vec<&Crash> {
        let mut found: Vec<&Crash> = Vec::new();
        for record in &self.records {
            if let Record::Crash(one) = record {
                found.push(one);
            }
        }
        found
    }

    pub(crate) fn dumps(&self) -> Vec<&GoroutineDump> {
        let mut found: Vec<&GoroutineDump> = Vec::new();
        for record in &self.records {
            if let Record::GoroutineDump(one) = record {
                found.push(one);
            }
        }
        found
    }

    /// How many records there are of each kind, `race 3, test 2`.
    pub(crate) fn kinds(&self) -> String {
        let mut kinds = std::collections::BTreeMap::new();
        for record in &self.records {
            *kinds.entry(record.kind()).or_insert(0) += 1;
        }
        kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>().join(", ")
    }

    /// The skipped parts, `2 race reports cut off`.
    pub(crate) fn skipped(&self) -> Vec<String> {
        self.source.skipped.iter().map(|skipped| format!("{} {}", skipped.count, skipped.what)).collect()
    }
}
