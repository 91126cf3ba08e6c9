//! Files of other tools: recognised by their content, read, and what is damaged in them told.

mod foreign_support;

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use foreign_support::{fixture, read, read_as, text};
use raceguard_evidence::{Coverage, Profile, ProfileKind, Record, Severity, StaticFinding, Test, TestResult};

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

fn profile(content: &str) -> Profile {
    match text(content).records.pop() {
        Some(Record::Profile(profile)) => *profile,
        other => panic!("no profile: {other:?}"),
    }
}

fn coverage(content: &str) -> Coverage {
    match text(content).records.pop() {
        Some(Record::Coverage(coverage)) => coverage,
        other => panic!("no coverage: {other:?}"),
    }
}

fn findings(content: &str) -> Vec<StaticFinding> {
    let finding = |record| if let Record::StaticFinding(finding) = record { Some(*finding) } else { None };
    text(content).records.into_iter().filter_map(finding).collect()
}

#[test]
fn coverage_profiles_are_merged() {
    let count = "mode: count\nm/a.go:1.1,2.2 1 3\nm/a.go:4.1,5.2 2 0\nmode: count\nm/a.go:1.1,2.2 1 4\nm/b.go:1.1,2.2 1 1\n";
    let merged = coverage(count);
    assert_eq!(merged.mode, "count");
    assert_eq!(merged.files.iter().map(|file| file.file.as_str()).collect::<Vec<_>>(), ["m/a.go", "m/b.go"]);
    assert_eq!(
        (merged.files[0].count_at(1), merged.files[0].count_at(4), merged.files[0].count_at(3)),
        (Some(7), Some(0), None)
    );
    let set = coverage(&count.replace("count", "set"));
    assert_eq!(set.files[0].count_at(1), Some(1));
    let read = text(&format!("{count}garbage\nmode: set\nm/b.go:1.1,2.2 1 1\n"));
    assert_eq!(read.skipped(), ["1 lines that are no block of a coverage profile"]);
    assert!(read.source.warnings[0].contains("modes"));
    assert_eq!(coverage(&fixture("go1.27-coverage.txt")).files.len(), 2);
    let warnings = |more: &str| text(&format!("{count}{more}")).source.warnings;
    assert!(warnings("panics: none\n").is_empty());
    for more in ["x | fatal error: concurrent map writes\n", "goroutine 7 [running]:\n"] {
        assert!(warnings(more)[0].starts_with("output of a Go program is mixed in"), "{more}");
    }
}

#[test]
fn profiles_in_text_have_the_values_of_protobuf() {
    for version in ["go1.22", "go1.27"] {
        let mutex = profile(&fixture(&format!("{version}-mutex.txt")));
        assert_eq!((&mutex.profile, mutex.symbolised, mutex.period), (&ProfileKind::Mutex, true, 1));
        let sample = &mutex.samples[0];
        let delay = sample.values[mutex.value_index("delay").expect("delays")];
        assert!((1_000_000..60_000_000_000).contains(&delay), "{delay} ns");
        assert_eq!(
            mutex.stack(sample).next().map(|frame| frame.function.as_str()),
            Some("sync.(*Mutex).Unlock")
        );
        let goroutine = profile(&fixture(&format!("{version}-goroutine.txt")));
        assert_eq!(goroutine.profile, ProfileKind::Goroutine);
        assert!(
            goroutine
                .samples
                .iter()
                .any(|sample| sample.labels.get("tenant").is_some_and(|label| label == "a b"))
        );
    }
    let heap = profile(
        "heap profile: 1: 1024 [10: 10240] @ heap/1048576\n1: 1024 [10: 10240] @ 0x1 0x2\n#\t0x1\tmain.f+0x1\t/m/a.go:1\n",
    );
    // runtime/pprof scales 10 objects of 1 KiB at a rate of 512 KiB by 512.5.
    assert_eq!(heap.samples[0].values, [5125, 5_248_001, 512, 524_800]);
    assert_eq!((heap.profile, heap.period), (ProfileKind::Heap, 524_288));
}

#[test]
fn a_profile_without_symbols_is_kept_and_flagged() {
    let read = text("--- mutex:\ncycles/second=1000\nsampling period=1\n5 1 @ 0x4e2452 0x4e23da\n");
    assert!(read.source.warnings[0].contains("no symbols"));
    let Record::Profile(profile) = &read.records[0] else { panic!("no profile") };
    assert_eq!(
        (profile.symbolised, profile.frames.len(), profile.samples[0].values[1]),
        (false, 2, 5_000_000)
    );
}

