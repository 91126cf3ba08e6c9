//! The services, from what the tables and live state know of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::questions::by_service;
use super::rows::{ServiceRow, Services};
use crate::live::Live;
use crate::slts::questions::objectives;
use crate::store::sql::{Connection, Row, values};
use crate::store::{Reader, StoreError};

/// Services in an answer.
const SERVICES: usize = 1_000;

/// How long after its last run the detector still counts as being at work, in milliseconds.
pub(crate) const DETECTOR_MS: i64 = 7 * 86_400_000;

/// Instances that are counted in a millisecond, or more: what was counted of so many more of them is good for longer.
const INSTANCES_A_MS: u64 = 20;

/// How long counts are good when no program is new, in milliseconds: replicas may show them in another order.
const COUNTED_MS: i64 = 60_000;

/// The programs that evidence is from, counted when there are new ones, and then not for every question.
#[derive(Debug, Default)]
pub(crate) struct Origins(Mutex<Arc<Counted>>);

/// What was counted.
#[derive(Debug, Default)]
struct Counted {
    /// The newest program then; 0 when none was counted yet.
    newest: i64,
    /// When it was counted, in milliseconds since the Unix epoch.
    at_ms: i64,
    services: Vec<CountedService>,
}

#[derive(Debug, Default)]
struct CountedService {
    service: String,
    versions: u64,
    instances: u64,
    environments: Vec<String>,
}

impl Origins {
    fn counted(&self, connection: &mut dyn Connection, now_ms: i64) -> Result<Arc<Counted>, StoreError> {
        let row = connection.row("SELECT max(id) FROM origin", &[])?;
        let newest = row.map_or(Ok(None), |row| row.get::<Option<i64>>(0))?.unwrap_or(0);
        let known = Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if known.is_good(newest, now_ms) {
            return Ok(known);
        }
        let counted = Arc::new(Counted::count(connection, newest, now_ms)?);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&counted);
        Ok(counted)
    }
}

impl Counted {
    /// Whether it need not be counted again.
    fn is_good(&self, newest: i64, now_ms: i64) -> bool {
        let instances: u64 = self.services.iter().map(|service| service.instances).sum();
        let good_ms = if self.newest == newest {
            COUNTED_MS
        } else {
            i64::try_from(instances / INSTANCES_A_MS).unwrap_or(COUNTED_MS).min(COUNTED_MS)
        };
        (0..good_ms).contains(&(now_ms - self.at_ms))
    }

    fn count(connection: &mut dyn Connection, newest: i64, at_ms: i64) -> Result<Self, StoreError> {
        let counted = connection.query(
            "SELECT service, count(DISTINCT version), count(DISTINCT instance) FROM origin GROUP BY service ORDER BY service",
            &[],
        )?;
        let environments = connection.query(
            "SELECT DISTINCT service, environment FROM origin WHERE environment <> '' ORDER BY service, environment",
            &[],
        )?;
        let mut by_service: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in &environments {
            by_service.entry(row.get(0)?).or_default().push(row.get(1)?);
        }
        let service = |row: &Row| -> Result<CountedService, StoreError> {
            let service: String = row.get(0)?;
            let environments = by_service.remove(&service).unwrap_or_default();
            Ok(CountedService { service, versions: row.get(1)?, instances: row.get(2)?, environments })
        };
        Ok(Self { newest, at_ms, services: counted.iter().map(service).collect::<Result<_, _>>()? })
    }
}

impl Reader {
    /// All services, by name.
    pub fn services(&self, live: &Live, now_ms: i64) -> Result<Services, StoreError> {
        self.ask(|connection| services(connection, live, now_ms))
    }
}

pub(crate) fn services(
    connection: &mut dyn Connection,
    live: &Live,
    now_ms: i64,
) -> Result<Services, StoreError> {
    let mut services: BTreeMap<String, ServiceRow> = BTreeMap::new();
    for counted in &live.origins.counted(connection, now_ms)?.services {
        let service = of(&mut services, counted.service.clone());
        (service.versions, service.instances) = (counted.versions, counted.instances);
        service.environments.clone_from(&counted.environments);
    }
    for (name, counts) in by_service(connection)? {
        let service = of(&mut services, name);
        (service.open_causes, service.regressed_causes) = (counts.open, counts.regressed);
        (service.occurrences, service.last_ms) = (counts.occurrences, Some(counts.last_ms));
    }
    for slo in objectives(connection, now_ms)?.services {
        of(&mut services, slo.service).slts = slo.slts;
    }
    let detected = connection.query(
        "SELECT DISTINCT service FROM detector WHERE last_ms > $1 ORDER BY service",
        values![now_ms - DETECTOR_MS],
    )?;
    for row in &detected {
        of(&mut services, row.get(0)?).detector = true;
    }
    for service in services.values_mut() {
        let activity = live.service_activity.get(&service.service);
        service.recent = activity.ok().flatten().map_or(0, |activity| activity.in_window);
    }
    Ok(Services { services: services.into_values().take(SERVICES).collect() })
}

fn of(services: &mut BTreeMap<String, ServiceRow>, name: String) -> &mut ServiceRow {
    services.entry(name.clone()).or_insert_with(|| ServiceRow {
        service: name,
        versions: 0,
        instances: 0,
        environments: Vec::new(),
        last_ms: None,
        open_causes: 0,
        regressed_causes: 0,
        occurrences: 0,
        recent: 0,
        slts: None,
        detector: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_counted_again_when_there_are_new_ones_and_many_not_at_once() {
        let counted = |instances| Counted {
            newest: 7,
            at_ms: 1_000,
            services: vec![CountedService { instances, ..CountedService::default() }],
        };
        assert!(!Counted::default().is_good(1, 1_000));
        assert!(counted(3).is_good(7, 60_999) && !counted(3).is_good(7, 61_000));
        assert!(!counted(3).is_good(8, 1_000), "a few are counted at once");
        assert!(counted(100_000).is_good(8, 5_999) && !counted(100_000).is_good(8, 6_000));
        assert!(!counted(100_000).is_good(7, 999), "the clock was set back");
    }
}
