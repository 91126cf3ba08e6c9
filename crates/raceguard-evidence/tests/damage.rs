//! Damaged, overlong and newer evidence: what is skipped with a warning, and what is an error that helps.

use std::io::{self, BufReader, Read};

use raceguard_evidence::{EvidenceError, EvidenceReader, Record, WarningCause};

const EXIT: &str = r#"{"schema":1,"kind":"exit","pid":3,"time_unix_ns":1,"races":0}"#;

fn outcome(text: &str) -> (usize, Vec<(u64, WarningCause)>) {
    let mut reader = EvidenceReader::new(text.as_bytes());
    let count = reader.by_ref().inspect(|record| assert!(record.is_ok(), "{record:?}")).count();
    let warnings = reader.warnings().iter().map(|w| (w.line, w.cause.clone())).collect();
    (count, warnings)
}

#[test]
fn a_torn_last_line_is_skipped_and_counted() {
    let (count, warnings) = outcome(&format!("{EXIT}\n{EXIT}\n{}", &EXIT[..30]));
    assert_eq!((count, warnings), (2, vec![(3, WarningCause::TornLastLine)]));
}

#[test]
fn a_whole_last_line_without_newline_is_read() {
    assert_eq!(outcome(&format!("{EXIT}\n{EXIT}")), (2, vec![]));
}

#[test]
fn a_bad_line_in_the_middle_is_skipped_with_its_number() {
    let (count, warnings) = outcome(&format!("{EXIT}\nnot json\n\n{{\"kind\":\"exit\"}}\n{EXIT}\n"));
    assert_eq!(count, 2);
    assert_eq!(warnings.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 4]);
    assert!(matches!(&warnings[1].1, WarningCause::Malformed(what) if what == "no schema version"));
}

#[test]
fn a_known_kind_with_a_wrong_field_names_the_kind() {
    let (count, warnings) = outcome("{\"schema\":1,\"kind\":\"exit\",\"pid\":\"three\"}\n");
    assert_eq!(count, 0);
    assert!(matches!(&warnings[0].1, WarningCause::Malformed(what) if what.starts_with("exit: ")));
}

#[test]
fn a_record_behind_a_torn_one_on_the_same_line_is_saved() {
    let (count, warnings) = outcome(&format!("{}{EXIT}\n{EXIT}\n", &EXIT[..30]));
    assert_eq!((count, warnings.len(), warnings[0].0), (2, 1, 1));
}

#[test]
fn a_newer_schema_is_an_error_that_says_what_to_do() {
    let text = format!("{EXIT}\n{{\"schema\":2,\"kind\":\"exit\",\"pid\":{{}}}}\n{EXIT}\n");
    let mut reader = EvidenceReader::new(text.as_bytes());
    assert!(matches!(reader.next(), Some(Ok(Record::Exit(_)))));
    let Some(Err(error)) = reader.next() else { panic!("a newer schema is an error") };
    assert!(matches!(error, EvidenceError::NewerSchema { line: 2, found: 2, supported: 1 }));
    assert!(error.to_string().contains("upgrade raceguard"), "{error}");
    assert!(reader.next().is_none(), "nothing comes after an error");
}

/// Endless bytes without a newline.
struct Endless;

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        buffer.fill(b'x');
        Ok(buffer.len())
    }
}

#[test]
fn an_overlong_line_is_an_error_and_takes_bounded_memory() {
    let mut reader = EvidenceReader::with_line_limit(BufReader::new(Endless), 1 << 20);
    let Some(Err(error)) = reader.next() else { panic!("an endless line is an error") };
    assert!(matches!(error, EvidenceError::LineTooLong { line: 1, limit: 1_048_576 }));
    assert!(reader.next().is_none());
}

#[test]
fn many_bad_lines_are_counted_and_only_the_first_are_kept() {
    let text = "bad\n".repeat(1000);
    let mut reader = EvidenceReader::new(text.as_bytes());
    assert!(reader.next().is_none());
    assert_eq!((reader.skipped(), reader.warnings().len()), (1000, 100));
}
