//! Profiles of pprof, made by Go's runtime in the test run, and compared with `go tool pprof`.

mod foreign_binary;

use std::io::Write;

use foreign_binary::{Made, made, made_by_path, read, run, tool, try_read};
use raceguard_evidence::{Profile, ProfileKind, Record, Sample, Source};

fn profile_of(path: &str, content: &[u8]) -> (Source, Profile) {
    let (source, mut records) = read(path, content);
    assert_eq!((source.format.as_str(), records.len()), ("pprof", 1));
    match records.pop() {
        Some(Record::Profile(profile)) => (source, *profile),
        other => panic!("{other:?}"),
    }
}

fn profile(made: &Made, name: &str) -> Profile {
    profile_of("p", &made.content(&format!("{name}.pb.gz"))).1
}

fn functions<'a>(profile: &'a Profile, sample: &'a Sample) -> Vec<&'a str> {
    profile.stack(sample).map(|frame| frame.function.as_str()).collect()
}

/// The sum of a value over the samples with a function in their stack.
fn sum(profile: &Profile, value: &str, function: &str) -> i64 {
    let index =
        profile.value_index(value).unwrap_or_else(|| panic!("no {value} in {:?}", profile.sample_types));
    let of = |sample: &&Sample| functions(profile, sample).iter().any(|name| name.contains(function));
    profile.samples.iter().filter(of).map(|sample| sample.values[index]).sum()
}

#[test]
fn kinds_are_found_out_without_the_name_of_the_file() {
    for made in made() {
        for (name, kind) in [
            ("mutex", ProfileKind::Mutex),
            ("block", ProfileKind::Block),
            ("goroutine", ProfileKind::Goroutine),
            ("heap", ProfileKind::Heap),
            ("allocs", ProfileKind::Allocs),
            ("cpu", ProfileKind::Cpu),
            ("threadcreate", ProfileKind::ThreadCreate),
        ] {
            let (source, profile) = profile_of("p", &made.content(&format!("{name}.pb.gz")));
            assert_eq!(profile.profile, kind, "{name} of {}", made.version);
            assert_eq!((source.skipped, source.warnings), (vec![], vec![]), "{name} of {}", made.version);
            assert!(profile.time_unix_ns > 1_600_000_000_000_000_000, "{name} of {}", made.version);
        }
    }
}

#[test]
fn a_lock_is_charged_to_its_holder_and_to_those_that_wait() {
    for made in made() {
        let mutex = profile(made, "mutex");
        let holder = mutex.samples.iter().find(|s| functions(&mutex, s).contains(&"main.holdLock")).unwrap();
        assert_eq!(functions(&mutex, holder)[0], "sync.(*Mutex).Unlock", "{}", made.version);
        // The waiter comes some time after the holder, which sleeps for ten milliseconds.
        let held = sum(&mutex, "delay", "main.holdLock");
        assert!((5_000_000..1_000_000_000).contains(&held), "{held} ns, {}", made.version);
        let block = profile(made, "block");
        let waiter =
            block.samples.iter().find(|s| functions(&block, s).contains(&"main.waitForLock")).unwrap();
        assert_eq!(functions(&block, waiter)[0], "sync.(*Mutex).Lock", "{}", made.version);
        assert_eq!(sum(&block, "contentions", "main.waitForLock"), 1, "{}", made.version);
        assert!(sum(&block, "delay", "main.receive") > 1_000_000, "{}", made.version);
    }
}

#[test]
fn equal_goroutines_are_one_sample_with_its_labels() {
    for made in made() {
        let goroutine = profile(made, "goroutine");
        let parked: Vec<&Sample> =
            goroutine.samples.iter().filter(|s| functions(&goroutine, s).contains(&"main.park")).collect();
        assert_eq!(parked.len(), 1, "{}", made.version);
        assert_eq!(parked[0].values, [7], "{}", made.version);
        assert_eq!(parked[0].labels.get("worker").map(String::as_str), Some("parked"), "{}", made.version);
    }
}

#[test]
fn the_bytes_label_of_allocations_has_its_unit() {
    let allocs = profile(made_by_path(), "allocs");
    let large = allocs.samples.iter().filter_map(|sample| sample.labels.get("bytes"));
    assert!(large.into_iter().any(|label| label == "1048576 bytes"), "{:?}", allocs.samples);
}

#[test]
fn inlined_calls_are_frames_of_their_own() {
    let inlined =
        made().iter().flat_map(|made| profile(made, "cpu").frames).filter(|frame| frame.inlined).count();
    assert!(inlined > 0);
    let mutex = profile(made_by_path(), "mutex");
    assert!(mutex.program.contains("/workload"), "{}", mutex.program);
    assert!(
        mutex.mappings.iter().any(|mapping| mapping.file.ends_with("/workload") && mapping.start != "0x0")
    );
    let holder = mutex.frames.iter().find(|frame| frame.function == "main.holdLock").unwrap();
    assert!(holder.file.ends_with("main.go") && holder.line > 100, "{holder:?}");
}

