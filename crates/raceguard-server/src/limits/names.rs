//! How many different names the holder of a token may send in an hour.
//!
//! Every service, version and instance is a row that stays, and a dimension of what is asked for; a sender that puts a
//! request's id into one of them would fill the database with names. Beyond the limit such a name is recorded as
//! [`FOLDED`]: the evidence is kept and its origin is told less exactly. A stream or a finding can't be folded into another without
//! counting wrongly, so a batch with too many of them is refused until the hour is over.

use std::hash::{BuildHasher as _, Hash};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use raceguard_maps::{Change, ConcurrentMap as _, KeyedState, ShardedMap};

use super::TokenKey;
use crate::batch::{Batch, Sighting};

/// What a name is recorded as that is one too many.
pub const FOLDED: &str = "(other)";

/// Seconds in which names are counted.
const HOUR: u64 = 3600;

/// How many different names the holder of a token may send in an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CardinalityLimits {
    /// Services.
    pub services: u32,
    /// Versions, of all services together.
    pub versions: u32,
    /// Instances, of all services together.
    pub instances: u32,
    /// Streams that the sender names. Those that are named after their content are bounded by the rate.
    pub streams: u32,
    /// Findings.
    pub findings: u32,
}

impl Default for CardinalityLimits {
    fn default() -> Self {
        Self { services: 500, versions: 2_000, instances: 20_000, streams: 50_000, findings: 20_000 }
    }
}

/// The holder of a token sent too many different names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this token sent more than {limit} different {what} in an hour; send again in {} s, or have its limit raised", .wait.as_secs())]
pub struct TooManyNames {
    /// `streams` or `findings`.
    pub what: &'static str,
    /// How many are allowed.
    pub limit: u32,
    /// When the next hour begins.
    pub wait: Duration,
}

/// What names are counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Service,
    Version,
    Instance,
    Stream,
    Finding,
}

/// The names of this hour.
#[derive(Debug)]
pub struct Cardinality {
    limits: CardinalityLimits,
    /// Hour since the Unix epoch that the maps are of.
    hour: AtomicU64,
    /// Hashes of token, kind and name. Their keys are secret, so nobody can choose names that collide.
    seen: ShardedMap<u64, ()>,
    counts: ShardedMap<(TokenKey, Kind), u32>,
    hasher: KeyedState,
}

impl Cardinality {
    /// Nothing was sent yet.
    pub fn new(limits: CardinalityLimits) -> Self {
        Self {
            limits,
            hour: AtomicU64::new(0),
            seen: ShardedMap::new(),
            counts: ShardedMap::new(),
            hasher: KeyedState::default(),
        }
    }

    /// Counts the names of a batch. Folds those of its origin that are too many, and tells how many were.
    pub fn admit(&self, token: TokenKey, batch: &mut Batch, now: SystemTime) -> Result<u64, TooManyNames> {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.begin_hour(seconds / HOUR);
        let too_many =
            |what, limit| TooManyNames { what, limit, wait: Duration::from_secs(HOUR - seconds % HOUR) };
        if !batch.stream.is_content() && !self.admits(token, Kind::Stream, batch.stream.as_str()) {
            return Err(too_many("streams", self.limits.streams));
        }
        for record in &batch.records {
            if let Some(Sighting::Full { fingerprint, .. }) = &record.sighting
                && !self.admits(token, Kind::Finding, fingerprint.as_str())
            {
                return Err(too_many("findings", self.limits.findings));
            }
        }
        let origin = &mut batch.origin;
        let mut folded = 0;
        for (kind, name) in [
            (Kind::Service, &mut origin.service),
            (Kind::Version, &mut origin.version),
            (Kind::Instance, &mut origin.instance),
        ] {
            if !name.is_empty() && !self.admits(token, kind, name) {
                FOLDED.clone_into(name);
                folded += 1;
            }
        }
        Ok(folded)
    }

    /// Forgets the names of the hour before.
    fn begin_hour(&self, hour: u64) {
        // ORDERING: the maps order their own contents; a thread that still sees the old hour counts a name into the maps
        // just before or just after they are emptied, and either is right.
        let before = self.hour.swap(hour, Ordering::Relaxed);
        if before != hour {
            // The maps fail only when they are closed, which nobody does.
            let _ = (self.seen.clear(), self.counts.clear());
        }
    }

    /// Whether the name is known this hour, or may still become so.
    fn admits(&self, token: TokenKey, kind: Kind, name: &str) -> bool {
        let hash = self.hasher.hash_one((token, kind, name));
        if self.seen.contains_key(&hash).unwrap_or(true) {
            return true;
        }
        let limit = self.limit(kind);
        let admitted = self.counts.compute((token, kind), |count| match count.copied().unwrap_or(0) {
            count if count < limit => (Change::Put(count + 1), true),
            _ => (Change::Keep, false),
        });
        let admitted = admitted.unwrap_or(true);
        if admitted {
            let _ = self.seen.insert(hash, ());
        }
        admitted
    }

    fn limit(&self, kind: Kind) -> u32 {
        match kind {
            Kind::Service => self.limits.services,
            Kind::Version => self.limits.versions,
            Kind::Instance => self.limits.instances,
            Kind::Stream => self.limits.streams,
            Kind::Finding => self.limits.findings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::{Origin, StreamName};

    const TOKEN: TokenKey = TokenKey(1);

    fn batch(stream: &str, instance: &str) -> Batch {
        let origin = Origin { instance: instance.to_owned(), ..Origin::default() };
        Batch::read(origin, StreamName::new(stream).expect("it is one"), 0, Vec::new(), 1)
            .expect("it is empty")
    }

    #[test]
    fn names_beyond_the_limit_are_folded_and_streams_refused_until_the_hour_is_over() {
        let limits = CardinalityLimits { instances: 2, streams: 3, ..CardinalityLimits::default() };
        let cardinality = Cardinality::new(limits);
        let now = UNIX_EPOCH + Duration::from_secs(10 * HOUR + 600);
        let send = |stream: &str, instance: &str, now| {
            let mut batch = batch(stream, instance);
            cardinality.admit(TOKEN, &mut batch, now).map(|folded| (folded, batch.origin.instance))
        };
        for instance in ["a", "b", "a"] {
            assert_eq!(send("s", instance, now), Ok((0, instance.to_owned())));
        }
        assert_eq!(send("s", "c", now), Ok((1, FOLDED.to_owned())));
        assert_eq!(send("s", "b", now), Ok((0, "b".to_owned())), "what is known stays known");
        send("t", "", now).and_then(|_| send("u", "", now)).expect("three streams");
        let error = send("v", "", now).expect_err("one stream too many");
        assert_eq!((error.what, error.limit, error.wait), ("streams", 3, Duration::from_mins(50)));
        let mut content = batch("x", "");
        content.stream = StreamName::of_content("sha256", &[0; 32]);
        cardinality.admit(TOKEN, &mut content, now).expect("it is named after its content");
        assert_eq!(send("v", "c", now + error.wait), Ok((0, "c".to_owned())));
    }
}
