//! [`advise`]: which strategy suits a load, by measurement.
//!
//! Three steps: leave out the strategies that cannot promise what the profile needs; estimate the others from the
//! measured cells around the load (`estimate`) and from how long closures hold the map; take the
//! fastest, or of those that are as fast within `ALIKE` the plainest.

use std::fmt::Write as _;
use std::sync::OnceLock;

use serde::Serialize;

use crate::advice::estimate::{Estimate, comparable, estimate};
use crate::advice::measured::{Cell, Measurements};
use crate::advice::profile::{ProfileError, WorkloadProfile};
use crate::advice::strategy::Strategy;
use crate::advice::workload::Workload;
use crate::consistency::Promise;

/// Two estimates that differ by less are alike: measurements repeat no better.
const ALIKE: f64 = 1.03;

/// What suits a load, and why.
///
/// ```
/// use raceguard_maps::advice::{Mix, WorkloadProfile, advise};
///
/// let mix = Mix { reads: Some(0.5), ..Mix::default() };
/// let profile = WorkloadProfile { mix, keys: Some(1_000_000), threads: Some(2), ..WorkloadProfile::default() };
/// let advice = advise(&profile)?;
/// println!("take {}: {}", advice.strategy, advice.reason);
/// for note in &advice.notes {
///     println!("{note}");
/// }
/// println!("by the figures of {}", advice.measured);
/// # Ok::<(), raceguard_maps::advice::ProfileError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recommendation {
    /// The strategy to take.
    pub strategy: Strategy,
    /// Whether the `Durable` layer has to lie over it.
    pub durable: bool,
    /// How to set it up.
    pub settings: Vec<Setting>,
    /// Millions of operations per second that it is expected to do, all threads together; `None` when nothing was
    /// measured.
    pub expected_mops: Option<f64>,
    /// Why, in words, with the numbers.
    pub reason: String,
    /// The other strategies that fit, the fastest first.
    pub runners_up: Vec<Expected>,
    /// The strategies that do not fit, and why.
    pub unsuited: Vec<Unsuited>,
    /// What the figures do not cover.
    pub notes: Vec<String>,
    /// Where the figures come from: the command and the machine.
    pub measured: String,
}

/// A value to give to the strategy's constructor or settings.
///
/// ```
/// use raceguard_maps::advice::{Setting, WorkloadProfile, advise};
///
/// let advice = advise(&WorkloadProfile::default())?;
/// for Setting { name, value, reason } in &advice.settings {
///     println!("{name} = {value}: {reason}");
/// }
/// # Ok::<(), raceguard_maps::advice::ProfileError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// The value.
    pub value: u64,
    /// Why so much.
    pub reason: String,
}

/// A strategy that fits, and what it is expected to do.
///
/// ```
/// use raceguard_maps::advice::{Expected, WorkloadProfile, advise};
///
/// let advice = advise(&WorkloadProfile::default())?;
/// assert!(advice.runners_up.iter().all(|one| one.strategy != advice.strategy));
/// let Expected { strategy, mops } = &advice.runners_up[0];
/// println!("next: {strategy}, {} Mops/s", mops.unwrap_or(f64::NAN));
/// # Ok::<(), raceguard_maps::advice::ProfileError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Expected {
    /// The strategy.
    pub strategy: Strategy,
    /// Millions of operations per second; `None` when it was not measured.
    pub mops: Option<f64>,
}

/// A strategy that does not fit.
///
/// ```
/// use raceguard_maps::advice::{Strategy, WorkloadProfile, advise};
///
/// // Of text, which is not `Copy`.
/// let profile = WorkloadProfile { key_copy: Some(false), ..WorkloadProfile::default() };
/// let advice = advise(&profile)?;
/// let inline = advice.unsuited.iter().find(|one| one.strategy == Strategy::InlineMap).expect("it is named");
/// println!("{}: {}", inline.strategy, inline.reason);
/// # Ok::<(), raceguard_maps::advice::ProfileError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unsuited {
    /// The strategy.
    pub strategy: Strategy,
    /// What it lacks.
    pub reason: &'static str,
}

/// What suits the load, by the figures that this library was built with.
///
/// ```
/// use raceguard_maps::advice::{Mix, WorkloadProfile, advise};
///
/// let profile = WorkloadProfile {
///     mix: Mix { reads: Some(0.99), ..Mix::default() },
///     keys: Some(1000),
///     threads: Some(8),
///     ..WorkloadProfile::default()
/// };
/// let advice = advise(&profile)?;
/// println!("{}: {}", advice.strategy, advice.reason);
/// # Ok::<(), raceguard_maps::advice::ProfileError>(())
/// ```
pub fn advise(profile: &WorkloadProfile) -> Result<Recommendation, ProfileError> {
    static BUILT_IN: OnceLock<Measurements> = OnceLock::new();
    advise_from(BUILT_IN.get_or_init(Measurements::built_in), profile)
}

