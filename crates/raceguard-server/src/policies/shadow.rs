//! What a set would have done with the evidence of the last hour, told before it is in force: its triggers, one sighting
//! after the other, and its policies ([`gate`]), as far as a server can judge by them.

pub mod gate;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use raceguard_maps::MapError;
use raceguard_policy::facts::SightingFact;
use serde::Serialize;

use gate::{ShadowPolicy, Trial};

use super::evaluator::{Evaluator, Fired, Moment, TriggerCounts};
use super::events::Shown;
use super::in_force::{InForce, Release, Released};
use super::progress::Progress;
use super::set::{CompiledSet, SetError, Texts};
use crate::origin::Origin;
use crate::store::{Reader, StoreError};

/// An hour in milliseconds.
pub const HOUR_MS: i64 = 3_600_000;

/// Sightings of the last hour that are kept; of more, the oldest go. It is about what ten triggers can be tried on within
/// the time that a question may take, and takes 20 MB.
const KEPT: usize = 400_000;

/// Sightings of a part that is shared once it is full.
const PART: usize = 4_096;

/// Examples that are told of each trigger.
const EXAMPLES: usize = 3;

/// A finding that a block showed.
#[derive(Debug, Clone)]
pub struct Item {
    /// When it came, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Which program it is from.
    pub origin: Arc<Origin>,
    /// The finding.
    pub shown: Shown,
}

/// The sightings of the last hour. Cheap to clone: parts that are full are shared.
#[derive(Debug, Clone, Default)]
pub struct Recent {
    full: VecDeque<Arc<Vec<Item>>>,
    open: Vec<Item>,
    /// From when on nothing is missing, in milliseconds since the Unix epoch.
    from_ms: i64,
}

impl Recent {
    /// Nothing was looked at before this moment.
    pub(super) fn begin(&mut self, from_ms: i64) {
        self.from_ms = from_ms;
    }

    pub(super) fn push(&mut self, item: Item) {
        let oldest = item.at_ms - HOUR_MS;
        self.open.push(item);
        if self.open.len() < PART {
            return;
        }
        self.full.push_back(Arc::new(std::mem::replace(&mut self.open, Vec::with_capacity(PART))));
        let is_old = |part: &Arc<Vec<Item>>| part.last().is_some_and(|item| item.at_ms < oldest);
        while self.full.len() > KEPT / PART || self.full.front().is_some_and(is_old) {
            if let Some(last) = self.full.pop_front().and_then(|part| part.last().map(|item| item.at_ms)) {
                self.from_ms = self.from_ms.max(last);
            }
        }
    }

    fn items(&self) -> impl Iterator<Item = &Item> {
        self.full.iter().flat_map(|part| part.iter()).chain(&self.open)
    }
}

/// A finding at a place and with counts of one block.
pub(super) fn placed(fact: &SightingFact, origin: &Origin, shown: &Shown) -> SightingFact {
    SightingFact {
        service: origin.service.clone(),
        version: origin.version.clone(),
        instance: origin.instance.clone(),
        environment: origin.environment.clone(),
        occurrences: shown.occurrences,
        is_new: shown.is_new,
        ..fact.clone()
    }
}

/// What a set would have done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shadow {
    /// `would have fired 14 times on 3 services`.
    pub summary: String,
    /// Firings.
    pub fired: u64,
    /// Services on which one fired.
    pub services: usize,
    /// Each trigger.
    pub triggers: Vec<ShadowTrigger>,
    /// Each policy.
    pub policies: Vec<ShadowPolicy>,
    /// Sightings that were looked at.
    pub sightings: u64,
    /// From when on, in milliseconds since the Unix epoch.
    pub from_ms: i64,
    /// Until when.
    pub to_ms: i64,
    /// Whether everything since then was looked at; else time was up, or the server has not looked through the hour yet.
    pub complete: bool,
}

/// What a trigger would have done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShadowTrigger {
    /// Its name.
    pub trigger: String,
    /// Firings.
    pub fired: u64,
    /// Services on which it fired.
    pub services: BTreeSet<String>,
    /// The first firings.
    pub examples: Vec<ShadowExample>,
}

/// A firing that would have been.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShadowExample {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// A value for each label of the group.
    pub group: BTreeMap<String, String>,
    /// The count that reached the threshold.
    pub count: u64,
    /// What was seen.
    pub title: String,
    /// What makes it this finding.
    pub fingerprint: String,
    /// The service that showed it.
    pub service: String,
}

