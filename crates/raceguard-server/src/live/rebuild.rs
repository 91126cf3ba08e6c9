//! Live state out of the tables: all of it at the start and when other replicas changed something, a part of it after a
//! change of our own.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use raceguard_maps::{ConcurrentMap, MapError, MapSnapshot as _, Observed, Operation, SnapshotMap};

use super::{Live, LiveCause, LiveService};
use crate::causes::assignment::Assigned;
use crate::causes::state::CauseState;
use crate::locks::questions::contended;
use crate::slts::code::{CodeIndex, LOCK_WAIT_LIMIT_NS};
use crate::slts::window_of;
use crate::store::sql::{Connection, Row, values};
use crate::store::{Reader, StoreError};

/// Places in the code of one service that are looked at.
const PLACES: u64 = 20_000;

/// Windows back from now in which waiting for locks is trouble: spans may be an hour late.
const CONTENDED_WINDOWS: i64 = 13;

impl Live {
    /// Whether somebody assigned causes, or changed a state, since live state was read.
    pub(crate) fn is_behind(&self, reader: &Reader) -> Result<bool, StoreError> {
        Ok(reader.ask(number)? != self.assigned())
    }

    /// Reads everything.
    pub(crate) fn reload(&self, reader: &Reader) -> Result<(), StoreError> {
        let _one = self.reading();
        self.read_all(reader)
    }

    fn read_all(&self, reader: &Reader) -> Result<(), StoreError> {
        let now = crate::clock::now_ms();
        let (number, findings, causes, code) = reader.ask(|connection| {
            let number = number(connection)?;
            let findings = connection.query("SELECT finding, cause FROM finding_cause", &[])?;
            let findings = findings
                .iter()
                .map(|row| Ok((row.get(0)?, row.get(1)?)))
                .collect::<Result<HashMap<i64, i64>, StoreError>>()?;
            Ok((number, findings, causes(connection, None)?, code(connection, None, now)?))
        })?;
        let stopped = |_: MapError| StoreError::Stopping;
        self.findings.retain(|finding, _| findings.contains_key(finding)).map_err(stopped)?;
        for (finding, cause) in findings {
            if self.findings.get(&finding).map_err(stopped)? != Some(cause) {
                self.findings.insert(finding, cause).map_err(stopped)?;
            }
        }
        replace(&self.causes, causes).map_err(stopped)?;
        replace(&self.code, code).map_err(stopped)?;
        self.set_assigned(number);
        Ok(())
    }

    /// Takes over assignments of our own that followed the one of number `before`; reads everything when that is not the
    /// one that was read last.
    pub(crate) fn take_over(
        &self,
        reader: &Reader,
        before: u64,
        assigned: &Assigned,
    ) -> Result<(), StoreError> {
        let _one = self.reading();
        if before != self.assigned() {
            return self.read_all(reader);
        }
        let Assigned { number, causes: changed, findings } = assigned;
        let now = crate::clock::now_ms();
        let (causes, code) = reader.ask(|connection| {
            let causes = causes(connection, Some(changed))?;
            let services: BTreeSet<&String> = causes.values().flat_map(|cause| &cause.services).collect();
            let mut code_of = HashMap::new();
            for service in services {
                code_of.extend(code(connection, Some(service), now)?);
            }
            Ok((causes, code_of))
        })?;
        let stopped = |_: MapError| StoreError::Stopping;
        let put = causes.into_iter().map(|(id, cause)| Operation::Insert(id, cause));
        // The younger of two causes that became one is told to readers no longer.
        let merged = findings.iter().filter_map(|(finding, cause)| {
            let before = self.findings.get(finding).ok().flatten()?;
            (before != *cause).then_some(Operation::Remove(before))
        });
        self.causes.apply(put.chain(merged.collect::<Vec<_>>())).map_err(stopped)?;
        self.code
            .apply(code.into_iter().map(|(service, index)| Operation::Insert(service, index)))
            .map_err(stopped)?;
        for (finding, cause) in findings {
            self.findings.insert(*finding, *cause).map_err(stopped)?;
        }
        self.set_assigned(*number);
        Ok(())
    }

    /// Reads everything, and makes up for what happened in the last minutes and was not counted: for a process that begins,
    /// and for one that missed what another replica committed.
    ///
    /// What is counted in windows is taken for as recent as now, so in the first five minutes it may be too much.
    pub fn rebuild(&self, reader: &Reader, now_ms: i64) -> Result<(), StoreError> {
        let _one = self.reading();
        self.read_all(reader)?;
        let stopped = |_: MapError| StoreError::Stopping;
        let (recent, suspects, services) = reader.ask(|connection| {
            let recent = connection.query(
                "SELECT m.cause, o.service, CAST(sum(r.occurrences) AS BIGINT) FROM recent r
                 JOIN finding_cause m ON m.finding = r.finding
                 JOIN (SELECT finding, min(origin) AS origin FROM appearance GROUP BY finding) a ON a.finding = r.finding
                 JOIN origin o ON o.id = a.origin
                 WHERE r.minute > $1 GROUP BY m.cause, o.service",
                values![now_ms / 60_000 - 5],
            )?;
            let suspects = connection.query(
                "SELECT DISTINCT c.id FROM cause c JOIN finding_cause m ON m.cause = c.id
                 JOIN recent r ON r.finding = m.finding WHERE c.state = 'fixed' AND c.merged_into IS NULL ORDER BY c.id",
                &[],
            )?;
            let services = connection.query("SELECT DISTINCT service FROM origin ORDER BY service", &[])?;
            Ok((recent, suspects, services))
        })?;
        let (mut causes, mut by_service) = (BTreeMap::<i64, u64>::new(), BTreeMap::<String, u64>::new());
        for row in &recent {
            let occurrences: u64 = row.get(2)?;
            *causes.entry(row.get(0)?).or_default() += occurrences;
            *by_service.entry(row.get(1)?).or_default() += occurrences;
        }
        for (cause, occurrences) in causes {
            let counted = self.activity.get(&cause).map_err(stopped)?.map_or(0, |it| it.in_window);
            self.activity.add(&cause, occurrences.saturating_sub(counted)).map_err(stopped)?;
        }
        for (service, occurrences) in by_service {
            let counted = self.service_activity.get(&service).map_err(stopped)?.map_or(0, |it| it.in_window);
            self.service_activity.add(&service, occurrences.saturating_sub(counted)).map_err(stopped)?;
        }
        for row in &suspects {
            self.suspects.add(&row.get::<i64>(0)?, 1).map_err(stopped)?;
        }
        for row in &services {
            self.services.insert_if_absent(row.get(0)?, LiveService::default()).map_err(stopped)?;
        }
        self.work.notify_one();
        Ok(())
    }
}

