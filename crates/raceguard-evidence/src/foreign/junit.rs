//! JUnit's XML, as gotestsum, go-junit-report and other converters of Go's test results write it.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::go_output::{Emitter, Found, GoOutput, rfc3339};
use super::go_test_json::nanoseconds;
use super::{ForeignError, Format, Input, Recognition, Sink};
use crate::findings::TestName;
use crate::record::Extra;
use crate::run::{Test, TestResult};

/// Results of tests in XML.
pub(super) const FORMAT: Format =
    Format { name: "junit", title: "results of tests in JUnit's XML", recognise, read };

/// Largest file, in bytes.
const MAX_SIZE: usize = 256 << 20;

fn recognise(head: &[u8]) -> Recognition {
    let start = &head[..head.len().min(4096)];
    let is_xml = start.trim_ascii_start().starts_with(b"<") || start.starts_with(b"\xef\xbb\xbf<");
    if is_xml && memchr::memmem::find(start, b"<testsuite").is_some() {
        Recognition::Sure
    } else {
        Recognition::No
    }
}

/// A suite that is open: in Go, a package.
#[derive(Debug, Default)]
struct Suite {
    name: String,
    seconds: f64,
    started_unix_ns: u64,
    failed: bool,
    tests: u64,
}

/// A test that is open.
#[derive(Debug)]
struct Case {
    name: TestName,
    seconds: f64,
    result: TestResult,
}

#[derive(Debug, Default)]
struct Reading {
    suites: Vec<Suite>,
    case: Option<Case>,
    /// Texts of the case, or of the suite itself.
    text: String,
    emitter: Emitter,
    found: Vec<Found>,
}

fn read(input: &mut Input<'_>, sink: &mut dyn Sink) -> Result<(), ForeignError> {
    let content = input.read_whole(MAX_SIZE)?;
    let mut reader = Reader::from_reader(content.as_slice());
    reader.config_mut().check_end_names = false;
    let mut reading = Reading::default();
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) => reading.start(&element, sink)?,
            Ok(Event::Empty(element)) => {
                reading.start(&element, sink)?;
                reading.end(element.local_name().as_ref(), sink)?;
            }
            Ok(Event::End(element)) => reading.end(element.local_name().as_ref(), sink)?,
            Ok(Event::Text(text)) => reading.text.push_str(&String::from_utf8_lossy(&text)),
            Ok(Event::CData(text)) => reading.text.push_str(&String::from_utf8_lossy(&text)),
            Ok(Event::GeneralRef(name)) => reading.text.push_str(character(&name)),
            Ok(Event::Eof) => break,
            Ok(_) => {}
            Err(error) => {
                sink.warn(format!(
                    "the XML is damaged at byte {} ({error}): what came before was read",
                    reader.error_position()
                ));
                break;
            }
        }
    }
    if reading.case.is_some() || !reading.suites.is_empty() {
        sink.warn("the XML ends early: what came before was read".to_owned());
        reading.end(b"testcase", sink)?;
        while !reading.suites.is_empty() {
            reading.end(b"testsuite", sink)?;
        }
    }
    Ok(())
}

impl Reading {
    fn start(&mut self, element: &BytesStart<'_>, sink: &mut dyn Sink) -> Result<(), ForeignError> {
        match element.local_name().as_ref() {
            b"testsuite" => {
                self.suites.push(Suite {
                    name: attribute(element, "name"),
                    seconds: attribute(element, "time").parse().unwrap_or(0.0),
                    started_unix_ns: rfc3339(&attribute(element, "timestamp")),
                    ..Suite::default()
                });
                self.text.clear();
            }
            b"testcase" => {
                self.end(b"testcase", sink)?;
                self.text.clear();
                self.case = Some(self.case(element));
            }
            b"failure" | b"error" => {
                self.set_result(TestResult::Fail);
                self.text.push_str(&attribute(element, "message"));
                self.text.push('\n');
            }
            b"skipped" => self.set_result(TestResult::Skip),
            _ => {}
        }
        Ok(())
    }

    fn case(&mut self, element: &BytesStart<'_>) -> Case {
        let class = attribute(element, "classname");
        let suite = self.suites.last_mut();
        let package = match suite {
            // A converter may write only the last element of the path as the class.
            Some(suite) => {
                suite.tests += 1;
                if class.contains('/') { class } else { suite.name.clone() }
            }
            None => class,
        };
        Case {
            name: TestName { package, test: Some(attribute(element, "name")) },
            seconds: attribute(element, "time").parse().unwrap_or(0.0),
            result: TestResult::Pass,
        }
    }

    fn set_result(&mut self, result: TestResult) {
        if result == TestResult::Fail
            && let Some(suite) = self.suites.last_mut()
        {
            suite.failed = true;
        }
        if let Some(case) = &mut self.case {
            case.result = result;
        }
    }

    fn end(&mut self, name: &[u8], sink: &mut dyn Sink) -> Result<(), ForeignError> {
        match name {
            b"testcase" => {
                let Some(case) = self.case.take() else { return Ok(()) };
                let started = self.suites.last().map_or(0, |suite| suite.started_unix_ns);
                self.search_text(&case.name, sink)?;
                if case.result == TestResult::Fail {
                    sink.record(test(case.name, case.result, case.seconds, started).into())?;
                }
            }
            b"testsuite" => {
                let Some(suite) = self.suites.pop() else { return Ok(()) };
                let name = TestName { package: suite.name, test: None };
                self.search_text(&name, sink)?;
                let result = if suite.failed { TestResult::Fail } else { TestResult::Pass };
                if suite.tests > 0 || suite.failed {
                    sink.record(test(name, result, suite.seconds, suite.started_unix_ns).into())?;
                }
            }
            b"failure" | b"error" | b"system-out" | b"system-err" | b"skipped" => self.text.push('\n'),
            _ => {}
        }
        Ok(())
    }

    /// Looks for findings in what was printed.
    fn search_text(&mut self, name: &TestName, sink: &mut dyn Sink) -> Result<(), ForeignError> {
        let mut output = GoOutput::default();
        for line in std::mem::take(&mut self.text).lines() {
            output.line(line.as_bytes(), 0, &mut self.found);
        }
        output.finish(&mut self.found);
        self.emitter.emit_all(&mut self.found, |_| Some(name.clone()), sink)
    }
}

fn test(name: TestName, result: TestResult, seconds: f64, started_unix_ns: u64) -> Test {
    let ended = if started_unix_ns == 0 { 0 } else { started_unix_ns + nanoseconds(seconds) };
    Test {
        package: name.package,
        test: name.test,
        result,
        elapsed_s: seconds,
        started_unix_ns,
        ended_unix_ns: ended,
        extra: Extra::new(),
    }
}

/// The value of an attribute; empty when it is not there.
fn attribute(element: &BytesStart<'_>, name: &str) -> String {
    let Ok(Some(attribute)) = element.try_get_attribute(name) else { return String::new() };
    match attribute.unescape_value() {
        Ok(value) => value.into_owned(),
        Err(_) => String::from_utf8_lossy(&attribute.value).into_owned(),
    }
}

/// What an entity stands for, as far as logs need it.
fn character(name: &[u8]) -> &'static str {
    match name {
        b"lt" => "<",
        b"gt" => ">",
        b"amp" => "&",
        b"quot" | b"#34" => "\"",
        b"apos" | b"#39" => "'",
        b"#xA" | b"#10" => "\n",
        b"#x9" | b"#9" => "\t",
        _ => "",
    }
}
