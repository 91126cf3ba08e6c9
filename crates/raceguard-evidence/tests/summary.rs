//! Summaries of lines are those of the records that the reader makes of them, and lines that it refuses have none.

use proptest::prelude::*;
use raceguard_evidence::{EvidenceReader, Record, RecordSummary};
use serde_json::{Value, json};

fn frame(function: &str, file: &str) -> Value {
    json!({"function": function, "file": file, "line": 21, "pc": "0x45c0de", "offset": 68, "inlined": true, "new": [1, null]})
}

fn race() -> Value {
    let stack = |last: &str| {
        json!([
            frame("runtime.mapassign_faststr", "/go/map.go"),
            frame("example.com/m.(*Cart[go.shape.string]).Put", "/m/cart.go"),
            frame("example.com/m.\"q\\u00e9\"", "/m/q.go"),
            frame(last, "/m/cart_test.go"),
            frame("testing.tRunner", "/go/testing.go"),
        ])
    };
    json!({
        "schema": 1, "kind": "race", "id": "7-1", "pid": 7, "time_unix_ns": 1_700_000_000_000_000_000_u64,
        "address": "0xc000012345", "size": 8,
        "object": {"kind": "heap", "start": "0xc000012000", "size": 48, "allocated_by": 1, "allocation": [frame("m.New", "/m/a.go")], "name": null},
        "accesses": [
            {"op": "write", "size": 8, "map_op": "insert", "goroutine": 7, "stack": stack("example.com/m.TestPut")},
            {"op": "atomic read", "size": 8, "goroutine": null, "stack": stack("example.com/m.TestGet.func1")},
        ],
        "goroutines": [{"id": 7, "name": "main", "state": "finished", "parent": 1, "created_at": [frame("m.main", "/m/main.go")],
                        "ancestors": [[frame("m.main", "/m/main.go")]]}],
        "notes": ["memory ran out"], "probe": {"deep": [[1.5e3, -2, "x\u{1F600}"]]},
    })
}

fn repeat() -> Value {
    json!({"schema": 1, "kind": "repeat", "race": "7-1", "pid": 7, "time_unix_ns": 5})
}

fn span() -> Value {
    json!({"schema": 1, "kind": "span", "trace_id": "0a", "span_id": "0b", "parent_span_id": "", "name": "GET /", "span_kind": "server",
           "service": "shop", "instance": "", "version": "1", "start_unix_ns": 9, "end_unix_ns": 10, "status": "ok",
           "status_message": "", "scope": "net/http", "attributes": {"a": [1, {"b": null}]}, "resource": {"c": 1},
           "links": [{"trace_id": "0c", "span_id": "0d"}], "events": [{"name": "e", "time_unix_ns": 9, "attributes": {}}]})
}

/// What the reader makes of a line.
fn read(line: &[u8]) -> Option<RecordSummary> {
    let mut reader = EvidenceReader::new(line);
    let record = reader.next()?.ok()?;
    (reader.skipped() == 0).then(|| RecordSummary::of_record(&record))
}

/// Whatever is summarised, the reader accepts, and means the same.
fn agrees(line: &[u8]) -> Result<bool, TestCaseError> {
    let summary = RecordSummary::of_line(line);
    if summary.is_some() {
        prop_assert_eq!(&summary, &read(line), "{}", String::from_utf8_lossy(line));
    }
    Ok(summary.is_some())
}

#[test]
fn what_raceguard_writes_is_summarised_without_the_reader() {
    for value in [race(), repeat(), span()] {
        let line = value.to_string();
        assert!(agrees(line.as_bytes()).expect("they agree"), "{line}");
        let record = EvidenceReader::new(line.as_bytes()).next().expect("it is one").expect("it is one");
        let written = record.to_line();
        assert!(agrees(written.as_bytes()).expect("they agree"), "{written}");
    }
    let other = json!({"schema": 1, "kind": "exit", "pid": 1, "time_unix_ns": 5}).to_string();
    assert_eq!(RecordSummary::of_line(other.as_bytes()), None, "rare kinds are left to the reader");
}