/// Why nothing can be told.
#[derive(Debug, thiserror::Error)]
pub enum ShadowError {
    /// The texts are no set.
    #[error(transparent)]
    Set(#[from] SetError),
    /// The database can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A map was closed.
    #[error(transparent)]
    Map(#[from] MapError),
}

/// What texts would have done as a set for all services. Looks until `end` at most; blocks.
pub fn shadow(
    texts: Texts,
    recent: Option<&Recent>,
    reader: &Reader,
    now_ms: i64,
    end: Instant,
) -> Result<Shadow, ShadowError> {
    let set = Arc::new(CompiledSet::compile(texts)?);
    let mut triggers: Vec<ShadowTrigger> = set.triggers.iter().map(|it| ShadowTrigger::new(&it.id)).collect();
    let mut evaluator = evaluator(&set)?;
    let from_ms = recent.map_or(now_ms, |recent| recent.from_ms).max(now_ms - HOUR_MS);
    let (mut sightings, mut complete) = (0_u64, recent.is_some());
    let mut facts: HashMap<i64, Option<SightingFact>> = HashMap::new();
    let mut trial = Trial::new(&set.policies);
    let items = recent.into_iter().flat_map(Recent::items).filter(|item| item.at_ms >= from_ms);
    for item in items {
        if sightings % 64 == 0 && Instant::now() >= end {
            complete = false;
            break;
        }
        sightings += 1;
        let finding = item.shown.finding;
        if let Entry::Vacant(unknown) = facts.entry(finding) {
            unknown.insert(reader.sighting_fact(finding)?);
        }
        let Some(Some(fact)) = facts.get(&finding) else { continue };
        let sighting = Arc::new(placed(fact, &item.origin, &item.shown));
        trial.see(finding, &sighting);
        // Triggers here count all of them, and what they counted is not to be told apart from what they did not.
        let moment = Moment { number: i64::MAX, at_ms: item.at_ms, finding };
        for fired in evaluator.see(&sighting, moment)? {
            if let Some(trigger) = triggers.iter_mut().find(|it| it.trigger == fired.trigger.id) {
                trigger.note(&fired);
            }
        }
    }
    let (policies, are_judged) = trial.judge(now_ms, end);
    let services: BTreeSet<&String> = triggers.iter().flat_map(|trigger| &trigger.services).collect();
    let (services, fired) = (services.len(), triggers.iter().map(|trigger| trigger.fired).sum::<u64>());
    Ok(Shadow {
        summary: summary(fired, services, &policies),
        fired,
        services,
        triggers,
        policies,
        sightings,
        from_ms,
        to_ms: now_ms,
        complete: complete && are_judged,
    })
}

/// One that has the set in force for all services.
fn evaluator(set: &Arc<CompiledSet>) -> Result<Evaluator, MapError> {
    let mut evaluator = Evaluator::new(Arc::new(TriggerCounts::default()));
    let in_force = InForce::new()?;
    let released = Released { revision: 0, set: Arc::clone(set), release: Release::ALL, problem: None };
    in_force.publish(Arc::new(released), None)?;
    let current = in_force.current()?;
    let begin = set.triggers.iter().map(|trigger| (trigger.hash.clone(), Progress::default())).collect();
    evaluator.adopt(&current, &|_| true, &begin)?;
    Ok(evaluator)
}

impl Shadow {
    /// Whether a trigger would have fired, or a policy failed.
    pub fn does_something(&self) -> bool {
        self.fired > 0 || self.policies.iter().any(|policy| !policy.fails.is_empty())
    }
}

/// `would have fired 14 times on 3 services`, and what its policies would have said.
fn summary(fired: u64, services: usize, policies: &[ShadowPolicy]) -> String {
    let counted =
        |count: u64, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let fired = format!(
        "would have fired {} on {}",
        counted(fired, "time", "times"),
        counted(services as u64, "service", "services")
    );
    let failed: BTreeSet<&String> = policies.iter().flat_map(|policy| &policy.fails).collect();
    if failed.is_empty() {
        return fired;
    }
    format!("{fired}, and failed {}", counted(failed.len() as u64, "service", "services"))
}

impl ShadowTrigger {
    fn new(id: &str) -> Self {
        Self { trigger: id.to_owned(), fired: 0, services: BTreeSet::new(), examples: Vec::new() }
    }

    fn note(&mut self, fired: &Fired) {
        self.fired += 1;
        self.services.insert(fired.sighting.service.clone());
        if self.examples.len() < EXAMPLES {
            let names = fired.trigger.group_by.iter().map(|label| label.word().to_owned());
            self.examples.push(ShadowExample {
                at_ms: fired.moment.at_ms,
                group: names.zip(fired.group.iter().cloned()).collect(),
                count: fired.count,
                title: fired.sighting.message.clone(),
                fingerprint: fired.sighting.fingerprint.clone(),
                service: fired.sighting.service.clone(),
            });
        }
    }
}
