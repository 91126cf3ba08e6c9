//! What was read, on one screen.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use raceguard_evidence::{Record, Source};

/// Most files that are listed.
const LISTED_FILES: usize = 20;
/// Most skipped parts and warnings that are listed per file.
const LISTED_NOTES: usize = 6;

/// Records by kind.
pub type Kinds = BTreeMap<String, u64>;

/// What became of one file.
#[derive(Debug)]
pub enum Outcome {
    /// It was read.
    Read {
        /// Its description.
        source: Box<Source>,
        /// What is in it.
        kinds: Kinds,
    },
    /// The same content was read before: the name it had, and the run when it was another one.
    Duplicate {
        /// Its name.
        name: String,
        /// Its name then.
        first: String,
        /// The run that read it, when it was not this one.
        run: Option<String>,
    },
    /// It was not read, or is not wanted.
    Failed {
        /// Its name.
        name: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A file of a folder that holds no evidence.
    NoEvidence {
        /// Its name.
        name: String,
    },
}

/// Adds a record to the kinds.
pub fn count(kinds: &mut Kinds, record: &Record) {
    match kinds.get_mut(record.kind()) {
        Some(count) => *count += 1,
        None => {
            kinds.insert(record.kind().to_owned(), 1);
        }
    }
}

/// The screen.
pub fn text(outcomes: &[Outcome], run: Option<&str>) -> String {
    let mut text = String::new();
    let mut total = Kinds::new();
    let (mut read, mut bytes, mut unlisted) = (0, 0, 0);
    for outcome in outcomes {
        if let Outcome::Read { source, kinds } = outcome {
            read += 1;
            bytes += source.bytes;
            for (kind, count) in kinds {
                *total.entry(kind.clone()).or_default() += count;
            }
        }
        let listed = matches!(outcome, Outcome::Read { .. } | Outcome::Duplicate { .. });
        if listed && text.lines().filter(|line| !line.starts_with(' ')).count() >= LISTED_FILES {
            unlisted += 1;
        } else if listed {
            add(&mut text, outcome);
        }
    }
    if unlisted > 0 {
        let _ = writeln!(text, "and {}", counted(unlisted, "more file"));
    }
    let without =
        outcomes.iter().filter(|outcome| matches!(outcome, Outcome::NoEvidence { .. })).count() as u64;
    if without > 0 {
        let names = outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::NoEvidence { name } => Some(name.as_str()),
            _ => None,
        });
        let names: Vec<&str> = names.take(3).collect();
        let _ = writeln!(
            text,
            "{} without evidence: {}{}",
            counted(without, "file"),
            names.join(", "),
            if without > 3 { ", …" } else { "" }
        );
    }
    if let Some(run) = run {
        let _ = writeln!(
            text,
            "\n{} ({}) into run {run}: {}",
            counted(read, "file"),
            size(bytes),
            kinds_text(&total)
        );
    }
    text
}

fn add(text: &mut String, outcome: &Outcome) {
    match outcome {
        Outcome::Read { source, kinds } => {
            let _ = writeln!(
                text,
                "{}: {} ({}, {})",
                source.path,
                kinds_text(kinds),
                source.format,
                size(source.bytes)
            );
            for skipped in source.skipped.iter().take(LISTED_NOTES) {
                let first = if skipped.first_at > 0 {
                    format!(" (first at {})", skipped.first_at)
                } else {
                    String::new()
                };
                let _ = writeln!(text, "  skipped {}: {}{first}", skipped.count, skipped.what);
            }
            for warning in source.warnings.iter().take(LISTED_NOTES) {
                let _ = writeln!(text, "  warning: {warning}");
            }
            let more = source.skipped.len().saturating_sub(LISTED_NOTES)
                + source.warnings.len().saturating_sub(LISTED_NOTES);
            if more > 0 {
                let _ = writeln!(text, "  {more} more notes are in the evidence");
            }
        }
        Outcome::Duplicate { name, first, run } => {
            let _ = match run {
                Some(run) => writeln!(
                    text,
                    "{name}: has the content of {first}, which run {run} ingested; counted once"
                ),
                None => writeln!(text, "{name}: has the content of {first}; counted once"),
            };
        }
        Outcome::Failed { .. } | Outcome::NoEvidence { .. } => {}
    }
}

fn kinds_text(kinds: &Kinds) -> String {
    if kinds.is_empty() {
        return "nothing".to_owned();
    }
    let parts: Vec<String> =
        kinds.iter().map(|(kind, count)| counted(*count, &kind.replace('_', " "))).collect();
    parts.join(", ")
}

/// `1 race`, `2 races`, `2 coverage records`.
fn counted(count: u64, noun: &str) -> String {
    let noun = if noun == "coverage" { "coverage record" } else { noun };
    let plural = match noun {
        _ if count == 1 => "",
        _ if noun.ends_with("sh") => "es",
        _ => "s",
    };
    format!("{count} {noun}{plural}")
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn size(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} B"),
        10_000..=999_999 => format!("{} kB", bytes / 1000),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_told() {
        let mut source =
            Source { path: "a.log".into(), format: "go-output".into(), bytes: 12_000, ..Source::default() };
        source.skip("race reports cut off", 7);
        source.warnings.push("it ends early".to_owned());
        let kinds = Kinds::from([("race".to_owned(), 2), ("crash".to_owned(), 1)]);
        let read = Outcome::Read { source: Box::new(source), kinds };
        let duplicate = Outcome::Duplicate { name: "b.log".into(), first: "a.log".into(), run: None };
        let none = Outcome::NoEvidence { name: "README".into() };
        assert_eq!(
            text(&[read, duplicate, none], Some("R")),
            "a.log: 1 crash, 2 races (go-output, 12 kB)\n  skipped 1: race reports cut off (first at 7)\n  \
             warning: it ends early\nb.log: has the content of a.log; counted once\n1 file without evidence: README\n\n\
             1 file (12 kB) into run R: 1 crash, 2 races\n"
        );
    }

    #[test]
    fn a_long_list_stays_on_one_screen() {
        let read = || Outcome::Read { source: Box::default(), kinds: Kinds::new() };
        let outcomes: Vec<Outcome> = std::iter::repeat_with(read).take(500).collect();
        let text = text(&outcomes, Some("R"));
        assert!(text.lines().count() < 25 && text.contains("and 480 more files"), "{text}");
    }
}
