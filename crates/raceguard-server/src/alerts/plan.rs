//! What is to be told to whom now: routes, silences and groups. A function of what is in the database and the time.
//!
//! Of each receiver, alerts with the same values of its `group_by` labels are a group, and a message tells what fires in a
//! group and what is over. The rules are those of Prometheus' Alertmanager: the first message of a group waits a little
//! for other alerts, later ones keep a distance, and what goes on firing unacknowledged is repeated.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Severity;
use super::message::{Notice, NoticeAlert};
use super::receiver::{self, Receiver};
use super::silences::{self, Silence};
use super::table::{self, Alert, labels_text};
use crate::store::StoreError;
use crate::store::sql::{Connection, values};

/// What is known when planning.
#[derive(Debug, Default)]
pub struct Known {
    /// All receivers.
    pub receivers: Vec<Receiver>,
    /// Silences that are not over.
    pub silences: Vec<Silence>,
    /// Open alerts, and those that somebody was told of but not yet that they are over.
    pub alerts: Vec<Alert>,
    /// Who was told that what fires.
    pub told: HashSet<(String, i64)>,
    /// When a receiver was told something of a group last, and how many messages it had; by receiver and labels.
    pub groups: HashMap<(String, String), (i64, i64)>,
}

/// A message to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// To whom.
    pub receiver: String,
    /// The group's labels, as they are kept.
    pub group: String,
    /// How many messages the group had with it.
    pub sequence: i64,
    /// What is told.
    pub notice: Notice,
    /// Alerts that it tells to fire, and those it tells to be over.
    pub firing: Vec<i64>,
    /// Alerts that are over.
    pub over: Vec<i64>,
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Messages that are due now.
    pub messages: Vec<Planned>,
    /// Receivers that need not be told that an alert is over.
    pub forgotten: Vec<(String, i64)>,
    /// When to plan again if nothing happens until then.
    pub next_ms: Option<i64>,
}

/// The alerts of one group of one receiver.
#[derive(Default)]
struct Group<'a> {
    firing: Vec<&'a Alert>,
    over: Vec<&'a Alert>,
}

/// What is to be told now.
pub fn plan(known: &Known, now_ms: i64) -> Plan {
    let mut plan = Plan::default();
    for receiver in &known.receivers {
        let mut groups: BTreeMap<String, (BTreeMap<String, String>, Group<'_>)> = BTreeMap::new();
        for alert in known.alerts.iter().filter(|alert| receiver.wants(alert)) {
            let told = known.told.contains(&(receiver.name.clone(), alert.id));
            let silenced = known.silences.iter().filter(|silence| silence.covers(&alert.labels, now_ms));
            let silenced_until = silenced.map(|silence| silence.ends_ms).max();
            if alert.resolved_ms.is_some() && told && (silenced_until.is_some() || !receiver.tell_over) {
                plan.forgotten.push((receiver.name.clone(), alert.id));
            }
            if let Some(until) = silenced_until {
                plan.again_at(until);
                continue;
            }
            let labels = receiver.group_of(alert);
            let (_, group) = groups.entry(labels_text(&labels)).or_insert_with(|| (labels, Group::default()));
            match alert.resolved_ms {
                None => group.firing.push(alert),
                Some(_) if told && receiver.tell_over => group.over.push(alert),
                Some(_) => {}
            }
        }
        for (key, (labels, group)) in groups {
            let last = known.groups.get(&(receiver.name.clone(), key.clone())).copied();
            let fresh = |alert: &Alert| !known.told.contains(&(receiver.name.clone(), alert.id));
            match group.due_ms(receiver, last.map(|(told_ms, _)| told_ms), fresh) {
                Some(due) if due <= now_ms => {
                    let sequence = last.map_or(1, |(_, sequence)| sequence + 1);
                    let (firing, over) = (ids(&group.firing), ids(&group.over));
                    let notice = group.notice(labels, fresh);
                    let receiver = receiver.name.clone();
                    plan.messages.push(Planned { receiver, group: key, sequence, notice, firing, over });
                }
                Some(due) => plan.again_at(due),
                None => {}
            }
        }
    }
    plan
}

impl Group<'_> {
    /// When its next message is due, if there is anything to tell.
    fn due_ms(
        &self,
        receiver: &Receiver,
        told_ms: Option<i64>,
        fresh: impl Fn(&Alert) -> bool,
    ) -> Option<i64> {
        let ms = |seconds: u32| i64::from(seconds) * 1000;
        let apart = told_ms.map_or(i64::MIN, |told| told.saturating_add(ms(receiver.group_interval_s)));
        let news = self.firing.iter().filter(|alert| fresh(alert)).map(|alert| {
            let waited = alert.fired_ms.saturating_add(ms(receiver.group_wait_s));
            if alert.severity == Severity::P1 { waited } else { waited.max(apart) }
        });
        let over = self
            .over
            .iter()
            .filter_map(|alert| alert.resolved_ms)
            .map(|resolved| resolved.saturating_add(ms(receiver.group_wait_s)).max(apart));
        let waits_for_somebody = self.firing.iter().any(|alert| alert.acknowledged_ms.is_none());
        let repeat = told_ms
            .filter(|_| waits_for_somebody)
            .map(|told| told.saturating_add(ms(receiver.repeat_interval_s)));
        news.chain(over).chain(repeat).min()
    }

    fn notice(&self, labels: BTreeMap<String, String>, fresh: impl Fn(&Alert) -> bool) -> Notice {
        let mut firing = self.firing.clone();
        // The worst first, and what is new before what was told before.
        firing.sort_by_key(|alert| (alert.severity, !fresh(alert), alert.id));
        let told = |alert: &&Alert| NoticeAlert::of(alert, fresh(alert));
        Notice::new(labels, firing.iter().map(told).collect(), self.over.iter().map(told).collect())
    }
}

