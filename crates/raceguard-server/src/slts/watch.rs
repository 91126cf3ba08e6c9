//! Compares services with their objective, beside the requests, and tells what is missed and what is well again.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::bundle::{Bundle, table};
use super::compliance::Slo;
use super::counting::forget;
use super::questions::{FLEET, Objectives};
use super::{OBJECTIVE, TARGET};
use crate::alerts::{Firing, Severity};
use crate::clock::now_ms;
use crate::http::Shared;
use crate::store::StoreError;

/// Time between two looks.
const PERIOD: Duration = Duration::from_secs(10);

/// Looks that may fail one after the other.
const FAILURES: u32 = 30;

/// The task.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    /// Alerts that were looked at, and whether they fire.
    firing: BTreeMap<String, bool>,
    failures: u32,
    forgot_ms: i64,
}

impl Watch {
    /// The task of this server.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, firing: BTreeMap::new(), failures: 0, forgot_ms: 0 }
    }

    /// Looks until it is told to stop.
    ///
    /// # Errors
    ///
    /// What went wrong, when it went wrong [`FAILURES`] times in a row.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), StoreError> {
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(PERIOD) => {}
            }
            match self.look(now_ms()).await {
                Ok(()) => self.failures = 0,
                Err(StoreError::Stopping) => return Ok(()),
                Err(error) if self.failures >= FAILURES => return Err(error),
                Err(_) => self.failures += 1,
            }
        }
    }

    async fn look(&mut self, now_ms: i64) -> Result<(), StoreError> {
        let objectives = self.shared.question(move |reader| reader.objectives(now_ms)).await?;
        for alert in alerts(&objectives, now_ms) {
            let before = self.firing.get(&alert.key).copied();
            let key = alert.key.clone();
            match alert.firing {
                Some(firing) if before != Some(true) => {
                    let firing = match alert.exhausted {
                        Some(slo) => self.with_bundle(firing, *slo, now_ms).await?,
                        None => Some(firing),
                    };
                    if let Some(firing) = firing {
                        self.shared.alerts.fire(firing).await?;
                    }
                    self.firing.insert(key, true);
                }
                // Also at the first look: it may have fired before a restart.
                None if before != Some(false) => {
                    self.shared.alerts.resolve(&key, now_ms).await?;
                    self.firing.insert(key, false);
                }
                _ => {}
            }
        }
        self.resolve_gone(&objectives, now_ms).await?;
        if now_ms - self.forgot_ms > 60_000 {
            self.shared.writer.change(move |connection| forget(connection, now_ms)).await?;
            self.forgot_ms = now_ms;
        }
        Ok(())
    }

    /// Makes the bundle of an exhausted budget and links it. Nothing when that was told before a restart already.
    async fn with_bundle(&self, firing: Firing, slo: Slo, now_ms: i64) -> Result<Option<Firing>, StoreError> {
        let key = firing.key.clone();
        let told = self.shared.question(move |reader| reader.open_alert(&key)).await?;
        if told.is_some() {
            return Ok(None);
        }
        match make_bundle(&self.shared, slo, now_ms).await {
            Ok(id) => Ok(Some(Firing { link: format!("/bundles/{id}"), ..firing })),
            Err(StoreError::Stopping) => Err(StoreError::Stopping),
            // That the budget is exhausted is told all the same.
            Err(error) => {
                eprintln!("raceguard: the bundle of root causes of {} can't be made: {error}", firing.key);
                Ok(Some(firing))
            }
        }
    }

    /// What a service is blamed for ends when the service has no windows any more.
    async fn resolve_gone(&mut self, objectives: &Objectives, now_ms: i64) -> Result<(), StoreError> {
        let keys: BTreeSet<String> = alerts(objectives, now_ms).into_iter().map(|alert| alert.key).collect();
        let gone: Vec<String> = self.firing.keys().filter(|key| !keys.contains(*key)).cloned().collect();
        for key in gone {
            if self.firing.remove(&key) == Some(true) {
                self.shared.alerts.resolve(&key, now_ms).await?;
            }
        }
        Ok(())
    }
}

/// Something that fires or is well.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    /// What makes it the same alert.
    pub key: String,
    /// What is to be told, when it fires.
    pub firing: Option<Firing>,
    /// When it is that a budget is exhausted: of which a bundle is to be made.
    pub exhausted: Option<Box<Slo>>,
}

