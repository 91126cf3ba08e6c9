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
use super::progress::Progress;

/// Parts of a window.
pub const BUCKETS: usize = 60;

/// Groups that a trigger counts; beyond that, those that were seen the longest time ago are forgotten.
const MAX_GROUPS: usize = 10_000;

/// Where a sighting is from, in the evidence and in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Its batch's place in the order of all batches.
    pub number: i64,
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
    /// Up to there batches are counted or not to be: its own place in their order.
    counted: i64,
    /// Batches up to there are counted, but make nothing fire: that was done.
    done: i64,
    clock: StreamClock,
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
#[derive(Debug, Default)]
pub struct Evaluator {
    counting: Vec<Counting>,
    canary: Option<Arc<Released>>,
    counts: Arc<TriggerCounts>,
}

impl Evaluator {
    /// One without triggers.
    pub fn new(counts: Arc<TriggerCounts>) -> Self {
        Self { counting: Vec::new(), canary: None, counts }
    }

    /// Goes over to what is in force, as far as it is to be evaluated here. A trigger that was evaluated before and says
    /// the same keeps its counts and cool-downs; `taken` says where each of the others stands, by its hash. One that
    /// neither was nor stands there is left out.
    pub fn adopt(
        &mut self,
        current: &Current,
        owns: &dyn Fn(&str) -> bool,
        taken: &HashMap<String, Progress>,
    ) -> Result<(), MapError> {
        let mut before: HashMap<String, Counting> =
            self.counting.drain(..).map(|it| (it.trigger.hash.clone(), it)).collect();
        let stable = current.stable().into_iter().map(|released| (released, false));
        let canary = current.canary().into_iter().map(|released| (released, true));
        for (released, is_canary) in stable.chain(canary) {
            for trigger in released.set.triggers.iter().filter(|trigger| owns(&trigger.hash)) {
                let known = self.counting.iter().position(|it| it.trigger.hash == trigger.hash);
                let at = if let Some(at) = known {
                    at
                } else {
                    let counting = match (before.remove(&trigger.hash), taken.get(&trigger.hash)) {
                        (Some(counting), _) => Counting { stable: None, canary: None, ..counting },
                        (None, Some(progress)) => Counting::new(trigger, *progress)?,
                        (None, None) => continue,
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

    /// Whether it evaluates the trigger with this hash.
    pub fn has(&self, hash: &str) -> bool {
        self.counting.iter().any(|it| it.trigger.hash == hash)
    }

    /// Hashes of the triggers that it evaluates.
    pub fn hashes(&self) -> impl Iterator<Item = &str> {
        self.counting.iter().map(|it| it.trigger.hash.as_str())
    }

    /// Forgets a trigger, which somebody else evaluates now.
    pub fn drop_trigger(&mut self, hash: &str) {
        self.counting.retain(|it| it.trigger.hash != hash);
    }

    /// A group that fired before, and is still until then.
    pub fn keep_still(&mut self, hash: &str, labels: &BTreeMap<String, String>, until_ms: i64) {
        if let Some(counting) = self.counting.iter_mut().find(|it| it.trigger.hash == hash) {
            let value = |label: &Label| labels.get(label.word()).cloned().unwrap_or_default();
            let group = counting.trigger.group_by.iter().map(value).collect();
            counting.still.insert(group, until_ms);
        }
    }

    /// Whether anything could come of a sighting.
    pub fn is_idle(&self) -> bool {
        self.counting.is_empty()
    }

    /// Counts a sighting; gives the triggers that fire. Those that have counted its batch already pass it by.
    pub fn see(&mut self, sighting: &Arc<SightingFact>, moment: Moment) -> Result<Vec<Fired>, MapError> {
        let is_canary = self.canary.as_ref().is_some_and(|it| it.release.covers(&sighting.service));
        let mut prepared = None;
        let mut fired = Vec::new();
        for counting in self.counting.iter_mut().filter(|it| moment.number > it.counted) {
            let at_ms = counting.clock.at_ms.fetch_max(moment.at_ms, Ordering::Relaxed).max(moment.at_ms);
            let revision = if is_canary { counting.canary } else { counting.stable };
            let Some(revision) = revision else { continue };
            let prepared = prepared.get_or_insert_with(|| Prepared::of(sighting));
            let warming = moment.number <= counting.done;
            if let Some(firing) = counting.see(sighting, prepared, at_ms, warming, &self.counts)? {
                let (group, count, until_ms) = firing;
                let (trigger, sighting) = (Arc::clone(&counting.trigger), Arc::clone(sighting));
                let moment = Moment { at_ms, ..moment };
                fired.push(Fired { trigger, revision, group, count, sighting, moment, until_ms });
            }
        }
        Ok(fired)
    }

    /// All sightings of a batch were seen.
    pub fn pass(&mut self, number: i64) {
        self.counting.iter_mut().for_each(|it| it.counted = it.counted.max(number));
    }
}

impl Counting {
    fn new(trigger: &Arc<Trigger>, progress: Progress) -> Result<Self, MapError> {
        let settings = WindowSettings {
            window: trigger.window,
            buckets: BUCKETS,
            half_life: trigger.window,
            idle_after: trigger.window,
            max_keys: MAX_GROUPS,
        };
        // Made at the epoch, so that buckets begin at the same moments whenever the server was started.
        let clock = StreamClock { start: Instant::now(), at_ms: Arc::new(AtomicI64::new(0)) };
        let counts = WindowCounterMap::with_clock(&settings, clock.clone())?;
        let (stable, canary, still) = (None, None, HashMap::new());
        let (trigger, counted, done) = (Arc::clone(trigger), progress.since, progress.done.number);
        Ok(Self { trigger, stable, canary, counted, done, clock, counts, still })
    }

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
