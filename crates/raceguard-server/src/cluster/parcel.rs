//! A batch as messages of the queue: who sends and where in its stream it begins, then the lines, compressed with zstd.
//!
//! The lines are read again by whoever writes them, as evidence of the version that they say: replicas of two versions of
//! raceguard can work on one queue. A line's number in the message is its place in the stream, so what was no record
//! leaves an empty line.

use std::io::{self, Read as _};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::batch::{Batch, BatchError, BatchRecord};
use crate::limits::Limits;
use crate::origin::{BadName, Origin, StreamName};

/// The form of messages that this version writes, and the newest that it reads.
const FORM: u32 = 1;

/// Missing numbers of a stream that are bridged with empty lines; more begin another message.
const GAP: u64 = 1_000;

/// The first line of a message.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    form: u32,
    origin: Origin,
    stream: String,
    first: u64,
    received_ms: i64,
}

/// Why a message can't be made or read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ParcelError {
    #[error(
        "a record takes more than {limit} bytes when compressed, which is more than NATS takes in one message"
    )]
    TooLarge { limit: usize },
    #[error("it is of form {0}, this version reads up to {FORM}")]
    Newer(u32),
    #[error("its first line can't be read: {0}")]
    Head(#[from] serde_json::Error),
    #[error("it does not decompress: {0}")]
    Damaged(#[from] io::Error),
    #[error(transparent)]
    Name(#[from] BadName),
    #[error(transparent)]
    Batch(#[from] BatchError),
}

/// The messages of a batch, none larger than `limit` bytes. None when it has no records.
pub(super) fn pack(batch: &Batch, received_ms: i64, limit: usize) -> Result<Vec<Vec<u8>>, ParcelError> {
    let mut messages = Vec::new();
    let mut rest = &batch.records[..];
    while !rest.is_empty() {
        let together =
            rest.windows(2).take_while(|pair| pair[1].sequence - pair[0].sequence <= GAP).count() + 1;
        let (near, far) = rest.split_at(together);
        pack_near(batch, near, received_ms, limit, &mut messages)?;
        rest = far;
    }
    Ok(messages)
}

fn pack_near(
    batch: &Batch,
    records: &[BatchRecord],
    received_ms: i64,
    limit: usize,
    messages: &mut Vec<Vec<u8>>,
) -> Result<(), ParcelError> {
    let Some(first) = records.first() else { return Ok(()) };
    let head = Head {
        form: FORM,
        origin: batch.origin.clone(),
        stream: batch.stream.as_str().to_owned(),
        first: first.sequence,
        received_ms,
    };
    let mut text = serde_json::to_vec(&head)?;
    let mut place = first.sequence;
    for record in records {
        let ends = usize::try_from(record.sequence - place).unwrap_or(0) + 1;
        text.resize(text.len() + ends, b'\n');
        text.extend_from_slice(batch.line(record));
        place = record.sequence + 1;
    }
    let packed = zstd::bulk::compress(&text, 1)
        .unwrap_or_else(|error| unreachable!("memory can be compressed: {error}"));
    if packed.len() <= limit {
        messages.push(packed);
        return Ok(());
    }
    if records.len() == 1 {
        return Err(ParcelError::TooLarge { limit });
    }
    let (near, far) = records.split_at(records.len() / 2);
    pack_near(batch, near, received_ms, limit, messages)?;
    pack_near(batch, far, received_ms, limit, messages)
}

/// The batch of a message, and when it was received.
pub(super) fn unpack(message: &[u8], limits: &Limits) -> Result<(Batch, i64), ParcelError> {
    let mut body = Vec::new();
    // Room for the head and the empty lines beside what a request may hold.
    let limit = limits.decompressed as u64 + (1 << 20);
    zstd::Decoder::with_buffer(message)?.take(limit).read_to_end(&mut body)?;
    let Range { start, end } = 0..memchr::memchr(b'\n', &body).unwrap_or(body.len());
    let head: Head = serde_json::from_slice(&body[start..end])?;
    if head.form > FORM {
        return Err(ParcelError::Newer(head.form));
    }
    body.drain(..(end + 1).min(body.len()));
    let stream = StreamName::new(&head.stream)?;
    let mut batch = Batch::read(head.origin, stream, head.first, body, usize::MAX)?;
    // As whoever received it did, with the clock of that moment.
    batch.mend_times(u64::try_from(head.received_ms).unwrap_or(0).saturating_mul(1_000_000));
    Ok((batch, head.received_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(lines: &[&str], first: u64) -> Batch {
        let stream = StreamName::new("s").expect("it is a name");
        let origin = Origin { service: "gateway".to_owned(), ..Origin::default() };
        Batch::read(origin, stream, first, lines.join("\n").into_bytes(), 100_000).expect("it is a batch")
    }

    fn repeat(number: u64) -> String {
        format!(
            "{{\"schema\":1,\"kind\":\"repeat\",\"race\":\"1-{number}\",\"pid\":{}}}",
            number * 7919 % 10_007
        )
    }

    #[test]
    fn records_keep_their_places_through_any_split() {
        let mut lines: Vec<String> = (0..3000).map(repeat).collect();
        lines[1] = String::new();
        lines[7] = "no record".to_owned();
        lines[100..1400].fill(String::new());
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let batch = batch(&lines, 40);
        for limit in [1 << 20, 4096, 300] {
            let messages = pack(&batch, 5, limit).expect("it fits");
            assert!(messages.iter().all(|message| message.len() <= limit));
            let mut records = Vec::new();
            for message in &messages {
                let (part, received_ms) = unpack(message, &Limits::default()).expect("it can be read");
                assert_eq!((received_ms, &part.origin, &part.stream), (5, &batch.origin, &batch.stream));
                assert!(part.rejected.is_empty());
                records
                    .extend(part.records.iter().map(|record| (record.sequence, part.line(record).to_vec())));
            }
            let expected: Vec<_> =
                batch.records.iter().map(|record| (record.sequence, batch.line(record).to_vec())).collect();
            assert_eq!(records, expected, "limit {limit}");
        }
    }

    #[test]
    fn what_is_no_message_of_ours_is_told_apart() {
        let limits = Limits::default();
        assert!(matches!(unpack(b"text", &limits), Err(ParcelError::Damaged(_))));
        let compressed = |text: &str| zstd::bulk::compress(text.as_bytes(), 1).expect("it compresses");
        assert!(matches!(unpack(&compressed("{}"), &limits), Err(ParcelError::Head(_))));
        let newer = r#"{"form":2,"origin":{"service":"","version":"","instance":"","environment":""},"stream":"s","first":0,"received_ms":0}"#;
        assert!(matches!(unpack(&compressed(newer), &limits), Err(ParcelError::Newer(2))));
        assert!(matches!(pack(&batch(&[&repeat(1)], 0), 5, 20), Err(ParcelError::TooLarge { limit: 20 })));
        assert!(pack(&batch(&[], 0), 5, 20).expect("there is nothing").is_empty());
    }
}