/// `go tool pprof -raw` prints one line for each sample, its values first.
#[test]
fn sums_are_those_of_gos_own_tool() {
    for made in made() {
        for name in ["mutex", "block", "goroutine", "heap", "allocs", "cpu", "threadcreate"] {
            let path = made.file(&format!("{name}.pb.gz"));
            let raw = run(tool(&made.go).args(["tool", "pprof", "-raw"]).arg(&path));
            let raw = String::from_utf8_lossy(&raw);
            let samples = raw.split("\nSamples:\n").nth(1).unwrap().split("\nLocations").next().unwrap();
            let profile = profile(made, name);
            let mut expected = vec![0_i64; profile.sample_types.len()];
            for line in samples.lines().skip(1) {
                let Some((values, _)) = line.split_once(':') else { continue };
                let values: Option<Vec<i64>> = values.split_whitespace().map(|v| v.parse().ok()).collect();
                // Lines of labels have a colon too.
                for (sum, value) in expected.iter_mut().zip(values.unwrap_or_default()) {
                    *sum += value;
                }
            }
            let mut found = vec![0_i64; profile.sample_types.len()];
            for sample in &profile.samples {
                found.iter_mut().zip(&sample.values).for_each(|(sum, value)| *sum += value);
            }
            assert_eq!(found, expected, "{name} of {}", made.version);
        }
    }
}

/// Messages written by hand: field numbers and contents.
fn message(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, content) in fields {
        bytes.push(number << 3 | 2);
        bytes.push(u8::try_from(content.len()).unwrap());
        bytes.extend_from_slice(content);
    }
    bytes
}

/// A contention profile of one sample at the address 0x1234, as a stripped program gives it.
fn without_symbols() -> Vec<u8> {
    message(&[
        (1, &[8, 1, 16, 2]),
        (1, &[8, 3, 16, 4]),
        // One location; 1 contention, 500 ns.
        (2, &[10, 1, 1, 18, 3, 1, 0xf4, 3]),
        (4, &[8, 1, 24, 0xb4, 0x24]),
        (6, b""),
        (6, b"contentions"),
        (6, b"count"),
        (6, b"delay"),
        (6, b"nanoseconds"),
    ])
}

#[test]
fn a_profile_without_symbols_is_kept_and_flagged() {
    let (source, profile) = profile_of("what.pb", &without_symbols());
    assert!(!profile.symbolised);
    assert_eq!(profile.frames[0].pc.as_deref(), Some("0x1234"));
    assert_eq!(profile.samples[0].values, [1, 500]);
    assert!(source.warnings.iter().any(|warning| warning.contains("no symbols")), "{:?}", source.warnings);
    assert_eq!(profile.profile, ProfileKind::Other("contentions".to_owned()));
    assert!(source.warnings.iter().any(|warning| warning.contains("can't be told")), "{:?}", source.warnings);
}

#[test]
fn the_name_of_the_file_is_a_hint_where_there_are_no_names_in_it() {
    let (source, profile) = profile_of("/tmp/mutex-2.pb.gz", &without_symbols());
    assert_eq!(profile.profile, ProfileKind::Mutex);
    assert!(source.warnings.iter().any(|warning| warning.contains("because of its file name")));
    assert_eq!(profile_of("a/block.pb", &without_symbols()).1.profile, ProfileKind::Block);
}

#[test]
fn a_profile_without_names_of_anything_is_an_error_that_says_so() {
    let whole = without_symbols();
    let error = try_read("p", &whole[..whole.len() - 40]).unwrap_err().to_string();
    assert!(error.contains("no table of strings"), "{error}");
}

#[test]
fn a_cut_off_profile_is_read_as_far_as_it_goes() {
    let whole = without_symbols();
    let (source, profile) = profile_of("mutex", &whole[..whole.len() - 5]);
    assert_eq!(profile.samples[0].values, [1, 500]);
    assert_eq!(profile.sample_types[1].name, "delay");
    assert!(source.warnings.iter().any(|warning| warning.contains("cut off")), "{:?}", source.warnings);
}

#[test]
fn a_profile_that_was_not_compressed_is_the_same_one() {
    let compressed = made_by_path().content("mutex.pb.gz");
    let mut plain = Vec::new();
    std::io::copy(&mut flate2::read::MultiGzDecoder::new(compressed.as_slice()), &mut plain).unwrap();
    assert_eq!(profile_of("p", &plain).1, profile_of("p", &compressed).1);
    // And compressed in several members, as `cat a.gz b.gz` gives.
    let (first, second) = plain.split_at(plain.len() / 2);
    let mut members = Vec::new();
    for part in [first, second] {
        let mut encoder = flate2::write::GzEncoder::new(&mut members, flate2::Compression::fast());
        encoder.write_all(part).unwrap();
        encoder.finish().unwrap();
    }
    assert_eq!(profile_of("p", &members).1, profile_of("p", &compressed).1);
}
