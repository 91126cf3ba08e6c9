//! `go vet -json`: for each package an object of its analysers' findings, with comment lines in between.

use serde_json::{Map, Value};

use super::static_tool::{finding, place};
use super::{ForeignError, Format, Input, Recognition, Sink};
use crate::static_finding::Severity;

/// Findings of go vet.
pub(super) const FORMAT: Format =
    Format { name: "go-vet-json", title: "findings of go vet -json", recognise, read };

const MAX_SIZE: usize = 256 << 20;

fn recognise(head: &[u8]) -> Recognition {
    let without_comments = without_comments(head);
    let begins = without_comments.trim_ascii_start();
    if begins.starts_with(b"{") && memchr::memmem::find(begins, b"\"posn\":").is_some() {
        return Recognition::Sure;
    }
    // Nothing was found: only the names of packages, and empty objects.
    let is_empty =
        !begins.is_empty() && begins.iter().all(|byte| byte.is_ascii_whitespace() || b"{}".contains(byte));
    if is_empty { Recognition::Maybe } else { Recognition::No }
}

fn read(input: &mut Input<'_>, sink: &mut dyn Sink) -> Result<(), ForeignError> {
    let content = without_comments(&input.read_whole(MAX_SIZE)?);
    let packages = serde_json::Deserializer::from_slice(&content).into_iter::<Map<String, Value>>();
    for package in packages {
        let package = match package {
            Ok(package) => package,
            Err(error) if sink.source().records == 0 => {
                return Err(input.malformed(error.to_string(), format!("line {}", error.line())));
            }
            Err(error) => {
                sink.warn(format!("damaged at line {} ({error}): what came before was read", error.line()));
                break;
            }
        };
        for (name, analysers) in &package {
            of_package(name, analysers, sink)?;
        }
    }
    Ok(())
}

fn of_package(name: &str, analysers: &Value, sink: &mut dyn Sink) -> Result<(), ForeignError> {
    let Some(analysers) = analysers.as_object() else {
        sink.skip("packages without findings of analysers", 0);
        return Ok(());
    };
    for (analyser, diagnostics) in analysers {
        let Some(diagnostics) = diagnostics.as_array() else {
            let error = diagnostics.get("error").and_then(Value::as_str).unwrap_or("no list of findings");
            sink.warn(format!("{analyser} could not analyse {name}: {error}"));
            continue;
        };
        for diagnostic in diagnostics {
            let text = |field: &str| diagnostic.get(field).and_then(Value::as_str);
            let Some((message, mut place)) = text("message").zip(text("posn").and_then(place)) else {
                sink.skip("findings without a message or a place", 0);
                continue;
            };
            if let Some(end) = text("end").and_then(self::place) {
                (place.end_line, place.end_column) = (end.line, end.column);
            }
            sink.record(finding("vet", analyser, Severity::Warning, message, place).into())?;
        }
    }
    Ok(())
}

/// The text with blank lines in the place of `# package`, so that lines keep their numbers.
fn without_comments(text: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let is_comment =
            line.starts_with(b"# ") || line.starts_with(b"vet: ") || line.starts_with(b"exit status ");
        kept.extend_from_slice(if is_comment { b"\n" } else { line });
    }
    kept
}
