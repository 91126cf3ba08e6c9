//! What is in force: one version of a [`SnapshotMap`], which readers see whole and without waiting.

use std::sync::Arc;

use raceguard_maps::strategies::snapshot::Snapshot;
use raceguard_maps::{ConcurrentMap as _, MapError, Observed, Operation, SnapshotMap};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::set::CompiledSet;
use crate::live::report::MapReport;

/// Which of the two sets that can be in force at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Slot {
    /// For every service that the other one is not for.
    Stable,
    /// Under trial.
    Canary,
}

/// A revision in force.
#[derive(Debug)]
pub struct Released {
    /// Its number; 0 stands for the empty set before the first one.
    pub revision: i64,
    /// What it says.
    pub set: Arc<CompiledSet>,
    /// For which services.
    pub release: Release,
    /// Why it is empty although its texts are not: this version finds a mistake in them that an earlier one did not.
    pub problem: Option<String>,
}

/// For which services a revision is in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Release {
    /// Share of all services, 0 to 1.
    pub share: f64,
    /// These too.
    pub services: Vec<String>,
}

impl Release {
    /// All services.
    pub const ALL: Self = Self { share: 1.0, services: Vec::new() };

    /// Whether it covers a service. A service that a share covers is covered by every greater one.
    pub fn covers(&self, service: &str) -> bool {
        self.services.iter().any(|name| name == service) || place_of(service) < self.share
    }

    /// Whether it covers every service.
    pub fn is_all(&self) -> bool {
        self.share >= 1.0
    }
}

/// Where a service lies between 0 and 1: the same on every machine and in every version.
fn place_of(service: &str) -> f64 {
    let hash = Sha256::digest(service.as_bytes());
    let number = hash[..4].iter().fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
    f64::from(number) / (f64::from(u32::MAX) + 1.0)
}

/// The cell that holds what is in force.
#[derive(Debug)]
pub struct InForce {
    map: Observed<SnapshotMap<Slot, Arc<Released>>>,
}

/// What was in force at one moment.
#[derive(Debug)]
pub struct Current(Snapshot<Slot, Arc<Released>>);

impl InForce {
    /// The empty set.
    pub fn new() -> Result<Self, MapError> {
        let map = Observed::new(SnapshotMap::new());
        let nothing = Released { revision: 0, set: Arc::default(), release: Release::ALL, problem: None };
        map.insert(Slot::Stable, Arc::new(nothing))?;
        Ok(Self { map })
    }

    /// Brings other sets into force, both at once.
    pub fn publish(&self, stable: Arc<Released>, canary: Option<Arc<Released>>) -> Result<(), MapError> {
        let canary = canary.map_or(Operation::Remove(Slot::Canary), |it| Operation::Insert(Slot::Canary, it));
        // A batch is one version of the map: readers see the one before it or the one after.
        self.map.apply([Operation::Insert(Slot::Stable, stable), canary]).map(drop)
    }

    /// What is in force now.
    pub fn current(&self) -> Result<Current, MapError> {
        self.map.snapshot().map(Current)
    }

    /// What is done with the map, and what it costs.
    pub fn report(&self) -> MapReport {
        MapReport::observed("policies_in_force", "SnapshotMap", self.map.len(), &self.map.observation())
    }
}

impl Current {
    /// The set for every service that the canary does not cover.
    pub fn stable(&self) -> Option<&Arc<Released>> {
        self.0.get(&Slot::Stable)
    }

    /// The set under trial.
    pub fn canary(&self) -> Option<&Arc<Released>> {
        self.0.get(&Slot::Canary)
    }

    /// The set for a service.
    pub fn of(&self, service: &str) -> Option<&Arc<Released>> {
        self.canary().filter(|canary| canary.release.covers(service)).or_else(|| self.stable())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    fn released(revision: i64, share: f64) -> Arc<Released> {
        let texts =
            (0..20).map(|part| (format!("part-{part}"), format!("schema: 1\npolicies: []\n# {revision}\n")));
        let set = Arc::new(CompiledSet::compile(texts.collect()).unwrap());
        Arc::new(Released { revision, set, release: Release { share, services: Vec::new() }, problem: None })
    }

    #[test]
    fn a_share_grows_without_leaving_anybody_out() {
        let names: Vec<String> = (0..2_000).map(|number| format!("service-{number}")).collect();
        let covered = |share| {
            let release = Release { share, services: Vec::new() };
            names.iter().filter(|name| release.covers(name)).collect::<Vec<_>>()
        };
        let (tenth, half) = (covered(0.1), covered(0.5));
        assert!((150..250).contains(&tenth.len()) && (900..1_100).contains(&half.len()));
        assert!(tenth.iter().all(|name| half.contains(name)));
        assert_eq!((covered(0.0).len(), covered(1.0).len()), (0, 2_000));
        assert!(Release { share: 0.0, services: vec!["pay".to_owned()] }.covers("pay"));
    }

    /// Every part of what a reader sees is of one revision, and a canary is always that of its stable set.
    #[test]
    fn a_reader_never_sees_half_a_set() {
        let in_force = InForce::new().unwrap();
        in_force.publish(released(2, 1.0), Some(released(3, 0.5))).unwrap();
        let done = AtomicBool::new(false);
        let looks = thread::scope(|scope| {
            let readers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let (mut looks, mut newest) = (0_u64, 0);
                        while !done.load(Ordering::Relaxed) || looks < 1_000 {
                            let current = in_force.current().unwrap();
                            let (stable, canary) = (current.stable().unwrap(), current.canary().unwrap());
                            assert_eq!(
                                stable.revision + 1,
                                canary.revision,
                                "a pair that was never published"
                            );
                            for seen in [stable, canary] {
                                assert_eq!(seen.set.texts.len(), 20);
                                let mark = format!("# {}\n", seen.revision);
                                assert!(seen.set.texts.values().all(|text| text.ends_with(&mark)));
                            }
                            assert!(stable.revision >= newest, "it went back");
                            newest = stable.revision;
                            looks += 1;
                        }
                        looks
                    })
                })
                .collect();
            for revision in (4..400).step_by(2) {
                in_force.publish(released(revision, 1.0), Some(released(revision + 1, 0.5))).unwrap();
            }
            done.store(true, Ordering::Relaxed);
            readers.into_iter().map(|reader| reader.join().unwrap()).sum::<u64>()
        });
        assert!(looks >= 4_000);
        assert_eq!(in_force.current().unwrap().stable().unwrap().revision, 398);
    }
}
