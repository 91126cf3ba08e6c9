//! Races recorded from the examples of this repository, all of one example having one cause, mutated into builds
//! that never were: functions moved, closures numbered otherwise, goroutines and processes of other numbers,
//! accesses the other way round, and races missing.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use raceguard_diagnosis::top_causes::TopOptions;
use raceguard_diagnosis::{Diagnosis, Evidence, EvidenceRun};
use raceguard_evidence::{EvidenceReader, Fingerprint, Frame, Race, Record, Run, RunEvidence, RunMode};

use super::{Quality, Random};

/// The quality over all examples together, each in `builds` mutated builds.
pub(crate) fn measure(builds: usize) -> Quality {
    let mut random = Random::new(7);
    let mut runs: Vec<Vec<Record>> = (0..builds).map(|build| vec![run(build)]).collect();
    let mut cause = HashMap::new();
    for (example, path) in recorded().iter().enumerate() {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for (build, records) in runs.iter_mut().enumerate() {
            let shift = u32::try_from(random.below(40) * usize::from(build > 0)).unwrap_or(0);
            for race in races(path) {
                // Not every run sees every race.
                if random.below(4) == 0 && build > 0 {
                    continue;
                }
                let race = mutated(race, &name, build, shift, &mut random);
                cause.insert(Fingerprint::of_race(&race).to_string(), example);
                records.push(race.into());
            }
        }
    }
    let evidence = Evidence {
        runs: runs
            .into_iter()
            .enumerate()
            .map(|(build, records)| EvidenceRun {
                name: format!("r{build}"),
                evidence: RunEvidence::from_records(records),
            })
            .collect(),
    };
    let read = |path: &Path| fs::read_to_string(path).ok();
    Quality::of(&Diagnosis::of(&evidence, &TopOptions::default(), &read), &cause)
}

fn recorded() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/examples");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).expect("the recorded examples").flatten().map(|entry| entry.path()).collect();
    paths.sort();
    assert!(paths.len() >= 10, "examples are missing");
    paths
}

fn races(path: &Path) -> Vec<Race> {
    let text = fs::read(path).expect("a readable file");
    let records = EvidenceReader::new(text.as_slice()).map(|record| record.expect("a record"));
    records.filter_map(|record| if let Record::Race(race) = record { Some(*race) } else { None }).collect()
}

fn run(build: usize) -> Record {
    let text = format!(
        "{{\"schema\":1,\"kind\":\"run\",\"id\":\"r{build}\",\"mode\":\"test\",\"started_unix_ns\":{},\"commit\":\"c{build}\",\"dirty\":false}}",
        1_000 + build
    );
    let record = EvidenceReader::new(text.as_bytes()).next().expect("a line").expect("a record");
    assert!(matches!(&record, Record::Run(Run { mode: RunMode::Test, .. })));
    record
}

fn mutated(mut race: Race, example: &str, build: usize, shift: u32, random: &mut Random) -> Race {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(example);
    let rename = |frame: &mut Frame| {
        if let Some(inside) = frame.file.strip_prefix("/module/") {
            frame.file = source.join(inside).to_string_lossy().into_owned();
            frame.line += shift;
            if build % 3 == 1 {
                frame.function = frame.function.replace(".func1", ".func2");
            }
        }
    };
    let goroutines = u64::try_from(random.below(1_000)).unwrap_or(0);
    for access in &mut race.accesses {
        access.goroutine = access.goroutine.map(|id| id + goroutines);
        access.stack.iter_mut().for_each(rename);
    }
    for goroutine in &mut race.goroutines {
        goroutine.id = goroutine.id.map(|id| id + goroutines);
        goroutine.created_at.iter_mut().for_each(rename);
    }
    race.id = format!("{build}-{}-{}", race.id, random.below(1 << 30));
    race.pid += build as u64;
    if random.below(2) == 0 {
        race.accesses.reverse();
    }
    race
}