const JUNIT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="3" failures="1" time="0.5">
	<testsuite tests="3" failures="1" time="0.250000" name="example.com/m/counter" timestamp="1970-01-01T00:00:10Z">
		<properties><property name="go.version" value="go1.26.8 linux/amd64"></property></properties>
		<testcase classname="example.com/m/counter" name="TestMap" time="0.010000">
			<failure message="Failed" type="">=== RUN   TestMap
==================
WARNING: DATA RACE
Write at 0x00c00009cfc0 by goroutine 9:
  example.com/m/counter.(*Counter).Add()
      /m/counter.go:7 +0xf8

Previous read at 0x00c00009cfc0 by main goroutine:
  example.com/m/counter.TestMap&lt;x&gt;()
      /m/counter_test.go:9 +0x17
==================
</failure>
		</testcase>
		<testcase classname="example.com/m/counter" name="TestPass" time="0.0"></testcase>
		<testcase classname="example.com/m/counter" name="TestSkip" time="0.0"><skipped message="later"/></testcase>
	</testsuite>
</testsuites>
"#;

#[test]
fn junit_names_the_tests_of_what_was_printed() {
    let read = text(JUNIT);
    assert_eq!(
        (read.source.format.as_str(), read.kinds().as_str()),
        ("junit", "attribution 1, race 1, test 2")
    );
    let tests: Vec<&Test> = read
        .records
        .iter()
        .filter_map(|record| if let Record::Test(test) = record { Some(test) } else { None })
        .collect();
    assert_eq!((tests[0].test.as_deref(), &tests[0].result), (Some("TestMap"), &TestResult::Fail));
    assert_eq!((tests[1].package.as_str(), &tests[1].result), ("example.com/m/counter", &TestResult::Fail));
    assert_eq!((tests[1].started_unix_ns, tests[1].ended_unix_ns), (10_000_000_000, 10_250_000_000));
    assert_eq!(read.races()[0].earlier().stack[0].function, "example.com/m/counter.TestMap<x>");
    let cut = read_as(&JUNIT.as_bytes()[..JUNIT.len() - 200], None).expect("the beginning");
    assert_eq!(cut.races().len(), 1);
    assert!(!cut.source.warnings.is_empty());
}

const SARIF: &str = r#"{"$schema":"https://json.schemastore.org/sarif-2.1.0.json","version":"2.1.0","runs":[{
  "tool":{"driver":{"name":"gosec","semanticVersion":"2.22.0","rules":[{"id":"G404","defaultConfiguration":{"level":"error"}}]}},
  "originalUriBaseIds":{"ROOT":{"uri":"file:///home/ci/m/"}},
  "results":[
    {"ruleId":"G404","message":{"text":"Use of weak random number generator."},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"pkg/a%20b.go","uriBaseId":"ROOT"},"region":{"startLine":7,"startColumn":3,"endLine":7,"endColumn":9}}}],
     "relatedLocations":[{"message":{"text":"seeded here"},"physicalLocation":{"artifactLocation":{"uri":"pkg/c.go"},"region":{"startLine":1}}}]},
    {"ruleId":"G101","level":"note","message":{"text":"x"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"pkg/d.go"},"region":{"startLine":2}}}]},
    {"ruleId":"G101","message":{"text":"x"},"locations":[]},
    {"ruleId":"G101","message":{"text":"x"},"suppressions":[{"kind":"inSource"}],"locations":[]}
  ]}]}"#;

#[test]
fn sarif_of_other_tools_becomes_findings() {
    let read = text(SARIF);
    assert_eq!((read.source.format.as_str(), read.source.producer.as_str()), ("sarif", "gosec 2.22.0"));
    assert_eq!(
        read.skipped(),
        ["1 results without a place", "1 results that are suppressed in their source"]
    );
    let findings = findings(SARIF);
    assert_eq!(
        (findings[0].tool.as_deref(), findings[0].rule.as_str(), &findings[0].severity),
        (Some("gosec"), "G404", &Severity::Error)
    );
    let place = &findings[0].sites[0].place;
    assert_eq!((place.file.as_str(), place.line, place.column), ("/home/ci/m/pkg/a b.go", 7, 3));
    assert_eq!(findings[0].reasons[0].text, "seeded here");
    assert_eq!(findings[1].severity, Severity::Advice);
    assert_ne!(findings[0].fingerprint, findings[1].fingerprint);
}

