//! Records on the wire: what is written is read again, with everything this version does not know.

use std::io::{self, Write};

use proptest::prelude::*;
use raceguard_evidence::{EvidenceReader, EvidenceWriter, Record, RunMode};
use serde_json::{Value, json};

fn json_lines(records: &[Value]) -> String {
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    lines.join("\n") + "\n"
}

fn read(text: &str) -> Vec<Record> {
    EvidenceReader::new(text.as_bytes()).map(|record| record.expect("readable evidence")).collect()
}

fn records_with_unknown_fields() -> Vec<Value> {
    let frame = json!({"function": "m.(*T).M", "file": "/m/a.go", "line": 12, "pc": "0x4a5b6c", "offset": 57,
                       "inlined": true, "column": 3});
    vec![
        json!({"schema": 1, "kind": "run", "id": "20261120T070102-1234", "command": ["raceguard", "test"],
               "mode": "bench", "started_unix_ns": 1_700_000_000_000_000_001_u64, "module": "m",
               "module_dir": "/m", "commit": null, "dirty": null, "go_version": "go1.26.8", "goos": "linux",
               "goarch": "amd64", "host": "h", "raceguard_version": "0.1.0", "future": {"deep": [1, null]}}),
        json!({"schema": 1, "kind": "process", "pid": 12, "time_unix_ns": 5, "executable": "/x", "args": ["-v"],
               "future": 1}),
        json!({"schema": 1, "kind": "race", "id": "12-1", "pid": 12, "time_unix_ns": 6, "address": "0xc0",
               "size": 8,
               "object": {"kind": "heap", "start": "0xc0", "size": 48, "allocated_by": 7,
                          "allocation": [frame], "future": 2},
               "accesses": [
                   {"op": "write", "size": 8, "map_op": "insert", "goroutine": 7, "stack": [frame], "future": 3},
                   {"op": "vectored read", "size": 8, "map_op": "merge", "goroutine": 1, "stack": []}],
               "goroutines": [{"id": 7, "state": "parked", "parent": 1, "created_at": [frame], "future": 4},
                              {"id": 1, "name": "main", "state": "running", "created_at": []}],
               "notes": ["read sets were reduced"], "future": 5}),
        json!({"schema": 1, "kind": "repeat", "race": "12-1", "pid": 12, "time_unix_ns": 7, "future": 6}),
        json!({"schema": 1, "kind": "exit", "pid": 12, "time_unix_ns": 8, "races": 1, "future": 7}),
        json!({"schema": 1, "kind": "crash", "time_unix_ns": 9, "package": null, "test": null,
               "message": "fatal error: concurrent map writes",
               "goroutines": [{"id": 18, "state": "running", "stack": [frame], "future": 8}], "future": 9}),
        json!({"schema": 1, "kind": "test", "package": "m", "test": null, "result": "fail", "elapsed_s": 0.12,
               "started_unix_ns": 1, "ended_unix_ns": 2, "future": 10}),
        json!({"schema": 1, "kind": "attribution", "race": "12-1", "package": "m", "tests": ["TestX"],
               "by": "stack", "future": 11}),
        json!({"schema": 1, "kind": "static_finding", "rule": "RG103", "severity": "grave",
               "fingerprint": "RG1-0011223344556677", "subject": "map m", "message": "x",
               "sites": [{"place": {"file": "/m/a.go", "line": 3, "column": 2, "end_line": 3, "end_column": 9,
                                    "future": 12},
                          "function": "m.F", "action": "map write", "write": true, "locks": ["mu"],
                          "origin": [{"text": "a goroutine started here", "future": 13}],
                          "calls": [{"function": "m.G", "place": {"file": "/m/a.go", "line": 9, "column": 1,
                                                                  "end_line": 9, "end_column": 4},
                                     "future": 14}],
                          "future": 15}],
               "reasons": [], "remedy": "y",
               "fix": {"title": "z", "edits": [{"file": "/m/a.go", "start": 1, "end": 2, "text": "", "future": 16}],
                       "future": 17},
               "future": 18}),
        json!({"schema": 1, "kind": "source_problem", "path": "/m/b.go", "line": 0, "column": 0, "message": "gone",
               "hint": "", "loss": true, "future": 19}),
        json!({"schema": 1, "kind": "run_end", "ended_unix_ns": 3, "exit_code": 1, "interrupted": false,
               "future": 12}),
        json!({"schema": 1, "kind": "lock_order", "cycle": ["a", "b"]}),
    ]
}

