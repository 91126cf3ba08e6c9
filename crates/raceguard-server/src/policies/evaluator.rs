//! Decides when triggers fire: windows, thresholds, groups, cool-downs.
//!
//! It knows no clock but that of the evidence: the time of a sighting is when its batch came. So the same evidence in the
//! same order makes the same triggers fire, now or when it is looked through again after a restart.
//!
//! Counts are kept in a [`WindowCounterMap`] for each trigger. Its window is cut into [`BUCKETS`] parts, so a count covers
//! between 59/60 of the window and all of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use raceguard_maps::counters::{Clock, WindowSettings};
use raceguard_maps::{CounterMap, MapError, WindowCounterMap};
use raceguard_policy::facts::SightingFact;
use raceguard_policy::trigger::{Label, Prepared, Trigger};

use super::in_force::{Current, Released};

/// Parts of a window.
pub const BUCKETS: usize = 60;

/// Groups that a trigger counts; beyond that, those that were seen the longest time ago are forgotten.
const MAX_GROUPS: usize = 10_000;

/// Where a sighting is from, in the evidence and in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Its block.
    pub block: i64,
    /// When the batch came, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Its row in the table `finding`.
    pub finding: i64,
}

/// A trigger fired.
#[derive(Debug, Clone)]
pub struct Fired {
    /// The trigger.
    pub trigger: Arc<Trigger>,
    /// The revision that it is of.
    pub revision: i64,
    /// A value for each label of `group_by`.
    pub group: Vec<String>,
    /// The count that reached the threshold.
    pub count: u64,
    /// The sighting that did it.
    pub sighting: Arc<SightingFact>,
    /// Where that is from.
    pub moment: Moment,
    /// End of the cool-down, in milliseconds since the Unix epoch.
    pub until_ms: i64,
}

/// The time of the evidence, which only goes on.
#[derive(Debug, Clone)]
struct StreamClock {
    start: Instant,
    at_ms: Arc<AtomicI64>,
}

impl Clock for StreamClock {
    fn now(&self) -> Instant {
        let ms = u64::try_from(self.at_ms.load(Ordering::Relaxed)).unwrap_or(0);
        self.start.checked_add(Duration::from_millis(ms)).unwrap_or(self.start)
    }
}

/// A trigger, what it counted, and who is still.
#[derive(Debug)]
struct Counting {
    trigger: Arc<Trigger>,
    /// Revision, for services outside and inside of the canary; none where it is not in force.
    stable: Option<i64>,
    canary: Option<i64>,
    /// The last block that it does not count.
    since: i64,
    counts: WindowCounterMap<Vec<String>, StreamClock>,
    /// Ends of cool-downs. Only the one task that evaluates touches it.
    still: HashMap<Vec<String>, i64>,
}

/// What triggers did since the server started, by id.
#[derive(Debug, Default)]
pub struct TriggerCounts {
    /// Sightings that matched.
    pub matched: CounterMap<String>,
    /// Firings.
    pub fired: CounterMap<String>,
    /// Conditions that could not be evaluated.
    pub failed: CounterMap<String>,
}

/// Evaluates the triggers in force.
#[derive(Debug)]
pub struct Evaluator {
    clock: StreamClock,
    counting: Vec<Counting>,
    canary: Option<Arc<Released>>,
    counts: Arc<TriggerCounts>,
}

impl Evaluator {
    /// One without triggers.
    pub fn new(counts: Arc<TriggerCounts>) -> Self {
        // Counted from the epoch, so that buckets begin at the same moments whenever the server was started.
        let clock = StreamClock { start: Instant::now(), at_ms: Arc::new(AtomicI64::new(0)) };
        Self { clock, counting: Vec::new(), canary: None, counts }
    }

    /// Goes over to what is in force. A trigger that says the same as before keeps its counts and cool-downs. `since` gives
    /// the last block that a trigger does not count, by its hash.
    pub fn adopt(&mut self, current: &Current, since: &HashMap<String, i64>) -> Result<(), MapError> {
        let mut before: HashMap<String, Counting> =
            self.counting.drain(..).map(|it| (it.trigger.hash.clone(), it)).collect();
        let stable = current.stable().into_iter().map(|released| (released, false));
        let canary = current.canary().into_iter().map(|released| (released, true));
        for (released, is_canary) in stable.chain(canary) {
            for trigger in &released.set.triggers {
                let known = self.counting.iter().position(|it| it.trigger.hash == trigger.hash);
                let at = if let Some(at) = known {
                    at
                } else {
                    let counting = match before.remove(&trigger.hash) {
                        Some(counting) => Counting { stable: None, canary: None, ..counting },
                        None => self.begin(trigger, since.get(&trigger.hash).copied().unwrap_or(0))?,
                    };
                    self.counting.push(counting);
                    self.counting.len() - 1
                };
                let slot = &mut self.counting[at];
                slot.trigger = Arc::clone(trigger);
                *(if is_canary { &mut slot.canary } else { &mut slot.stable }) = Some(released.revision);
            }
        }
        self.canary = current.canary().cloned();
        Ok(())
    }