impl Plan {
    fn again_at(&mut self, ms: i64) {
        self.next_ms = Some(self.next_ms.map_or(ms, |next| next.min(ms)));
    }
}

fn ids(alerts: &[&Alert]) -> Vec<i64> {
    alerts.iter().map(|alert| alert.id).collect()
}

/// Makes the messages that are due; gives when to plan again.
pub(super) fn carry_out(
    connection: &mut (dyn Connection + 'static),
    now_ms: i64,
) -> Result<Option<i64>, StoreError> {
    let plan = plan(&load(connection, now_ms)?, now_ms);
    for (receiver, alert) in &plan.forgotten {
        forget(connection, receiver, *alert)?;
    }
    for planned in &plan.messages {
        let notice = serde_json::to_string(&planned.notice)
            .unwrap_or_else(|error| unreachable!("a notice is JSON: {error}"));
        let made = connection.execute(
            "INSERT INTO delivery (receiver, group_labels, sequence, notice, created_ms, attempts, due_ms)
             VALUES ($1, $2, $3, $4, $5, 0, $5) ON CONFLICT (receiver, group_labels, sequence) DO NOTHING",
            values![&planned.receiver, &planned.group, planned.sequence, &notice, now_ms],
        )?;
        if made == 0 {
            // Another replica planned the same at the same time.
            continue;
        }
        connection.execute(
            "INSERT INTO alert_group (receiver, labels, sequence, told_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (receiver, labels) DO UPDATE SET sequence = $3, told_ms = $4",
            values![&planned.receiver, &planned.group, planned.sequence, now_ms],
        )?;
        for alert in &planned.firing {
            connection.execute(
                "INSERT INTO alert_told (receiver, alert) VALUES ($1, $2) ON CONFLICT (receiver, alert) DO NOTHING",
                values![&planned.receiver, alert],
            )?;
        }
        for alert in &planned.over {
            forget(connection, &planned.receiver, *alert)?;
        }
    }
    Ok(plan.next_ms)
}

fn forget(connection: &mut (dyn Connection + 'static), receiver: &str, alert: i64) -> Result<(), StoreError> {
    connection
        .execute("DELETE FROM alert_told WHERE receiver = $1 AND alert = $2", values![receiver, alert])?;
    Ok(())
}

fn load(connection: &mut (dyn Connection + 'static), now_ms: i64) -> Result<Known, StoreError> {
    let mut known = Known {
        receivers: receiver::all(connection)?,
        silences: silences::lasting(connection, now_ms)?,
        alerts: table::to_plan(connection)?,
        ..Known::default()
    };
    for row in connection.query("SELECT receiver, alert FROM alert_told", &[])? {
        known.told.insert((row.get(0)?, row.get(1)?));
    }
    for row in connection.query("SELECT receiver, labels, told_ms, sequence FROM alert_group", &[])? {
        known.groups.insert((row.get(0)?, row.get(1)?), (row.get(2)?, row.get(3)?));
    }
    Ok(known)
}

#[cfg(test)]
mod tests;
