//! Writes which finding has which cause.
//!
//! It runs on the writing thread, where batches wait for it. So it takes the same few exchanges with the database however
//! much is assigned: what becomes of each finding is worked out in memory ([`Plan`]), then written, a table at a time.

use std::collections::{BTreeMap, BTreeSet};

use raceguard_diagnosis::cluster::Cluster;

use super::changes::look_for_regression;
use super::neighbourhood::NewFinding;
use crate::store::StoreError;
use crate::store::sql::{Connection, Dialect, row_of, values};

/// Findings that a diagnosis says have one cause.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// Their rows.
    pub findings: Vec<i64>,
    /// What the diagnosis says of them.
    pub cluster: Cluster,
}

/// What was assigned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assigned {
    /// How often causes have been assigned now.
    pub number: u64,
    /// Causes that are new or changed.
    pub causes: BTreeSet<i64>,
    /// Findings and their causes, as far as they changed.
    pub findings: Vec<(i64, i64)>,
}

impl Assigned {
    /// Takes what was assigned after this.
    pub fn add(&mut self, later: Self) {
        self.number = later.number;
        self.causes.extend(later.causes);
        self.findings.extend(later.findings);
    }
}

/// Gives findings their causes. Nothing when causes were assigned since `assigned` was read: then the diagnosis rests on
/// what is no longer so, and has to be made again.
pub fn assign(
    connection: &mut (dyn Connection + 'static),
    assigned: u64,
    new: &[NewFinding],
    proposals: &[Proposal],
    now_ms: i64,
) -> Result<Option<Assigned>, StoreError> {
    let free = connection
        .execute("UPDATE assignment SET number = number + 1 WHERE number = $1", values![assigned])?;
    if free == 0 {
        return Ok(None);
    }
    remember(connection, new)?;
    let causes = causes_of(connection, proposals)?;
    let mut plan = Plan::make(causes, proposals);
    insert(connection, &mut plan, now_ms)?;
    describe(connection, &plan, now_ms)?;
    let mut findings = merge(connection, &plan)?;
    let rows: Vec<_> =
        plan.unassigned.iter().map(|(finding, home)| row_of![finding, plan.cause(*home)]).collect();
    connection.execute_all("INSERT INTO finding_cause (finding, cause) VALUES ($1, $2)", &rows)?;
    findings.extend(plan.unassigned.iter().map(|(finding, home)| (*finding, plan.cause(*home))));
    let causes: BTreeSet<i64> = plan.placed.iter().map(|(home, _)| plan.cause(*home)).collect();
    recount(connection, &causes)?;
    look_at_fixed(connection, &causes, now_ms)?;
    // A state that changed counts too.
    let row = connection.row("SELECT number FROM assignment", &[])?;
    let number = row.ok_or(StoreError::Incomplete("assignment"))?.get(0)?;
    Ok(Some(Assigned { number, causes, findings }))
}

/// What the findings can share with later ones.
fn remember(connection: &mut (dyn Connection + 'static), new: &[NewFinding]) -> Result<(), StoreError> {
    let keys = new.iter().flat_map(|finding| finding.keys.iter().map(|key| row_of![key, finding.id]));
    connection.execute_all(
        "INSERT INTO finding_key (key, finding) VALUES ($1, $2) ON CONFLICT (key, finding) DO NOTHING",
        &keys.collect::<Vec<_>>(),
    )?;
    let code = new.iter().flat_map(|finding| {
        finding.code.iter().map(|(place, line)| row_of![finding.id, place, i64::from(*line)])
    });
    connection.execute_all(
        "INSERT INTO finding_code (finding, place, line) VALUES ($1, $2, $3)
         ON CONFLICT (finding, place, line) DO NOTHING",
        &code.collect::<Vec<_>>(),
    )?;
    let rows: Vec<_> = new.iter().map(|finding| row_of![finding.id]).collect();
    connection.execute_all("DELETE FROM undiagnosed WHERE finding = $1", &rows)
}

/// The causes that the findings have so far.
fn causes_of(
    connection: &mut (dyn Connection + 'static),
    proposals: &[Proposal],
) -> Result<BTreeMap<i64, i64>, StoreError> {
    let findings: BTreeSet<i64> = proposals.iter().flat_map(|it| it.findings.iter().copied()).collect();
    let rows: Vec<_> = findings.iter().map(|finding| row_of![finding]).collect();
    if connection.dialect() == Dialect::Postgres {
        // Held until the end: what counts these findings elsewhere comes before all of this or after.
        connection.execute_all("UPDATE finding SET occurrences = occurrences WHERE id = $1", &rows)?;
    }
    let answers = connection.query_all("SELECT cause FROM finding_cause WHERE finding = $1", &rows)?;
    let found = findings.into_iter().zip(answers);
    found.filter_map(|(finding, rows)| Some(rows.first()?.get(0).map(|cause| (finding, cause)))).collect()
}

/// A cause that is there, or one that is to be made. The older ones come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Home {
    Known(i64),
    New(usize),
}

/// What becomes of the findings.
#[derive(Debug, Default)]
struct Plan<'p> {
    /// What the diagnosis says of each cause.
    placed: Vec<(Home, &'p Cluster)>,
    /// Findings that had no cause.
    unassigned: Vec<(i64, Home)>,
    /// Causes that turn out to be another, older one, in the order in which that was seen.
    merged: Vec<(Home, Home)>,
    /// The names of the causes to be made, and, once they are made, their numbers.
    names: Vec<&'p str>,
    made: Vec<i64>,
}

impl<'p> Plan<'p> {
    fn make(causes: BTreeMap<i64, i64>, proposals: &'p [Proposal]) -> Self {
        let mut plan = Self::default();
        let mut homes: BTreeMap<i64, Home> =
            causes.into_iter().map(|(finding, cause)| (finding, Home::Known(cause))).collect();
        for proposal in proposals {
            let known = proposal.findings.iter().filter_map(|finding| homes.get(finding));
            let mut known: BTreeSet<Home> = known.map(|home| plan.last(*home)).collect();
            let home = known.pop_first().unwrap_or_else(|| {
                plan.names.push(&proposal.cluster.id);
                Home::New(plan.names.len() - 1)
            });
            plan.merged.extend(known.into_iter().map(|younger| (younger, home)));
            for finding in &proposal.findings {
                if !homes.contains_key(finding) {
                    homes.insert(*finding, home);
                    plan.unassigned.push((*finding, home));
                }
            }
            plan.placed.push((home, &proposal.cluster));
        }
        plan
    }

    /// The one that has taken over this one, if any has.
    fn last(&self, home: Home) -> Home {
        // An older one comes behind in the list, since a cause that was taken over is never met again.
        self.merged.iter().fold(home, |home, (younger, older)| if *younger == home { *older } else { home })
    }

    /// The number of the cause that it ends in.
    fn cause(&self, home: Home) -> i64 {
        self.number(self.last(home))
    }

    fn number(&self, home: Home) -> i64 {
        match home {
            Home::Known(cause) => cause,
            Home::New(at) => self.made[at],
        }
    }
}

/// Makes the causes that are not there.
fn insert(
    connection: &mut (dyn Connection + 'static),
    plan: &mut Plan<'_>,
    now_ms: i64,
) -> Result<(), StoreError> {
    let rows: Vec<_> = plan.names.iter().map(|name| row_of![*name, now_ms]).collect();
    let answers = connection.query_all(
        "INSERT INTO cause (name, title, class, severity, confidence, score, variable, state, fixed_in, note,
             changed_by, changed_ms, first_ms, last_ms, occurrences)
         VALUES ($1, '', '', '', 0.0, 0.0, '', 'open', '', '', '', $2, $2, $2, 0) RETURNING id",
        &rows,
    )?;
    let id = |rows: &Vec<crate::store::sql::Row>| {
        rows.first().ok_or(StoreError::Incomplete("cause")).and_then(|row| row.get(0))
    };
    plan.made = answers.iter().map(id).collect::<Result<_, _>>()?;
    Ok(())
}

fn describe(
    connection: &mut (dyn Connection + 'static),
    plan: &Plan<'_>,
    now_ms: i64,
) -> Result<(), StoreError> {
    let word = |value: serde_json::Value| value.as_str().map(str::to_owned);
    let class =
        |cluster: &Cluster| serde_json::to_value(cluster.cause).ok().and_then(word).unwrap_or_default();
    let trap =
        |cluster: &Cluster| cluster.trap.and_then(|trap| serde_json::to_value(trap).ok()).and_then(word);
    let text = |cluster: &Cluster| serde_json::to_string(cluster).unwrap_or_else(|_| "null".to_owned());
    let told: Vec<_> = plan
        .placed
        .iter()
        .map(|(home, cluster)| (plan.number(*home), *cluster, class(cluster), trap(cluster), text(cluster)))
        .collect();
    let rows: Vec<_> = told
        .iter()
        .map(|(cause, cluster, class, trap, _)| {
            row_of![
                cause,
                &cluster.title,
                class,
                trap.as_deref(),
                cluster.severity.as_str(),
                cluster.confidence,
                cluster.score.total,
                &cluster.variable
            ]
        })
        .collect();
    connection.execute_all(
        "UPDATE cause SET title = $2, class = $3, trap = $4, severity = $5, confidence = $6, score = $7, variable = $8
         WHERE id = $1",
        &rows,
    )?;
    let rows: Vec<_> = told.iter().map(|(cause, .., text)| row_of![cause, now_ms, text]).collect();
    connection.execute_all(
        "INSERT INTO cause_diagnosis (cause, diagnosed_ms, cluster) VALUES ($1, $2, $3)
         ON CONFLICT (cause) DO UPDATE SET diagnosed_ms = $2, cluster = $3",
        &rows,
    )
}

/// Two causes are one: the older takes over the findings, and what was said of it counts. Gives the findings that moved.
fn merge(
    connection: &mut (dyn Connection + 'static),
    plan: &Plan<'_>,
) -> Result<Vec<(i64, i64)>, StoreError> {
    let pairs: Vec<_> =
        plan.merged.iter().map(|(younger, older)| (plan.number(*younger), plan.number(*older))).collect();
    let rows: Vec<_> = pairs.iter().map(|(younger, older)| row_of![younger, older]).collect();
    let answers = connection
        .query_all("UPDATE finding_cause SET cause = $2 WHERE cause = $1 RETURNING finding", &rows)?;
    let mut moved = Vec::new();
    for ((_, older), rows) in pairs.iter().zip(&answers) {
        for row in rows {
            moved.push((row.get(0)?, *older));
        }
    }
    connection.execute_all("UPDATE cause SET merged_into = $2, occurrences = 0 WHERE id = $1", &rows)?;
    let rows: Vec<_> = pairs.iter().map(|(younger, _)| row_of![younger]).collect();
    connection.execute_all("DELETE FROM cause_service WHERE cause = $1", &rows)?;
    Ok(moved)
}

/// Counts the causes' findings anew, after they changed.
fn recount(connection: &mut (dyn Connection + 'static), causes: &BTreeSet<i64>) -> Result<(), StoreError> {
    let rows: Vec<_> = causes.iter().map(|cause| row_of![cause]).collect();
    let answers = connection.query_all(
        "SELECT min(f.first_ms), max(f.last_ms),
             CAST(sum(CASE WHEN f.kind = 'static_finding' THEN 0 ELSE f.occurrences END) AS BIGINT)
         FROM finding_cause m JOIN finding f ON f.id = m.finding WHERE m.cause = $1",
        &rows,
    )?;
    let mut counted = Vec::with_capacity(causes.len());
    for (cause, answer) in causes.iter().zip(&answers) {
        let row = answer.first().ok_or(StoreError::Incomplete("finding_cause"))?;
        let (first, last, occurrences): (Option<i64>, Option<i64>, Option<u64>) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        counted.push(row_of![cause, first.unwrap_or(0), last.unwrap_or(0), occurrences.unwrap_or(0)]);
    }
    connection.execute_all(
        "UPDATE cause SET first_ms = $2, last_ms = $3, occurrences = $4 WHERE id = $1",
        &counted,
    )?;
    connection.execute_all("DELETE FROM cause_service WHERE cause = $1", &rows)?;
    connection.execute_all(
        "INSERT INTO cause_service (cause, service, first_ms, last_ms, occurrences)
         SELECT m.cause, o.service, min(a.first_ms), max(a.last_ms),
             CAST(sum(CASE WHEN f.kind = 'static_finding' THEN 0 ELSE a.occurrences END) AS BIGINT)
         FROM finding_cause m JOIN finding f ON f.id = m.finding JOIN appearance a ON a.finding = m.finding
         JOIN origin o ON o.id = a.origin WHERE m.cause = $1 GROUP BY m.cause, o.service",
        &rows,
    )
}

/// Looks whether those of the causes that were said to be fixed have come back with a new finding.
fn look_at_fixed(
    connection: &mut (dyn Connection + 'static),
    causes: &BTreeSet<i64>,
    now_ms: i64,
) -> Result<(), StoreError> {
    let rows: Vec<_> = causes.iter().map(|cause| row_of![cause]).collect();
    let fixed = connection.query_all("SELECT id FROM cause WHERE id = $1 AND state = 'fixed'", &rows)?;
    for row in fixed.iter().flatten() {
        look_for_regression(connection, row.get(0)?, now_ms)?;
    }
    Ok(())
}