#[test]
fn golangci_lint_and_go_vet_become_findings() {
    let lint = findings(
        r#"{"Issues":[{"FromLinter":"staticcheck","Text":"SA2001: empty critical section","Severity":"","SourceLines":["x"],"Pos":{"Filename":"a/b.go","Offset":0,"Line":7,"Column":2}},
            {"FromLinter":"errcheck","Text":"Error return value is not checked","Severity":"error","Pos":{"Filename":"c.go","Line":1,"Column":1}}],
            "Report":{"Warnings":[{"Tag":"runner","Text":"slow"}]}}
0 issues.
"#,
    );
    assert_eq!(
        (lint[0].tool.as_deref(), lint[0].rule.as_str(), lint[0].message.as_str()),
        (Some("staticcheck"), "SA2001", "empty critical section")
    );
    assert_eq!((lint[1].rule.as_str(), &lint[1].severity), ("errcheck", &Severity::Error));
    let vet = "# example.com/m\n{\n\t\"example.com/m\": {\n\t\t\"copylocks\": [\n\t\t\t{\n\t\t\t\t\"posn\": \"/m/a.go:7:9\",\n\t\t\t\t\"end\": \
               \"/m/a.go:7:12\",\n\t\t\t\t\"message\": \"f passes lock by value: sync.Mutex\"\n\t\t\t}\n\t\t],\n\t\t\"printf\": {\"error\": \"no types\"}\n\t}\n}\n# example.com/m/b\n{}\n";
    let read = text(vet);
    assert!(read.source.warnings[0].contains("printf could not analyse example.com/m: no types"));
    let vet = findings(vet);
    assert_eq!(
        (vet[0].rule.as_str(), vet[0].sites[0].place.line, vet[0].sites[0].place.end_column),
        ("copylocks", 7, 12)
    );
}

#[test]
fn evidence_of_another_run_passes_through() {
    let race = text(&fixture("go1.27-race-test.txt")).records.remove(0);
    let lines = format!(
        "{}\n{}{}{}\n{}",
        r#"{"schema":1,"kind":"run","id":"R1","mode":"test","started_unix_ns":5,"raceguard_version":"9.9","module":"example.com/m"}"#,
        race.to_line(),
        r#"{"schema":1,"kind":"future","x":1}"#.to_owned() + "\n",
        r#"{"schema":1,"kind":"repeat","race":"s1-1","pid":3}"#,
        r#"{"schema":1,"kind":"run_end","exi"#
    );
    let read = text(&lines);
    assert_eq!(
        (read.source.format.as_str(), read.kinds().as_str()),
        ("evidence", "future 1, race 1, repeat 1")
    );
    assert_eq!((read.source.producer.as_str(), read.source.produced_unix_ns), ("raceguard 9.9", 5));
    assert_eq!(read.races()[0].id, "s1-s1-1");
    assert!(matches!(&read.records[2], Record::Repeat(repeat) if repeat.race == "s1-s1-1"));
    assert_eq!(read.skipped(), ["1 records cut off at the end of the file"]);
    assert!(read.records.iter().all(|record| record.source() == Some("s1")));
}

#[test]
fn compressed_files_are_read_and_damage_is_told() {
    let plain = fixture("go1.27-race-test.txt");
    let packed = gzip(plain.as_bytes());
    let whole = read(&packed).expect("a log");
    assert_eq!((whole.races().len(), whole.source.bytes), (5, packed.len() as u64));
    assert!(whole.source.warnings.is_empty());
    let cut = read(&packed[..packed.len() - 20]).expect("the beginning of a log");
    assert!(
        cut.source.warnings.iter().any(|warning| warning.contains("ends early")),
        "{:?}",
        cut.source.warnings
    );
    assert!(!cut.races().is_empty());
}

#[test]
fn unknown_files_are_named_by_how_they_begin() {
    for content in [
        &b"\x7fELF\x02\x01\x01\0\0\0"[..],
        b"PK\x03\x04\0\0",
        b"{\n  \"name\": 1\n}\n",
        b"{\"name\":1}\n",
        b"<html></html>",
        b"[1,2]\0",
    ] {
        let error = read(content).expect_err("no format").to_string();
        assert!(error.contains("no known format") && error.contains("--formats"), "{error}");
    }
    assert!(
        read(b"PK\x03\x04\0\0")
            .expect_err("no format")
            .to_string()
            .contains("a zip archive: unpack it first")
    );
    assert!(read(b"").expect_err("empty").to_string().contains("is empty"));
    let error = read_as(b"not a profile\n", Some("pprof-text")).expect_err("no profile").to_string();
    assert!(error.contains("line 1"), "{error}");
}