/// What suits the load, by figures of the caller: measured on the machine that the map will run on.
pub fn advise_from(
    measured: &Measurements,
    profile: &WorkloadProfile,
) -> Result<Recommendation, ProfileError> {
    let load = profile.workload()?;
    let (suited, unsuited) = by_needs(&load);
    let cells = comparable(measured, &load);
    let mut ranked: Vec<Ranked> = suited
        .iter()
        .map(|&strategy| Ranked::new(strategy, estimate(&cells, strategy, &load), &load))
        .collect();
    ranked.sort_by(|left, right| left.nanos.total_cmp(&right.nanos));
    let fastest = ranked[0].nanos;
    let plainness = |ranked: &Ranked| Strategy::ALL.iter().position(|one| *one == ranked.strategy);
    let alike = ranked.iter().enumerate().filter(|(_, one)| one.nanos <= fastest * ALIKE);
    let best = alike.min_by_key(|(_, one)| plainness(one)).map_or(0, |(place, _)| place);
    let best = ranked.remove(best);
    Ok(Recommendation {
        strategy: best.strategy,
        durable: load.needs.durable,
        settings: settings(best.strategy, &load),
        expected_mops: best.mops(),
        reason: reason(&best, ranked.first(), &load),
        notes: notes(&best, &load, cells.is_empty())
            .into_iter()
            .chain(distance(&best, &ranked, &cells, &load))
            .collect(),
        runners_up: ranked.iter().map(|one| Expected { strategy: one.strategy, mops: one.mops() }).collect(),
        unsuited,
        measured: format!("{}, {}", measured.command, measured.machine),
    })
}

/// A strategy that fits, with its time for one operation.
#[derive(Debug)]
struct Ranked {
    strategy: Strategy,
    /// Infinite when it was not measured.
    nanos: f64,
    /// The part of it that closures take, which is reckoned and not measured.
    held_nanos: f64,
    beyond: Vec<&'static str>,
}

impl Ranked {
    fn new(strategy: Strategy, estimate: Option<Estimate>, load: &Workload) -> Self {
        let held_nanos = held(strategy, load);
        match estimate {
            Some(Estimate { nanos, beyond }) => {
                Self { strategy, nanos: nanos + held_nanos, held_nanos, beyond }
            }
            None => Self { strategy, nanos: f64::INFINITY, held_nanos, beyond: Vec::new() },
        }
    }

    fn mops(&self) -> Option<f64> {
        self.nanos.is_finite().then(|| 1000.0 / self.nanos)
    }
}

/// The strategies that promise what the load needs, and the others with what they lack.
fn by_needs(load: &Workload) -> (Vec<Strategy>, Vec<Unsuited>) {
    let (mut suited, mut unsuited) = (Vec::new(), Vec::new());
    for strategy in Strategy::ALL {
        match lacks(strategy, load) {
            Some(reason) => unsuited.push(Unsuited { strategy, reason }),
            None => suited.push(strategy),
        }
    }
    // SnapshotMap takes any type and promises all that can be asked for.
    debug_assert!(suited.contains(&Strategy::SnapshotMap), "there is always one that fits");
    (suited, unsuited)
}

fn lacks(strategy: Strategy, load: &Workload) -> Option<&'static str> {
    let promises = strategy.consistency();
    if strategy.needs_copy() && !(load.key_copy && load.value_copy) {
        Some("keys and values have to be Copy")
    } else if load.needs.wait_free_reads && !strategy.reads_never_wait() {
        Some("a read can wait for a writer")
    } else if load.needs.ordered_snapshots && promises.snapshot != Promise::Linearizable {
        Some("a snapshot does not show all entries at one instant")
    } else if load.needs.acknowledged && promises.write != Promise::Linearizable {
        Some("writes are not applied in one order")
    } else if load.needs.staleness_micros.is_none() && promises.read != Promise::Linearizable {
        Some("a read can miss a write that ended before it")
    } else {
        None
    }
}

/// How much of the time in closures adds to the time of one operation. Closures that run alone add all of it; the
/// others run side by side on all threads, but for those on one key, of which the hottest key bounds how many.
fn held(strategy: Strategy, load: &Workload) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "at most an hour")]
    let hold = load.hold_nanos as f64;
    let side_by_side = 1.0 / f64::from(load.threads);
    let on_one_key = side_by_side.max(hottest_share(load.keys, load.skew));
    let (reads_alone, writes_alone) = strategy.closures_run_alone();
    let read = if reads_alone { 1.0 } else { side_by_side };
    let write = if writes_alone { 1.0 } else { on_one_key };
    hold * (load.shares.reads * read + load.shares.writes() * write)
}

