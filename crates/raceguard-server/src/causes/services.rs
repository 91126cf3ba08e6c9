//! The services, from what the tables and live state know of them.

use std::collections::BTreeMap;

use super::questions::by_service;
use super::rows::{ServiceRow, Services};
use crate::live::Live;
use crate::slts::questions::objectives;
use crate::store::sql::{Connection, values};
use crate::store::{Reader, StoreError};

/// Services in an answer.
const SERVICES: usize = 1_000;

/// How long after its last run the detector still counts as being at work, in milliseconds.
pub(crate) const DETECTOR_MS: i64 = 7 * 86_400_000;

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
    let counted = connection.query(
        "SELECT service, count(DISTINCT version), count(DISTINCT instance) FROM origin GROUP BY service ORDER BY service",
        &[],
    )?;
    for row in &counted {
        let service = of(&mut services, row.get(0)?);
        (service.versions, service.instances) = (row.get(1)?, row.get(2)?);
    }
    let environments = connection.query(
        "SELECT DISTINCT service, environment FROM origin WHERE environment <> '' ORDER BY service, environment",
        &[],
    )?;
    for row in &environments {
        of(&mut services, row.get(0)?).environments.push(row.get(1)?);
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
