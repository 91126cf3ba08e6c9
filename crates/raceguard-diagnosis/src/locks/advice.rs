//! Which lock or map suits a use, with the numbers that the decision rests on.
//!
//! The rules, first that holds:
//!
//! 1. It guards one number: an atomic counter.
//! 2. Hardly anyone waits (less than 1 % of the time, and under 50 µs on average): keep what is there.
//! 3. Reads to writes at least 100 to 1, and the whole state is replaced or small: a copy-on-write snapshot.
//! 4. Keys stable and reads at least 10 to 1: sync.Map.
//! 5. Reads to writes at least 5 to 1 and held at least 1 µs: RWMutex. Held shorter, its own counters cost more than
//!    they save.
//! 6. Many keys: shards, four for each processor, a power of two.
//! 7. Held long by writers: a single owner goroutine with batches.
//! 8. Else a Mutex, held for less.

use serde::Serialize;

use super::LockUse;

/// What is known about the use of a lock or map. `None` is unknown.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Known {
    /// `Mutex` or `RWMutex`; empty when unknown.
    pub kind: String,
    /// How often a goroutine waited.
    pub contentions: u64,
    /// A wait on average.
    pub mean_wait_ns: u64,
    /// Waits together in proportion to the time profiled; above 1 when several wait at once.
    pub waiting: Option<f64>,
    /// Reads in proportion to all uses, from 0 to 1.
    pub reader_share: Option<f64>,
    /// How long it is held on average.
    pub hold_ns: Option<u64>,
    /// Whether keys are written once and then only read or overwritten.
    pub stable_keys: Option<bool>,
    /// How many keys there are.
    pub keys: Option<u64>,
    /// Whether it guards one number alone.
    pub guards_number: bool,
    /// Processors of the machine; 0 when unknown.
    pub processors: u32,
}

/// What suits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "use")]
pub enum Decision {
    /// Leave it as it is.
    #[default]
    Keep,
    /// One `sync.Mutex`, held for less.
    Mutex,
    /// `sync.RWMutex`.
    RwMutex,
    /// `sync.Map`.
    SyncMap,
    /// Shards with a mutex each.
    Shards {
        /// How many.
        count: u32,
    },
    /// A map that is copied, changed, and swapped through `atomic.Pointer`.
    Snapshot,
    /// `atomic.Int64` and its kin.
    AtomicCounter,
    /// One goroutine that owns it, behind a channel.
    SingleOwner,
}

/// A decision and what it rests on.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LockAdvice {
    /// What suits.
    pub decision: Decision,
    /// One sentence without a full stop.
    pub text: String,
    /// The numbers it rests on.
    pub numbers: Vec<String>,
    /// What would make the decision surer, when it had to do without.
    pub unknown: Vec<String>,
}

impl Known {
    /// What the profiles of a lock tell.
    pub fn of_lock(lock: &LockUse) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a proportion needs no more than 53 bits")]
        let waiting = (lock.profiled_ns > 0).then(|| lock.total_wait_ns as f64 / lock.profiled_ns as f64);
        Self {
            kind: lock.kind.clone(),
            contentions: lock.contentions,
            mean_wait_ns: lock.mean_wait_ns,
            waiting,
            reader_share: lock.reader_share,
            ..Self::default()
        }
    }

    /// Reads for each write; infinite without writes.
    fn reads_per_write(&self) -> Option<f64> {
        self.reader_share.map(|share| if share >= 1.0 { f64::INFINITY } else { share / (1.0 - share) })
    }
}

/// Waiting of less than this share of the time is no reason to change anything.
const QUIET: f64 = 0.01;
/// Nor is a wait that is shorter on average.
const SHORT_WAIT_NS: u64 = 50_000;
/// Held shorter than this, an RWMutex costs more than it saves.
const LONG_HOLD_NS: u64 = 1_000;

/// Decides by the rules of this module.
pub fn advise(known: &Known) -> LockAdvice {
    let (decision, text) = decide(known);
    LockAdvice { decision, text, numbers: numbers(known), unknown: unknown(known) }
}