/// The share of operations on the most frequent key: one in the sum of `1 / rank^skew`, of which the first thousand terms
/// are added and the others integrated.
fn hottest_share(keys: u64, skew: f64) -> f64 {
    const ADDED: u32 = 1000;
    let added = u32::try_from(keys).unwrap_or(ADDED).min(ADDED);
    let sum: f64 = (1..=added).map(|rank| f64::from(rank).powf(-skew)).sum();
    #[expect(clippy::cast_precision_loss, reason = "the sum is approximate")]
    let (from, to) = (f64::from(added) + 0.5, keys as f64 + 0.5);
    let rest = if (skew - 1.0).abs() < 1e-9 {
        (to / from).ln()
    } else {
        (to.powf(1.0 - skew) - from.powf(1.0 - skew)) / (1.0 - skew)
    };
    1.0 / (sum + rest.max(0.0))
}

fn settings(strategy: Strategy, load: &Workload) -> Vec<Setting> {
    let mut settings = Vec::new();
    if matches!(strategy, Strategy::ShardedMap | Strategy::ShardedSnapshotMap) {
        let shards = (u64::from(load.threads).next_power_of_two() * 16).clamp(64, 1 << 16);
        settings.push(Setting {
            name: "shards",
            value: shards,
            reason: format!("sixteen for each of {} threads, a power of two, at least 64", load.threads),
        });
    }
    if matches!(strategy, Strategy::InlineMap | Strategy::BucketMap) && load.keys > 1000 {
        settings.push(Setting {
            name: "capacity",
            value: load.keys,
            reason: "the keys are known, so the map need not grow to them".to_owned(),
        });
    }
    settings
}

fn reason(best: &Ranked, next: Option<&Ranked>, load: &Workload) -> String {
    let mut text = format!("{} fits", best.strategy);
    match best.mops() {
        Some(mops) => {
            let _ =
                write!(text, " and does most: about {mops:.0} million operations per second are expected");
        }
        None => text.push_str(", and no strategy that fits was measured"),
    }
    let _ = write!(
        text,
        " for {} threads, {} keys, {} of the operations writing, {}",
        load.threads,
        load.keys,
        percent(load.shares.writes()),
        if load.skew == 0.0 { "keys chosen evenly".to_owned() } else { format!("skew {}", load.skew) }
    );
    if best.held_nanos > 0.0 {
        let _ = write!(text, "; closures of {} ns make {:.0} ns of each", load.hold_nanos, best.held_nanos);
    }
    if let (Some(next), Some(ahead)) = (next, next.and_then(Ranked::mops).zip(best.mops())) {
        let (behind, ahead) = ahead;
        let _ = if behind > ahead {
            write!(text, "; {} does as much within the noise and is less plain", next.strategy)
        } else {
            write!(text, "; next is {} with {behind:.0}", next.strategy)
        };
    }
    text.push('.');
    text
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent == 0.0 || percent >= 1.0 { format!("{percent:.0} %") } else { format!("{percent:.2} %") }
}

/// What more distance between the cores would change: a read that takes a lock then waits longer for its cache line, one
/// that writes nothing does not.
fn distance(best: &Ranked, others: &[Ranked], cells: &[&Cell], load: &Workload) -> Option<String> {
    if load.threads == 1 || load.shares.reads < 0.5 || best.strategy.reads_write_nothing() {
        return None;
    }
    let mut trips: Vec<f64> = cells.iter().filter_map(|cell| cell.round_trip_nanos).collect();
    trips.sort_by(f64::total_cmp);
    let trip = trips.get(trips.len() / 2)?;
    let other = others.iter().find(|one| one.strategy.reads_write_nothing())?;
    Some(format!(
        "measured where a cache line takes {trip:.0} ns from core to core and back: with cores farther apart, {} ({:.0} here) \
         gains, for its reads write nothing; --replay shows it on your machine",
        other.strategy,
        other.mops()?
    ))
}

/// What the figures leave out.
fn notes(best: &Ranked, load: &Workload, nothing_measured: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if nothing_measured {
        notes.push("nothing was measured: run cargo xtask bench maps --write".to_owned());
    }
    if !best.beyond.is_empty() {
        notes.push(format!(
            "{} beyond what was measured: the figures are those of the nearest measured load",
            best.beyond.join(" and ")
        ));
    }
    if best.held_nanos > 0.0 {
        notes.push("the time in closures was reckoned, not measured".to_owned());
    }
    let changing = load.shares.inserts + load.shares.removes;
    if changing > 0.0 {
        notes.push(format!(
            "{} of the operations insert or remove keys: the figures are for overwriting keys that are there",
            percent(changing)
        ));
    }
    if load.iterations_per_million > 0.0 {
        notes.push("iterations are not in the figures".to_owned());
    }
    if load.key_bytes.max(load.value_bytes) > 64 {
        notes.push("measured with small keys and values: put larger ones into an Arc".to_owned());
    }
    if load.needs.durable {
        notes.push("the figures are without the Durable layer, whose writes wait for the disk".to_owned());
    }
    if !load.assumed.is_empty() {
        notes.push(format!("not in the profile, so assumed: {}", load.assumed.join(", ")));
    }
    if !load.ignored.is_empty() {
        notes.push(format!("fields of the profile that mean nothing here: {}", load.ignored.join(", ")));
    }
    notes
}
