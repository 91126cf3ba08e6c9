//! Contended locks, from profiles of mutexes.
//!
//! Such a profile stands at the place that released the lock: the innermost frames are `sync.(*Mutex).Unlock` and the
//! like, the first one outside of `sync` and the runtime is whoever held it while others waited.

use std::collections::BTreeMap;

use raceguard_evidence::{Frame, Profile, ProfileKind, Record, Sample};
use raceguard_policy::facts::LockFact;

use crate::gate::runs::LoadedRun;

/// Whether a profile tells of waits for locks.
pub(super) fn is_of_locks(profile: &Profile) -> bool {
    profile.profile == ProfileKind::Mutex
}

/// Sums over the samples of one place.
#[derive(Debug, Default)]
struct Waits {
    contentions: u64,
    total_ns: u64,
    kind: &'static str,
    run: String,
}

/// All contended locks, the longest waits first.
pub(super) fn locks(runs: &[LoadedRun]) -> Vec<LockFact> {
    let mut places: BTreeMap<(String, String, u32), Waits> = BTreeMap::new();
    for run in runs {
        let paths = run.evidence.module_paths();
        for record in &run.evidence.foreign {
            let Record::Profile(profile) = record else { continue };
            if !is_of_locks(profile) {
                continue;
            }
            for sample in &profile.samples {
                let Some((frame, kind)) = holder(profile, sample) else { continue };
                let key = (frame.name().short(), paths.relative(&frame.file).to_owned(), frame.line);
                let waits = places.entry(key).or_default();
                waits.contentions += value(profile, sample, "contentions");
                waits.total_ns += value(profile, sample, "delay");
                waits.kind = kind;
                waits.run.clone_from(&run.name);
            }
        }
    }
    let mut locks: Vec<LockFact> = places.into_iter().map(|(place, waits)| fact(place, waits)).collect();
    locks.sort_by_key(|lock| std::cmp::Reverse(lock.total_wait_ns));
    locks
}

#[expect(clippy::cast_precision_loss, reason = "a wait of 100 days is exact to the nanosecond")]
fn fact((name, file, line): (String, String, u32), waits: Waits) -> LockFact {
    let mean = waits.total_ns as f64 / waits.contentions.max(1) as f64;
    LockFact {
        name,
        site: format!("{file}:{line}"),
        file,
        line: line.into(),
        kind: waits.kind.to_owned(),
        contentions: waits.contentions,
        total_wait_ns: waits.total_ns,
        mean_wait_ns: waits.total_ns / waits.contentions.max(1),
        mean_wait_ms: mean / 1e6,
        p99_wait_ns: None,
        run: waits.run,
    }
}

fn value(profile: &Profile, sample: &Sample, name: &str) -> u64 {
    let index = profile.value_index(name);
    index.and_then(|index| u64::try_from(*sample.values.get(index)?).ok()).unwrap_or(0)
}

/// Who held the lock, and what kind it is.
fn holder<'a>(profile: &'a Profile, sample: &'a Sample) -> Option<(&'a Frame, &'static str)> {
    let mut kind = "";
    for frame in profile.stack(sample) {
        let name = frame.name();
        let package = name.package();
        if package == "sync" || package == "internal/sync" || frame.is_runtime_internal() {
            // The outer one is what the program called: a RWMutex holds a Mutex inside.
            let function = name.local();
            if function.contains("RWMutex") {
                kind = "RWMutex";
            } else if function.contains("Mutex") && kind.is_empty() {
                kind = "Mutex";
            }
            continue;
        }
        return Some((frame, kind));
    }
    None
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use raceguard_evidence::{RunEvidence, RunFolder, SampleType};

    use super::*;

    fn profile(samples: &[(&[u32], i64, i64)]) -> LoadedRun {
        let frame = |function: &str, line| Frame::new(function, "/m/router.go", line);
        let types =
            ["contentions", "delay"].map(|name| SampleType { name: name.to_owned(), unit: String::new() });
        let samples = samples.iter().map(|(stack, contentions, delay)| Sample {
            stack: stack.to_vec(),
            values: vec![*contentions, *delay],
            ..Sample::default()
        });
        let profile: Profile = serde_json::from_value(serde_json::json!({"profile": "mutex"})).unwrap();
        let profile = Profile {
            sample_types: types.to_vec(),
            frames: vec![
                frame("internal/sync.(*Mutex).Unlock", 1),
                frame("sync.(*RWMutex).Unlock", 2),
                frame("example.com/m/gateway.(*Router).Reload", 88),
                frame("example.com/m/gateway.(*Router).Get", 30),
                frame("runtime.goexit", 1),
            ],
            samples: samples.collect(),
            ..profile
        };
        let evidence = RunEvidence::from_records([Record::Profile(Box::new(profile))]);
        LoadedRun { name: "r".to_owned(), folder: RunFolder::at(Path::new("/m/r")), evidence }
    }

    #[test]
    fn waits_are_summed_by_who_held_the_lock() {
        let run = profile(&[
            (&[0, 1, 2], 3, 300_000_000),
            (&[1, 2, 3], 1, 20_000_000),
            (&[0, 3], 10, 1_000_000),
            (&[4], 7, 7),
        ]);
        let locks = locks(&[run]);
        let told: Vec<_> =
            locks.iter().map(|it| (it.name.as_str(), it.kind.as_str(), it.contentions)).collect();
        assert_eq!(
            told,
            [("gateway.(*Router).Reload", "RWMutex", 4), ("gateway.(*Router).Get", "Mutex", 10)]
        );
        assert!((locks[0].mean_wait_ms - 80.0).abs() < 1e-9);
        assert_eq!((locks[0].site.as_str(), locks[0].mean_wait_ns), ("/m/router.go:88", 80_000_000));
    }
}