fn decide(known: &Known) -> (Decision, String) {
    let ratio = known.reads_per_write();
    let at_least = |wanted: f64| ratio.is_some_and(|ratio| ratio >= wanted);
    let quiet = known.waiting.is_none_or(|waiting| waiting < QUIET) && known.mean_wait_ns < SHORT_WAIT_NS;
    let shards = shards(known.processors);
    if known.guards_number {
        return (Decision::AtomicCounter, "an atomic counter needs no lock".to_owned());
    }
    if quiet {
        return (Decision::Keep, "hardly anyone waits for it: leave it as it is".to_owned());
    }
    if at_least(100.0) && known.keys.is_none_or(|keys| keys <= 10_000) {
        let text = "reads vastly outnumber writes: swap a changed copy through atomic.Pointer";
        return (Decision::Snapshot, text.to_owned());
    }
    if known.stable_keys == Some(true) && at_least(10.0) {
        return (Decision::SyncMap, "keys are stable and mostly read: sync.Map".to_owned());
    }
    if at_least(5.0) && known.hold_ns.is_some_and(|hold| hold >= LONG_HOLD_NS) && known.kind != "RWMutex" {
        return (Decision::RwMutex, "mostly read, and held long enough for an RWMutex to pay".to_owned());
    }
    if known.keys.is_some_and(|keys| keys >= u64::from(shards) * 4) {
        let text = format!("many keys under one lock: {shards} shards with a mutex each");
        return (Decision::Shards { count: shards }, text);
    }
    if known.hold_ns.is_some_and(|hold| hold >= 100_000) && ratio.is_some_and(|ratio| ratio < 1.0) {
        let text = "writers hold it long: one goroutine that owns the data and takes writes in batches";
        return (Decision::SingleOwner, text.to_owned());
    }
    let text = match (known.kind.as_str(), ratio) {
        ("RWMutex", Some(ratio)) if ratio < 5.0 => {
            "too many writes for an RWMutex: a plain Mutex is cheaper; hold it for less"
        }
        ("RWMutex", _) => "hold it for less: move work that needs no lock out of it, then split it by key",
        _ => "hold it for less: move work that needs no lock out of it; split it by key where there are many",
    };
    (Decision::Mutex, text.to_owned())
}

/// Four for each processor, at least 8, a power of two.
fn shards(processors: u32) -> u32 {
    processors.saturating_mul(4).clamp(8, 1024).next_power_of_two()
}

fn numbers(known: &Known) -> Vec<String> {
    let mut numbers = match known.contentions {
        0 => vec!["no profile of waits".to_owned()],
        waits => vec![format!("{waits} waits"), format!("{} on average", duration(known.mean_wait_ns))],
    };
    let what = if known.contentions == 0 { "uses" } else { "waits" };
    numbers.extend(known.waiting.map(|waiting| format!("waiting {:.1} % of the time", waiting * 100.0)));
    numbers.extend(known.reader_share.map(|share| format!("{:.0} % of the {what} to read", share * 100.0)));
    numbers.extend(known.hold_ns.map(|hold| format!("held {} on average", duration(hold))));
    numbers.extend(known.keys.map(|keys| format!("{keys} keys")));
    numbers
}

fn unknown(known: &Known) -> Vec<String> {
    let mut unknown = Vec::new();
    if known.waiting.is_none() {
        unknown.push("over how long it was profiled".to_owned());
    }
    if known.reader_share.is_none() {
        unknown.push("the share of reads".to_owned());
    }
    if known.hold_ns.is_none() {
        unknown.push("how long it is held".to_owned());
    }
    if known.keys.is_none() {
        unknown.push("how many keys there are, and whether they are stable".to_owned());
    }
    unknown
}

/// A duration in the unit that leaves one to three digits before the point.
pub fn duration(ns: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let value = ns as f64;
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} µs", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", value / 1e6),
        _ => format!("{:.2} s", value / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy() -> Known {
        Known {
            kind: "Mutex".to_owned(),
            contentions: 1_000,
            mean_wait_ns: 200_000,
            waiting: Some(0.4),
            processors: 2,
            ..Known::default()
        }
    }

    #[test]
    fn each_rule_decides_its_own_case() {
        let decide = |known: Known| advise(&known).decision;
        assert_eq!(decide(Known { guards_number: true, ..busy() }), Decision::AtomicCounter);
        assert_eq!(decide(Known { waiting: Some(0.001), mean_wait_ns: 900, ..busy() }), Decision::Keep);
        assert_eq!(decide(Known { reader_share: Some(0.999), ..busy() }), Decision::Snapshot);
        assert_eq!(
            decide(Known {
                reader_share: Some(0.95),
                stable_keys: Some(true),
                keys: Some(100_000),
                ..busy()
            }),
            Decision::SyncMap
        );
        assert_eq!(
            decide(Known { reader_share: Some(0.9), hold_ns: Some(5_000), ..busy() }),
            Decision::RwMutex
        );
        assert_eq!(decide(Known { keys: Some(1_000), ..busy() }), Decision::Shards { count: 8 });
        assert_eq!(
            decide(Known { reader_share: Some(0.2), hold_ns: Some(300_000), ..busy() }),
            Decision::SingleOwner
        );
        assert_eq!(decide(busy()), Decision::Mutex);
    }

    #[test]
    fn a_short_hold_is_no_case_for_an_rwmutex() {
        let known = Known { reader_share: Some(0.9), hold_ns: Some(200), ..busy() };
        assert_eq!(advise(&known).decision, Decision::Mutex);
    }

    #[test]
    fn what_is_unknown_is_said() {
        assert_eq!(advise(&busy()).unknown.len(), 3);
    }
}