#[test]
fn what_the_reader_refuses_is_not_summarised() {
    let line = race().to_string();
    for (from, to) in [
        ("\"new\":[1,null]", "\"new\":1e999"),
        ("\"new\":[1,null]", "\"new\":\"\\ud800\""),
        ("\"new\":[1,null]", "\"line\":21"),
        ("\"line\":21", "\"line\":-1"),
        ("\"line\":21", "\"line\":4294967296"),
        ("\"state\":\"finished\"", "\"state\":null"),
        ("\"op\":\"write\"", "\"op\":1"),
        ("\"pid\":7", "\"pid\":7.5"),
        ("\"schema\":1", "\"schema\":1,\"schema\":1"),
        ("\"id\":\"7-1\"", "\"name\":\"7-1\""),
        ("\"notes\":[\"memory ran out\"]", "\"notes\":[7]"),
        ("\"probe\":{\"deep\"", "\"probe\":{\"deep\":1]"),
    ] {
        assert!(line.contains(from), "{from}");
        let bad = line.replacen(from, to, 1);
        assert_eq!((RecordSummary::of_line(bad.as_bytes()), read(bad.as_bytes())), (None, None), "{bad}");
    }
    let mut bad = line.into_bytes();
    let at = bad.windows(6).position(|window| window == b"memory").expect("it is there");
    bad[at] = 0xff;
    assert_eq!((RecordSummary::of_line(&bad), read(&bad)), (None, None));
}

#[test]
fn objects_that_are_lists_are_left_to_the_reader() {
    let line = span().to_string().replace("{\"trace_id\":\"0c\",\"span_id\":\"0d\"}", "[\"0c\",\"0d\"]");
    assert_eq!(RecordSummary::of_line(line.as_bytes()), None);
    assert!(matches!(EvidenceReader::new(line.as_bytes()).next(), Some(Ok(Record::Span(_)))));
}

/// Parts that change what a line means, or whether it means anything.
const PARTS: [&str; 16] = [
    "null",
    "1",
    "-1",
    "1e999",
    "1.5",
    "true",
    "\"x\"",
    "\"\\ud800\"",
    "[]",
    "{}",
    "[1,2]",
    "{\"op\":\"read\"}",
    ",",
    "}",
    "\"pid\":3,",
    "{\"read\":null}",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    /// One value of a record replaced by another.
    #[test]
    fn a_record_with_another_value_somewhere_is_judged_as_the_reader_does(
        which in 0_usize..3,
        at in any::<prop::sample::Index>(),
        part in 0..PARTS.len(),
    ) {
        let line = [race(), repeat(), span()][which].to_string();
        let places: Vec<usize> = line.match_indices(':').map(|(at, _)| at + 1).collect();
        let start = places[at.index(places.len())];
        // The value that begins there, as far as a parser can tell.
        let mut values = serde_json::Deserializer::from_str(&line[start..]).into_iter::<Value>();
        let length = match values.next() {
            Some(Ok(_)) => values.byte_offset(),
            _ => 1,
        };
        let changed = format!("{}{}{}", &line[..start], PARTS[part], &line[start + length..]);
        agrees(changed.as_bytes())?;
    }

    /// Bytes replaced, removed and put in.
    #[test]
    fn a_damaged_line_is_judged_as_the_reader_does(
        which in 0_usize..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 1..4),
    ) {
        let mut line = [race(), repeat(), span()][which].to_string().into_bytes();
        for (at, byte, how) in changes {
            let (at, byte) = (at.index(line.len()), if byte == b'\n' { b' ' } else { byte });
            match how {
                0 => line[at] = byte,
                1 => { line.remove(at); }
                _ => line.insert(at, byte),
            }
        }
        agrees(&line)?;
    }
}