#[test]
fn rewriting_keeps_unknown_fields_values_and_kinds() {
    for original in records_with_unknown_fields() {
        let records = read(&format!("{original}\n"));
        assert_eq!(records.len(), 1, "{original}");
        assert_eq!(records[0].to_json(), original);
        assert_eq!(records[0].kind(), original["kind"].as_str().unwrap_or_default());
    }
}

#[test]
fn unknown_kinds_and_values_are_recognised_as_such() {
    let records: Vec<Record> =
        records_with_unknown_fields().iter().flat_map(|original| read(&original.to_string())).collect();
    assert!(matches!(&records[0], Record::Run(run) if run.mode == RunMode::Other("bench".into())));
    assert!(matches!(records.last(), Some(Record::Unknown(_))));
    assert!(!records[..records.len() - 1].iter().any(|record| matches!(record, Record::Unknown(_))));
}

#[test]
fn a_missing_object_is_written_as_null_and_optional_fields_not_at_all() {
    let race = json!({"schema": 1, "kind": "race", "id": "1-1", "pid": 1,
                      "accesses": [{"op": "read"}, {"op": "write"}]});
    let written = read(&race.to_string())[0].to_json();
    assert_eq!(written["object"], Value::Null);
    assert!(written.get("notes").is_none());
    assert!(written["accesses"][0].get("map_op").is_none());
}

/// Counts calls and takes everything.
#[derive(Default)]
struct CountingSink {
    calls: usize,
    bytes: Vec<u8>,
}

impl Write for &mut CountingSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.calls += 1;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_record_is_one_write_of_one_line() {
    let records: Vec<Record> =
        records_with_unknown_fields().iter().flat_map(|original| read(&original.to_string())).collect();
    let mut sink = CountingSink::default();
    let mut writer = EvidenceWriter::new(&mut sink);
    for record in &records {
        writer.write(record).expect("a sink that takes everything");
    }
    assert_eq!(sink.calls, records.len());
    let text = String::from_utf8(sink.bytes).expect("UTF-8");
    assert_eq!(text.lines().count(), records.len());
    assert_eq!(read(&text), records);
}

#[test]
fn appending_ends_the_torn_line_of_a_killed_process() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("evidence.jsonl");
    std::fs::write(&path, "{\"schema\":1,\"kind\":\"exit\",\"pi").expect("a writable file");
    let record = read(r#"{"schema":1,"kind":"exit","pid":3,"time_unix_ns":1,"races":0}"#).remove(0);
    let mut writer = EvidenceWriter::append_to(&path).expect("a writable file");
    writer.write(&record).expect("space");
    writer.write(&record).expect("space");
    let text = std::fs::read_to_string(&path).expect("a readable file");
    let mut reader = EvidenceReader::new(text.as_bytes());
    assert_eq!(reader.by_ref().filter_map(Result::ok).count(), 2);
    assert_eq!((reader.skipped(), reader.warnings()[0].line), (1, 1));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut reader = EvidenceReader::with_line_limit(&bytes[..], 100);
        for record in reader.by_ref() {
            let _ = record;
        }
    }

    #[test]
    fn a_cut_anywhere_costs_at_most_the_last_record(cut in 0_usize..2000) {
        let text = json_lines(&records_with_unknown_fields());
        let cut = cut.min(text.len());
        let mut reader = EvidenceReader::new(&text.as_bytes()[..cut]);
        let count = reader.by_ref().flatten().count();
        let whole = text[..cut].matches('\n').count();
        prop_assert!(count == whole || count == whole + 1);
        prop_assert!(reader.skipped() <= 1);
    }
}