/// Makes a bundle of what is known now, and keeps it; gives its number.
pub async fn make_bundle(shared: &Arc<Shared>, slo: Slo, now_ms: i64) -> Result<i64, StoreError> {
    let live = Arc::clone(&shared.live);
    let packed = shared
        .question(move |reader| {
            let pack = || Ok(table::Packed::of(&Bundle::gather(reader, &live, slo, now_ms)?));
            // Evidence comes from strangers: what can't be shown must not end the watch.
            catch_unwind(AssertUnwindSafe(pack)).unwrap_or(Err(StoreError::Incomplete("slts_bundle")))
        })
        .await?;
    shared.writer.change(move |connection| table::keep(connection, &packed)).await
}

/// What fires and what is well: for each service its newest window against the target (P2), its last hour against the
/// objective (P1) and its error budget (P1), and for the fleet the last two.
pub fn alerts(objectives: &Objectives, now_ms: i64) -> Vec<Watched> {
    let mut alerts = Vec::new();
    for slo in &objectives.services {
        alerts.push(target(slo, now_ms));
        alerts.push(objective(slo, now_ms));
        alerts.push(budget(slo, now_ms));
    }
    if !objectives.services.is_empty() {
        alerts.push(objective(&objectives.fleet, now_ms));
        alerts.push(budget(&objectives.fleet, now_ms));
    }
    alerts
}

fn target(slo: &Slo, now_ms: i64) -> Watched {
    let key = format!("slts:{}", slo.service);
    let missed = slo.slts.filter(|slts| *slts < TARGET);
    let firing = missed.map(|slts| Firing {
        key: key.clone(),
        severity: Severity::P2,
        title: format!("{}: {} of requests ran without thread-safety trouble", name(slo), percent(slts)),
        text: format!(
            "Service-level thread safety of the newest window is {}, the target is {}. Requests run through code with open \
             race findings, or wait for locks too long.",
            percent(slts),
            percent(TARGET)
        ),
        labels: labels(slo, "slts"),
        link: link(slo),
        at_ms: now_ms,
    });
    Watched { key, firing, exhausted: None }
}

fn objective(slo: &Slo, now_ms: i64) -> Watched {
    let key = format!("slo:{}", slo.service);
    let missed = slo.compliance.filter(|_| !slo.met);
    let firing = missed.map(|compliance| Firing {
        key: key.clone(),
        severity: Severity::P1,
        title: format!("{}: the objective of thread safety is missed", name(slo)),
        text: format!(
            "{} of {} windows of the last hour reached the target: {}, the objective is {}. Of the error budget of 30 days \
             {} are left.",
            slo.good,
            slo.windows,
            percent(compliance),
            percent(OBJECTIVE),
            percent(slo.budget.remaining)
        ),
        labels: labels(slo, "slo"),
        link: link(slo),
        at_ms: now_ms,
    });
    Watched { key, firing, exhausted: None }
}

fn budget(slo: &Slo, now_ms: i64) -> Watched {
    let key = format!("budget:{}", slo.service);
    let is_exhausted = slo.budget.bad > 0 && slo.budget.remaining <= 0.0;
    let firing = is_exhausted.then(|| Firing {
        key: key.clone(),
        severity: Severity::P1,
        title: format!("{}: the error budget of thread safety is exhausted", name(slo)),
        text: format!(
            "{} of {} windows of the last 30 days missed the target, {:.1} may. The link leads to a bundle of what is known \
             of the root causes.",
            slo.budget.bad, slo.budget.windows, slo.budget.allowed
        ),
        labels: labels(slo, "budget"),
        link: link(slo),
        at_ms: now_ms,
    });
    Watched { key, exhausted: firing.is_some().then(|| Box::new(slo.clone())), firing }
}

fn name(slo: &Slo) -> &str {
    match slo.service.as_str() {
        "" => "a service without a name",
        FLEET => "all services together",
        name => name,
    }
}

fn link(slo: &Slo) -> String {
    if slo.service == FLEET { "/".to_owned() } else { "/services".to_owned() }
}

fn labels(slo: &Slo, alert: &str) -> BTreeMap<String, String> {
    [("service", slo.service.as_str()), ("alert", alert)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into_iter()
        .collect()
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