    fn begin(&self, trigger: &Arc<Trigger>, since: i64) -> Result<Counting, MapError> {
        let settings = WindowSettings {
            window: trigger.window,
            buckets: BUCKETS,
            half_life: trigger.window,
            idle_after: trigger.window,
            max_keys: MAX_GROUPS,
        };
        // Made at the epoch: buckets are counted from there.
        let now = self.clock.at_ms.swap(0, Ordering::Relaxed);
        let counts = WindowCounterMap::with_clock(&settings, self.clock.clone());
        self.clock.at_ms.store(now, Ordering::Relaxed);
        let (stable, canary, still) = (None, None, HashMap::new());
        Ok(Counting { trigger: Arc::clone(trigger), stable, canary, since, counts: counts?, still })
    }

    /// A group that fired before, and is still until then.
    pub fn keep_still(&mut self, hash: &str, labels: &BTreeMap<String, String>, until_ms: i64) {
        if let Some(counting) = self.counting.iter_mut().find(|it| it.trigger.hash == hash) {
            let value = |label: &Label| labels.get(label.word()).cloned().unwrap_or_default();
            let group = counting.trigger.group_by.iter().map(value).collect();
            counting.still.insert(group, until_ms);
        }
    }

    /// The longest window in force.
    pub fn longest_window(&self) -> Duration {
        self.counting.iter().map(|it| it.trigger.window).max().unwrap_or_default()
    }

    /// Whether anything could come of a sighting.
    pub fn is_idle(&self) -> bool {
        self.counting.is_empty()
    }

    /// Counts a sighting; gives the triggers that fire. When only `warming`, none does.
    pub fn see(
        &mut self,
        sighting: &Arc<SightingFact>,
        moment: Moment,
        warming: bool,
    ) -> Result<Vec<Fired>, MapError> {
        let at_ms = self.clock.at_ms.fetch_max(moment.at_ms, Ordering::Relaxed).max(moment.at_ms);
        let is_canary = self.canary.as_ref().is_some_and(|it| it.release.covers(&sighting.service));
        let prepared = Prepared::of(sighting);
        let mut fired = Vec::new();
        for counting in &mut self.counting {
            let revision = if is_canary { counting.canary } else { counting.stable };
            let Some(revision) = revision.filter(|_| moment.block > counting.since) else { continue };
            if let Some(firing) = counting.see(sighting, &prepared, at_ms, warming, &self.counts)? {
                let (group, count, until_ms) = firing;
                let (trigger, sighting) = (Arc::clone(&counting.trigger), Arc::clone(sighting));
                let moment = Moment { at_ms, ..moment };
                fired.push(Fired { trigger, revision, group, count, sighting, moment, until_ms });
            }
        }
        Ok(fired)
    }
}

impl Counting {
    /// The group, its count and the end of its cool-down, if it fires.
    fn see(
        &mut self,
        sighting: &SightingFact,
        prepared: &Prepared,
        at_ms: i64,
        warming: bool,
        counts: &TriggerCounts,
    ) -> Result<Option<(Vec<String>, u64, i64)>, MapError> {
        match self.trigger.matches(prepared) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(_) => {
                counts.failed.add(self.trigger.id.as_str(), 1)?;
                return Ok(None);
            }
        }
        let group = self.trigger.group_of(sighting);
        self.counts.add(group.as_slice(), sighting.occurrences)?;
        if warming {
            return Ok(None);
        }
        counts.matched.add(self.trigger.id.as_str(), 1)?;
        let count = self.counts.get(group.as_slice())?.map_or(0, |activity| activity.in_window);
        let is_still = self.still.get(&group).is_some_and(|until| at_ms < *until);
        if count < self.trigger.threshold || is_still {
            return Ok(None);
        }
        if self.still.len() >= MAX_GROUPS {
            self.still.retain(|_, until| at_ms < *until);
        }
        let cooldown = i64::try_from(self.trigger.cooldown.as_millis()).unwrap_or(i64::MAX);
        let until_ms = at_ms.saturating_add(cooldown);
        self.still.insert(group.clone(), until_ms);
        counts.fired.add(self.trigger.id.as_str(), 1)?;
        Ok(Some((group, count, until_ms)))
    }
}
