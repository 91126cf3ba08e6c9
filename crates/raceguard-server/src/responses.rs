//! What follows when a trigger fires: tickets, blocked builds, quarantines, sampling rates, alerts and webhooks.
//!
//! Everything that stays on this server is written in one transaction with the firing ([`record`]), so it happens exactly
//! once. What goes out is noted in the same transaction and sent by [`delivery`] until it arrives; should the server die
//! between the arrival and the note of it, a webhook is posted twice, with the same `firing`.

pub mod delivery;
mod questions;
mod ticket;

use std::collections::BTreeMap;

use raceguard_policy::trigger::{Act, Quarantined};
use serde_json::json;

pub use questions::{Blocked, FiringRow, Quarantine, Sampling, TicketRow};
pub(crate) use questions::{block_build, end_quarantine, lower_sampling, unblock_build};

use crate::policies::commits;
use crate::policies::evaluator::Fired;
use crate::policies::progress::{self, Looked};
use crate::store::StoreError;
use crate::store::sql::{Connection, values};

type Open<'a> = &'a mut (dyn Connection + 'static);

/// What became of firings.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// Those that were kept.
    pub(crate) kept: usize,
    /// Hashes of triggers that somebody else evaluates by now.
    pub(crate) lost: Vec<String>,
}

/// Keeps the firings of an evaluator, does what they lead to, and notes up to where it looked at everything. Left out is a
/// firing in the cool-down of another one, and one of a trigger that somebody else evaluates by now: they go on where this
/// evaluator noted it last, and find the same. `window_ms` is the longest window of the triggers in force.
pub(crate) fn record(
    connection: Open<'_>,
    looked: &Looked,
    firings: &[Fired],
    window_ms: i64,
) -> Result<Recorded, StoreError> {
    let mut kept = 0;
    for fired in firings {
        if progress::is_held(connection, &looked.evaluator, &fired.trigger.hash)? {
            kept += usize::from(record_one(connection, fired)?);
        }
    }
    let lost = progress::advance(connection, looked)?;
    commits::forget(connection, looked.upto, window_ms)?;
    Ok(Recorded { kept, lost })
}

fn record_one(connection: Open<'_>, fired: &Fired) -> Result<bool, StoreError> {
    let trigger = &fired.trigger;
    let labels = labels_json(fired);
    let still = connection.row(
        "SELECT id FROM policy_firing WHERE hash = $1 AND labels = $2 AND until_ms > $3 LIMIT 1",
        values![&trigger.hash, &labels, fired.moment.at_ms],
    )?;
    if still.is_some() {
        return Ok(false);
    }
    let row = connection.row(
        "INSERT INTO policy_firing
             (revision, trigger_id, hash, labels, count, finding, title, service, fired_ms, until_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id",
        values![
            fired.revision,
            &trigger.id,
            &trigger.hash,
            &labels,
            fired.count,
            fired.moment.finding,
            &fired.sighting.message,
            &fired.sighting.service,
            fired.moment.at_ms,
            fired.until_ms
        ],
    )?;
    let id: i64 = row.ok_or(StoreError::Incomplete("policy_firing"))?.get(0)?;
    trigger.responses.iter().try_for_each(|act| respond(connection, id, fired, act))?;
    Ok(true)
}

fn respond(connection: Open<'_>, id: i64, fired: &Fired, act: &Act) -> Result<(), StoreError> {
    let (trigger, sighting, at_ms) = (&fired.trigger, &fired.sighting, fired.moment.at_ms);
    let because =
        |reason: &str| if reason.is_empty() { trigger.description.clone() } else { reason.to_owned() };
    let by = format!("trigger {}", trigger.id);
    let actor = format!("trigger:{}", trigger.id);
    match act {
        Act::Alert(priority) => {
            let body = json!({"title": title(fired), "text": ticket::facts(fired), "labels": labels(fired),
                "trigger": trigger.id, "group": labels_json(fired)});
            delivery::add(connection, id, "alert", priority.word(), &body, at_ms)
        }
        Act::Webhook { url } => delivery::add(connection, id, "webhook", url, &document(id, fired), at_ms),
        Act::Ticket(wanted) => ticket::draft(connection, id, fired, wanted),
        Act::BlockBuild { reason } => block_build(
            connection,
            &actor,
            &Blocked {
                service: sighting.service.clone(),
                version: sighting.version.clone(),
                reason: because(reason),
                blocked_by: by,
                blocked_ms: at_ms,
            },
        ),
        Act::Quarantine { what, for_, reason } => {
            let names = match what {
                Quarantined::Tests => sighting.tests.clone(),
                Quarantined::Instance => vec![sighting.instance.clone()],
            };
            let kind = if *what == Quarantined::Tests { "test" } else { "instance" };
            names.into_iter().try_for_each(|name| {
                let quarantine = Quarantine {
                    kind: kind.to_owned(),
                    service: sighting.service.clone(),
                    name,
                    reason: because(reason),
                    set_by: by.clone(),
                    set_ms: at_ms,
                    until_ms: after(at_ms, *for_),
                };
                questions::quarantine(connection, &actor, &quarantine)
            })
        }
        Act::RaiseSampling { rate, for_, max_overhead } => {
            let environment = labels(fired).remove("environment").unwrap_or_default();
            let sampling = Sampling {
                service: sighting.service.clone(),
                environment,
                rate: *rate,
                max_overhead: *max_overhead,
                set_by: by,
                set_ms: at_ms,
                until_ms: after(at_ms, *for_),
            };
            questions::raise_sampling(connection, &actor, &sampling)
        }
    }
}

fn after(at_ms: i64, time: std::time::Duration) -> i64 {
    at_ms.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

/// The group, by the names of its labels.
fn labels(fired: &Fired) -> BTreeMap<String, String> {
    let names = fired.trigger.group_by.iter().map(|label| label.word().to_owned());
    names.zip(fired.group.iter().cloned()).collect()
}

fn labels_json(fired: &Fired) -> String {
    json!(labels(fired)).to_string()
}

/// One line for people.
fn title(fired: &Fired) -> String {
    let group: Vec<&str> = fired.group.iter().filter(|value| !value.is_empty()).map(String::as_str).collect();
    let group = if group.is_empty() { String::new() } else { format!(" ({})", group.join(", ")) };
    format!("{}{group}", fired.trigger.description)
}

/// What a webhook gets.
fn document(id: i64, fired: &Fired) -> serde_json::Value {
    let trigger = &fired.trigger;
    json!({
        "schema": 1,
        "kind": "trigger_fired",
        "firing": id,
        "trigger": trigger.id,
        "version": trigger.version,
        "revision": fired.revision,
        "description": trigger.description,
        "group": labels(fired),
        "count": fired.count,
        "threshold": trigger.threshold,
        "window_s": trigger.window.as_secs(),
        "fired_ms": fired.moment.at_ms,
        "quiet_until_ms": fired.until_ms,
        "sighting": &*fired.sighting,
    })
}
