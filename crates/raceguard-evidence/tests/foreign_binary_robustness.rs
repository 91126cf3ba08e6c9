//! No input makes the readers of binary formats panic or hang, and what they make of it stays small.

mod foreign_binary;

use std::io::Read;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use foreign_binary::made_by_path;
use proptest::prelude::*;
use raceguard_evidence::foreign::{self, Format};

/// Real files, decompressed, with the format that reads them.
static REAL: LazyLock<Vec<(&str, Vec<u8>)>> = LazyLock::new(|| {
    let made = made_by_path();
    let mut files = vec![("go-trace", made.content("trace.out"))];
    for name in ["mutex", "goroutine", "heap"] {
        let mut plain = Vec::new();
        let content = made.content(&format!("{name}.pb.gz"));
        flate2::read::MultiGzDecoder::new(content.as_slice()).read_to_end(&mut plain).unwrap();
        files.push(("pprof", plain));
    }
    for name in ["sent.pb", "framed.pb", "lines.json"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign_binary/otlp").join(name);
        files.push(("otlp", std::fs::read(path).unwrap()));
    }
    files
});

/// Reads to the end, whatever comes of it, and checks that the records are not beyond what the file can have paid for.
fn read_any(format: Option<&'static Format>, content: &[u8]) {
    let started = Instant::now();
    let mut size = 0;
    let mut take = |record: raceguard_evidence::Record| {
        size += record.to_json().to_string().len();
        Ok(())
    };
    let _ = foreign::read("s1", "any", &mut { content }, format, &mut take, &mut |_| {});
    assert!(size <= 100_000 + 200 * content.len(), "{size} bytes of records from {} bytes", content.len());
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn truncated_files_are_read_at_every_offset() {
    for (name, content) in REAL.iter() {
        let format = foreign::find(name);
        // Every offset of the small files, and of the beginning and the end of the large one.
        let ends =
            (0..content.len()).filter(|&end| end < 3000 || end + 300 > content.len() || end % 997 == 0);
        for end in ends {
            read_any(format, &content[..end]);
        }
    }
}

#[test]
fn lengths_that_promise_more_than_there_is_cost_nothing() {
    let huge = [0xff, 0xff, 0xff, 0xff, 0x0f];
    let mut files: Vec<Vec<u8>> = Vec::new();
    for tag in [0x0a, 0x12, 0x1a, 0x22, 0x2a, 0x32] {
        files.push([&[tag][..], &huge, &[8, 1, 16, 2]].concat());
    }
    files.push([&b"go 1.26 trace\0\0\0"[..], &[1, 1, 1, 1], &huge].concat());
    files.push([0xff_u8, 0xff, 0xff, 0xff, 0x0a].to_vec());
    for content in files {
        for format in foreign::FORMATS.iter().copied() {
            read_any(Some(format), &content);
        }
    }
}

/// A trace made up so that most events are tried in vain: many threads wait for what never comes, and one goes on.
#[test]
fn events_that_never_fit_end_the_search() {
    let mut content = b"go 1.26 trace\0\0\0".to_vec();
    let mut batch = |thread: u32, events: &[u8]| {
        content.push(1);
        for mut number in [1, thread, 1000, u32::try_from(events.len()).unwrap()] {
            while number >= 0x80 {
                content.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
                number >>= 7;
            }
            content.push(u8::try_from(number).unwrap());
        }
        content.extend_from_slice(events);
    };
    // The clock; then 20,000 threads that start goroutines nobody created.
    batch(0, &[50, 8, 0x80, 0x94, 0xeb, 0xdc, 0x03]);
    for thread in 1..20_000 {
        batch(thread, &[16, 0, 7, 1].repeat(5));
    }
    for _ in 0..10 {
        batch(20_000, &[37, 100, 1].repeat(20_000));
    }
    content.push(52);
    let mut source = None;
    let mut take = |record| {
        drop::<raceguard_evidence::Record>(record);
        Ok(())
    };
    let started = Instant::now();
    if let Ok(read) = foreign::read("s1", "t", &mut content.as_slice(), None, &mut take, &mut |_| {}) {
        source = Some(read);
    }
    let warnings = source.expect("it is read").warnings;
    assert!(warnings.iter().any(|warning| warning.contains("hardly ever fit")), "{warnings:?}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

/// Where bytes are changed, and to what.
fn mutations() -> impl Strategy<Value = Vec<(usize, u8)>> {
    prop::collection::vec((any::<usize>(), any::<u8>()), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_read_by_every_format(content in prop::collection::vec(any::<u8>(), 0..2000)) {
        for format in foreign::FORMATS.iter().copied() {
            read_any(Some(format), &content);
        }
        read_any(None, &content);
    }

    #[test]
    fn random_events_are_read(events in prop::collection::vec((1_u8..53, prop::array::uniform5(0_u8..9)), 0..300)) {
        let mut content = b"go 1.26 trace\0\0\0".to_vec();
        content.extend_from_slice(&[1, 1, 0, 1, 7, 50, 8, 0x80, 0x94, 0xeb, 0xdc, 0x03]);
        for chunk in events.chunks(10) {
            let events: Vec<u8> = chunk.iter().flat_map(|(kind, arguments)| {
                std::iter::once(*kind).chain(*arguments)
            }).collect();
            content.extend_from_slice(&[1, 1, chunk[0].1[0], 1, u8::try_from(events.len()).unwrap()]);
            content.extend_from_slice(&events);
        }
        content.push(52);
        read_any(foreign::find("go-trace"), &content);
    }

    #[test]
    fn mutated_real_files_are_read(which in any::<prop::sample::Index>(), mutations in mutations(), cut in any::<usize>()) {
        let (name, content) = &REAL[which.index(REAL.len())];
        let mut content = content.clone();
        let length = content.len();
        for (at, byte) in mutations {
            // Half of them near the beginning, where the structure is.
            let at = if at % 2 == 0 { at % length } else { at % length.min(600) };
            content[at] = byte;
        }
        if cut % 3 == 0 {
            content.truncate(cut % length);
        }
        read_any(foreign::find(name), &content);
    }
}
