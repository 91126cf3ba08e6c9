//! The counts as a [`WorkloadProfile`], for `advise` and for the replay of the load on other maps.

use std::mem::{needs_drop, size_of};

use super::observation::{Kind, Observation};
use crate::advice::WorkloadProfile;

/// What the profile says besides the counts.
pub(super) struct Known {
    pub(super) keys: Option<usize>,
    pub(super) skew: Option<f64>,
    /// Bytes of a key and of a value with what they point to, where the user said so.
    pub(super) bytes: Option<(u64, u64)>,
}

pub(super) fn profile<K, V>(name: &str, observation: &Observation, known: &Known) -> WorkloadProfile {
    let mut profile = WorkloadProfile { name: Some(name.to_owned()), ..WorkloadProfile::default() };
    let of = |kind| observation.of(kind);
    let (insert, absent) = (of(Kind::Insert), of(Kind::InsertIfAbsent));
    let reads = of(Kind::Get).done() + absent.hits;
    // A batch does not say which of its keys are new. Most writes of most loads go to keys that are there.
    let overwrites = insert.hits + insert.batched;
    let inserts = insert.misses + absent.misses + absent.batched;
    let removes = of(Kind::Remove).done();
    let read_modify_writes = of(Kind::Update).done() + of(Kind::Compute).done();
    let iterations = of(Kind::Retain).done() + of(Kind::ForEach).done() + of(Kind::Snapshot).done();
    let total = reads + overwrites + inserts + removes + read_modify_writes;
    if total == 0 {
        profile.mark_unknown("mix", "no operation was observed");
        profile.mark_unknown("iterations_per_million", "no operation on a single entry was observed");
    } else {
        let share = |count| Some(ratio(count, total));
        profile.mix.reads = share(reads);
        profile.mix.overwrites = share(overwrites);
        profile.mix.inserts = share(inserts);
        profile.mix.removes = share(removes);
        profile.mix.read_modify_writes = share(read_modify_writes);
        profile.iterations_per_million = Some((ratio(iterations, total) * 1e6).min(1e6));
    }
    profile.keys = known.keys.filter(|keys| *keys > 0).map(|keys| keys as u64);
    if profile.keys.is_none() {
        profile.mark_unknown("keys", "the map is empty or closed");
    }
    profile.skew = known.skew;
    if profile.skew.is_none() {
        profile.mark_unknown("skew", "too few operations were sampled");
    }
    profile.threads = Some(observation.threads).filter(|threads| *threads > 0);
    if profile.threads.is_none() {
        profile.mark_unknown("threads", "no operation was observed");
    }
    profile.mark_unknown("hold_nanos", "the layer does not time closures");
    sizes::<K, V>(&mut profile, known.bytes);
    profile
}

/// A type without drop code has no heap memory of its own, and one with drop code is not `Copy`.
fn sizes<K, V>(profile: &mut WorkloadProfile, told: Option<(u64, u64)>) {
    let points_elsewhere = "the type may point to memory whose size the layer does not know: see with_bytes";
    let maybe_copy = "the type has no drop code, but whether it is Copy cannot be seen";
    let bytes = |told: Option<u64>, flat: usize, has_drop: bool| told.or((!has_drop).then_some(flat as u64));
    profile.key_bytes = bytes(told.map(|(key, _)| key), size_of::<K>(), needs_drop::<K>());
    profile.value_bytes = bytes(told.map(|(_, value)| value), size_of::<V>(), needs_drop::<V>());
    profile.key_copy = needs_drop::<K>().then_some(false);
    profile.value_copy = needs_drop::<V>().then_some(false);
    for (field, known, reason) in [
        ("key_bytes", profile.key_bytes.is_some(), points_elsewhere),
        ("value_bytes", profile.value_bytes.is_some(), points_elsewhere),
        ("key_copy", profile.key_copy.is_some(), maybe_copy),
        ("value_copy", profile.value_copy.is_some(), maybe_copy),
    ] {
        if !known {
            profile.mark_unknown(field, reason);
        }
    }
}

#[allow(clippy::cast_precision_loss)] // Shares for people and for advice.
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
