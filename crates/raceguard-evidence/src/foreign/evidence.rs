//! Evidence of another run of raceguard, from another machine or another job.
//!
//! Its records pass as they are, with what is unique only within their run made unique here.

use super::{ForeignError, Format, Input, Recognition, Sink};
use crate::reader::{EvidenceReader, WarningCause};
use crate::record::Record;
use crate::run::Run;

/// Evidence as raceguard writes it.
pub(super) const FORMAT: Format =
    Format { name: "evidence", title: "evidence of raceguard (JSON Lines)", recognise, read };

fn recognise(head: &[u8]) -> Recognition {
    let start = &head[..head.len().min(64)];
    let is_record = start.starts_with(b"{\"schema\":") && memchr::memmem::find(start, b"\"kind\":").is_some();
    if is_record { Recognition::Sure } else { Recognition::No }
}

fn read(input: &mut Input<'_>, sink: &mut dyn Sink) -> Result<(), ForeignError> {
    let id = sink.source().id.clone();
    let mut reader = EvidenceReader::new(input);
    for record in reader.by_ref() {
        match record? {
            Record::Run(run) => describe(&run, sink),
            Record::RunEnd(_) => {}
            Record::Source(_) => sink.skip("descriptions of files that the other run had read", 0),
            Record::Race(mut race) => {
                race.id = format!("{id}-{}", race.id);
                sink.record(Record::Race(race))?;
            }
            Record::Repeat(mut repeat) => {
                repeat.race = format!("{id}-{}", repeat.race);
                sink.record(repeat.into())?;
            }
            Record::Attribution(mut attribution) => {
                attribution.race = format!("{id}-{}", attribution.race);
                sink.record(attribution.into())?;
            }
            record => sink.record(record)?,
        }
    }
    for warning in reader.warnings() {
        let what = match warning.cause {
            WarningCause::TornLastLine => "records cut off at the end of the file",
            WarningCause::Malformed(_) => "lines that are no records",
        };
        sink.skip(what, warning.line);
    }
    let unlisted = reader.skipped().saturating_sub(reader.warnings().len() as u64);
    for _ in 0..unlisted {
        sink.skip("lines that are no records", 0);
    }
    Ok(())
}

/// The run that wrote it is no record of this run, but says where the others come from.
fn describe(run: &Run, sink: &mut dyn Sink) {
    let source = sink.source();
    source.produced_unix_ns = run.started_unix_ns;
    source.producer = format!("raceguard {}", run.raceguard_version);
    if let Ok(run) = serde_json::to_value(run) {
        source.extra.insert("run".to_owned(), run);
    }
}
