//! `--map-profile`: what is known of a Go map's load, as the file that the maps of Rust are chosen and replayed by.
//!
//! Profiles of Go see waiting. They do not see uses that did not wait, keys, or values; what only the user can know comes
//! from the flags, and what nobody said stays `null`, with the reason beside it.

use raceguard_diagnosis::locks::{Known, LockUse, duration};
use raceguard_maps::WorkloadProfile;

/// What the user said of the load with flags, rather than the evidence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said {
    /// The share of reads.
    pub(super) reads: bool,
    /// How many processors run the program.
    pub(super) processors: bool,
}

/// The load of the map that a lock guards, or that has the given name.
pub(super) fn of(name: &str, lock: Option<&LockUse>, known: &Known, said: Said) -> WorkloadProfile {
    let mut profile = WorkloadProfile { name: Some(name.to_owned()), ..WorkloadProfile::default() };
    reads(&mut profile, lock, known, said);
    writes(&mut profile, known);
    profile.keys = known.keys;
    if known.keys.is_none() {
        profile.mark_unknown("keys", "profiles do not count keys: give --keys");
    }
    profile.threads = said.processors.then_some(known.processors);
    if !said.processors {
        profile.mark_unknown(
            "threads",
            "profiles do not say how many processors run the program: give --processors",
        );
    }
    profile.hold_nanos = known.hold_ns;
    match known.hold_ns {
        Some(_) => profile.mark_estimated(
            "hold_nanos",
            "how long the lock is held; the part of it that is the map's own work is in it, too",
        ),
        None => profile.mark_unknown("hold_nanos", &hold_reason(lock)),
    }
    for (field, reason) in [
        ("iterations_per_million", "profiles do not count passes over the map"),
        ("skew", "profiles do not see which keys are used"),
        ("key_bytes", "profiles do not see keys"),
        ("key_copy", "profiles do not see types"),
        ("value_bytes", "profiles do not see values"),
        ("value_copy", "profiles do not see types"),
    ] {
        profile.mark_unknown(field, reason);
    }
    profile
}

fn reads(profile: &mut WorkloadProfile, lock: Option<&LockUse>, known: &Known, said: Said) {
    profile.mix.reads = known.reader_share;
    match (known.reader_share, lock) {
        (Some(_), Some(lock)) if !said.reads => profile.mark_estimated(
            "mix.reads",
            &format!(
                "the share of {} waits that wanted to read; uses that did not wait are not in profiles: --reads says better",
                lock.contentions
            ),
        ),
        (Some(_), _) => {}
        (None, Some(lock)) => profile.mark_unknown(
            "mix.reads",
            &format!("a {} does not tell readers from writers: give --reads", lock.kind),
        ),
        (None, None) => profile.mark_unknown("mix.reads", "no profile of a lock of this name: give --reads"),
    }
}

/// How the writes divide is known only where keys are stable: then none of them adds or removes one.
fn writes(profile: &mut WorkloadProfile, known: &Known) {
    let fields = if known.stable_keys == Some(true) {
        (profile.mix.inserts, profile.mix.removes) = (Some(0.0), Some(0.0));
        ["mix.overwrites", "mix.read_modify_writes"].as_slice()
    } else {
        ["mix.overwrites", "mix.inserts", "mix.removes", "mix.read_modify_writes"].as_slice()
    };
    for field in fields {
        profile.mark_unknown(field, "profiles do not tell one kind of write from another");
    }
}

fn hold_reason(lock: Option<&LockUse>) -> String {
    match lock {
        Some(lock) => format!(
            "profiles know how long goroutines waited ({} on average), not how long the lock was held: give --hold",
            duration(lock.mean_wait_ns)
        ),
        None => "profiles do not know how long a lock is held: give --hold".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Said = Said { reads: false, processors: false };

    #[test]
    fn what_nobody_knows_is_null_with_a_reason() {
        let profile = of("Store.routes", None, &Known::default(), NOTHING);
        let json = profile.to_json().expect("it is written");
        let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
        for field in ["keys", "threads", "hold_nanos", "skew", "value_bytes", "iterations_per_million"] {
            assert!(json[field].is_null(), "{field}: {json:#}");
            assert!(json["unknown"][field].is_string(), "{field}: {json:#}");
        }
        for field in ["reads", "overwrites", "inserts", "removes", "read_modify_writes"] {
            assert!(json["mix"][field].is_null(), "{field}: {json:#}");
            assert!(json["unknown"][format!("mix.{field}")].is_string(), "{field}: {json:#}");
        }
        assert_eq!(json["name"], "Store.routes");
    }

    #[test]
    fn what_the_user_says_is_taken_as_it_is() {
        let known = Known {
            reader_share: Some(0.95),
            hold_ns: Some(5_000),
            stable_keys: Some(true),
            keys: Some(10_000),
            processors: 8,
            ..Known::default()
        };
        let profile = of("Store.routes", None, &known, Said { reads: true, processors: true });
        assert_eq!((profile.keys, profile.threads, profile.hold_nanos), (Some(10_000), Some(8), Some(5_000)));
        assert_eq!(
            (profile.mix.reads, profile.mix.inserts, profile.mix.removes),
            (Some(0.95), Some(0.0), Some(0.0))
        );
        assert!(!profile.estimated.contains_key("mix.reads") && !profile.unknown.contains_key("mix.reads"));
        let load = profile.workload().expect("it can be replayed");
        assert!((load.shares.overwrites - 0.05).abs() < 1e-9);
    }
}
