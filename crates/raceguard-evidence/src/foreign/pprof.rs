//! Profiles of pprof as Go's runtime writes them: protocol buffers, usually compressed with gzip.
//!
//! A profile is one [`Profile`](crate::Profile) record. Samples of equal stacks and labels are joined, the heaviest
//! come first. The table of strings stands at the end of the file, so a profile is held in memory while it is read:
//! at most [`LARGEST`] bytes of it, and tables of at most [`message::MOST_ENTRIES`] entries.
//!
//! A profile without symbols is kept: its frames have a program counter and no name, and its mappings say which file
//! the code came from.
//!
//! What was profiled is not written in a profile. [`kind`] tells how it is found out.

mod kind;
mod message;
mod samples;

use super::protobuf::{Fields, Value};
use super::{ForeignError, Format, Input, Recognition, Sink};
use crate::profile::{Profile, SampleType};
use crate::record::Record;
use message::Message;

/// Profiles of pprof.
pub(super) const FORMAT: Format =
    Format { name: "pprof", title: "profile of pprof (protobuf)", recognise, read };

/// Largest profile that is read, in bytes after decompression.
const LARGEST: usize = 256 << 20;

/// A profile has no magic number. It begins with the types of its values, which are small messages of two numbers;
/// after them come fields that only a profile has.
fn recognise(head: &[u8]) -> Recognition {
    let whole = head.len() < Input::HEAD;
    let mut fields = Fields::of(head);
    let (mut types, mut others) = (0, 0);
    loop {
        let at = fields.at();
        match fields.next() {
            Some(Ok((1, Value::Bytes(message)))) if is_value_type(message) => types += 1,
            Some(Ok((2..=6 | 11, Value::Bytes(_)) | (7..=10 | 12 | 14 | 15, Value::Varint(_)))) => {
                others += 1;
            }
            Some(Ok((13, Value::Varint(_) | Value::Bytes(_)))) => others += 1,
            // The last field of the head may end beyond it; a file that ends early is one all the same.
            Some(Err(_)) if (!whole || others > 2) && at > 0 => break,
            None => break,
            Some(_) => return Recognition::No,
        }
    }
    match (types, others) {
        (0, _) => Recognition::No,
        (_, 0) => Recognition::Maybe,
        _ => Recognition::Sure,
    }
}

fn is_value_type(message: &[u8]) -> bool {
    !message.is_empty()
        && message.len() <= 16
        && Fields::of(message).all(|field| matches!(field, Ok((1 | 2, Value::Varint(_)))))
}

fn read(input: &mut Input<'_>, sink: &mut dyn Sink) -> Result<(), ForeignError> {
    let content = input.read_whole(LARGEST)?;
    let message = Message::parse(&content, sink);
    // The first string is the empty one.
    if message.strings.len() <= 1 {
        let what = "it has no table of strings, without which nothing in it has a name; the file is cut off, \
                    or no profile: fetch it again";
        return Err(input.malformed(what, format!("byte {}", content.len())));
    }
    let mut profile = describe(&message);
    samples::add(&message, &mut profile, sink);
    kind::settle(&message, &mut profile, input.path(), sink);
    if !profile.symbolised {
        sink.warn(
            "the profile has no symbols: its frames are addresses; add them with `go tool pprof -proto` and the \
             program's binary, and ingest what it writes"
                .to_owned(),
        );
    }
    sink.source().produced_unix_ns = profile.time_unix_ns;
    sink.record(Record::Profile(Box::new(profile)))
}

/// The profile without its samples, and with its kind left open.
fn describe(message: &Message<'_>) -> Profile {
    let sample_type = |&(name, unit): &(u64, u64)| SampleType {
        name: message.string(name).into_owned(),
        unit: message.string(unit).into_owned(),
    };
    let mappings = message.mappings();
    let program = mappings.first().map_or_else(String::new, |mapping| {
        if mapping.build_id.is_empty() {
            mapping.file.clone()
        } else {
            format!("{} (build id {})", mapping.file, mapping.build_id)
        }
    });
    Profile {
        profile: crate::profile::ProfileKind::Other(String::new()),
        time_unix_ns: u64::try_from(message.time_nanos).unwrap_or(0),
        duration_ns: u64::try_from(message.duration_nanos).unwrap_or(0),
        sample_types: message.sample_types.iter().map(sample_type).collect(),
        period_type: sample_type(&message.period_type),
        period: message.period,
        symbolised: false,
        program,
        mappings,
        comments: message.comments.iter().map(|&comment| message.string(comment).into_owned()).collect(),
        frames: Vec::new(),
        samples: Vec::new(),
        extra: crate::record::Extra::new(),
    }
}