/// Puts these entries in the place of all, as one new state for readers.
fn replace<K, V>(map: &Observed<SnapshotMap<K, V>>, entries: HashMap<K, V>) -> Result<(), MapError>
where
    K: std::hash::Hash + Eq + Clone,
    V: Clone + PartialEq,
{
    let before = map.snapshot()?;
    let gone = before.iter().map(|(key, _)| key).filter(|key| !entries.contains_key(key));
    let mut changes: Vec<_> = gone.map(|key| Operation::Remove(key.clone())).collect();
    let differing = entries.into_iter().filter(|(key, value)| before.get(key) != Some(value));
    changes.extend(differing.map(|(key, value)| Operation::Insert(key, value)));
    map.apply(changes).map(drop)
}

fn number(connection: &mut (dyn Connection + 'static)) -> Result<u64, StoreError> {
    connection.row("SELECT number FROM assignment", &[])?.ok_or(StoreError::Incomplete("assignment"))?.get(0)
}

fn causes(
    connection: &mut dyn Connection,
    only: Option<&BTreeSet<i64>>,
) -> Result<HashMap<i64, Arc<LiveCause>>, StoreError> {
    const SELECT: &str =
        "SELECT id, title, class, severity, state, fixed_in FROM cause WHERE merged_into IS NULL";
    let mut services: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    let mut rows = Vec::new();
    let mut add = |row: &Row| -> Result<(), StoreError> {
        services.entry(row.get(0)?).or_default().push(row.get(1)?);
        Ok(())
    };
    match only {
        None => {
            rows = connection.query(SELECT, &[])?;
            let of = "SELECT cause, service FROM cause_service ORDER BY cause, service";
            connection.query(of, &[])?.iter().try_for_each(&mut add)?;
        }
        Some(only) => {
            for id in only {
                rows.extend(connection.query(&format!("{SELECT} AND id = $1"), values![id])?);
                let of = "SELECT cause, service FROM cause_service WHERE cause = $1 ORDER BY service";
                connection.query(of, values![id])?.iter().try_for_each(&mut add)?;
            }
        }
    }
    let cause = |row: &Row| {
        let (id, state): (i64, String) = (row.get(0)?, row.get(4)?);
        let cause = LiveCause {
            id,
            title: row.get(1)?,
            class: row.get(2)?,
            severity: row.get(3)?,
            state: CauseState::named(&state).unwrap_or(CauseState::Open),
            fixed_in: row.get(5)?,
            services: services.remove(&id).unwrap_or_default(),
        };
        Ok((id, Arc::new(cause)))
    };
    rows.iter().map(cause).collect()
}

/// The code of open findings, and of waiting for locks, of one service or of all.
fn code(
    connection: &mut dyn Connection,
    service: Option<&str>,
    now_ms: i64,
) -> Result<HashMap<String, Arc<CodeIndex>>, StoreError> {
    let services = if let Some(service) = service {
        vec![service.to_owned()]
    } else {
        let rows = connection.query("SELECT DISTINCT service FROM cause_service ORDER BY service", &[])?;
        rows.iter().map(|row| row.get(0)).collect::<Result<Vec<String>, _>>()?
    };
    let mut contended = contended(connection, window_of(now_ms) - CONTENDED_WINDOWS, LOCK_WAIT_LIMIT_NS)?;
    let mut indices: HashMap<String, CodeIndex> = HashMap::new();
    for service in services {
        let mut index = CodeIndex::default();
        let rows = connection.query(
            "SELECT DISTINCT k.place, k.line FROM cause_service x
             JOIN cause c ON c.id = x.cause AND c.state <> 'fixed' AND c.merged_into IS NULL
             JOIN finding_cause m ON m.cause = c.id JOIN finding_code k ON k.finding = m.finding
             WHERE x.service = $1 ORDER BY k.place, k.line LIMIT $2",
            values![&service, PLACES],
        )?;
        for row in &rows {
            let (place, line): (String, i64) = (row.get(0)?, row.get(1)?);
            match u32::try_from(line).unwrap_or(0) {
                0 => index.add_function(&place),
                line => index.add_line(&place, line),
            }
        }
        indices.insert(service, index);
    }
    if let Some(only) = service {
        contended.retain(|service, _| service == only);
    }
    for (service, functions) in contended {
        let index = indices.entry(service).or_default();
        for (function, window) in functions {
            index.add_contended(&function, window);
        }
    }
    Ok(indices.into_iter().map(|(service, index)| (service, Arc::new(index))).collect())
}
