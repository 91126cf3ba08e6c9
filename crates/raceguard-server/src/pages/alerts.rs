//! `GET /alerts`: what fires and what is silenced; forms to acknowledge and to silence.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, Redirect};
use serde::Deserialize;

use super::fault::PageFault;
use super::format::{When, grouped};
use super::preferences::Language;
use super::session::Viewer;
use super::shell::{Place, Shell};
use crate::alerts::{Alert, Delivery, NewSilence, Silence};
use crate::clock::now_ms;
use crate::http::Shared;

/// Alerts and messages on the page.
const ALERTS: usize = 100;
const DELIVERIES: usize = 20;

const HOUR_MS: i64 = 3_600_000;

/// What may follow the `?`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Filter {
    #[serde(default)]
    all: String,
}

#[derive(Template)]
#[template(path = "alerts.html")]
struct AlertsPage {
    shell: Shell,
    with_resolved: bool,
    alerts: Vec<AlertRow>,
    silences: Vec<SilenceRow>,
    deliveries: Vec<DeliveryRow>,
}

/// A row of alerts.
pub(super) struct AlertRow {
    pub(super) id: i64,
    pub(super) severity: &'static str,
    pub(super) title: String,
    pub(super) text: String,
    pub(super) labels: Vec<(String, String)>,
    /// All labels as a silence would name them.
    pub(super) matcher: String,
    pub(super) link: String,
    pub(super) fired: When,
    pub(super) last: When,
    pub(super) firings: String,
    pub(super) resolved: Option<When>,
    pub(super) acknowledged_by: Option<String>,
}

struct SilenceRow {
    id: i64,
    matcher: String,
    reason: String,
    author: String,
    ends: String,
}

struct DeliveryRow {
    receiver: String,
    at: When,
    attempts: u64,
    /// `ok`, `warn`, `bad`.
    class: &'static str,
    state: &'static str,
    error: String,
}

impl AlertRow {
    pub(super) fn new(alert: &Alert, now_ms: i64, language: Language) -> Self {
        let when = |at: i64| When::new(at, now_ms, language);
        // A link of an alert is a path on this server; whatever else it is leads nowhere.
        let is_path = alert.link.starts_with('/') && !alert.link.starts_with("//");
        Self {
            id: alert.id,
            severity: alert.severity.as_str(),
            title: alert.title.clone(),
            text: alert.text.clone(),
            labels: alert.labels.clone().into_iter().collect(),
            matcher: matcher(&alert.labels),
            link: if is_path { alert.link.clone() } else { String::new() },
            fired: when(alert.fired_ms),
            last: when(alert.last_ms),
            firings: grouped(alert.firings),
            resolved: alert.resolved_ms.map(when),
            acknowledged_by: alert.acknowledged_by.clone(),
        }
    }
}

/// `service=pay, policy=p`.
fn matcher(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join(", ")
}

/// The labels of `service=pay, policy=p`.
fn labels_of(matcher: &str) -> Option<BTreeMap<String, String>> {
    let pairs = matcher.split([',', '\n']).map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            pair.split_once('=').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        })
        .collect()
}

/// The page.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
    Query(filter): Query<Filter>,
) -> Result<Html<String>, PageFault> {
    let (now, language) = (now_ms(), viewer.preferences.language);
    let with_resolved = !filter.all.is_empty();
    let (alerts, silences, deliveries) = shared
        .ask(move |reader| {
            Ok((reader.alerts(with_resolved, ALERTS)?, reader.silences(now)?, reader.deliveries(DELIVERIES)?))
        })
        .await?;
    let page = AlertsPage {
        shell: Shell::new(&viewer, Place::Alerts, language.text().nav_alerts),
        with_resolved,
        alerts: alerts.iter().map(|alert| AlertRow::new(alert, now, language)).collect(),
        silences: silences.iter().map(silence_row).collect(),
        deliveries: deliveries.iter().map(|delivery| delivery_row(delivery, now, language)).collect(),
    };
    Ok(Html(page.render()?))
}

fn silence_row(silence: &Silence) -> SilenceRow {
    SilenceRow {
        id: silence.id,
        matcher: matcher(&silence.labels),
        reason: silence.reason.clone(),
        author: silence.author.clone(),
        ends: When::new(silence.ends_ms, silence.ends_ms, Language::English).utc,
    }
}

fn delivery_row(delivery: &Delivery, now: i64, language: Language) -> DeliveryRow {
    let text = language.text();
    let (class, state) = match (delivery.sent_ms, delivery.given_up_ms) {
        (Some(_), _) => ("ok", text.delivered),
        (None, Some(_)) => ("bad", text.given_up),
        (None, None) => ("warn", text.to_be_sent),
    };
    DeliveryRow {
        receiver: delivery.receiver.clone(),
        at: When::new(delivery.sent_ms.unwrap_or(delivery.created_ms), now, language),
        attempts: delivery.attempts,
        class,
        state,
        error: delivery.last_error.clone().unwrap_or_default(),
    }
}

/// What a form that holds nothing else holds.
#[derive(Debug, Deserialize)]
pub(crate) struct Act {
    form_token: String,
}

/// Somebody looks at an alert.
pub(crate) async fn acknowledge(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
    Path(id): Path<i64>,
    Form(act): Form<Act>,
) -> Result<Redirect, PageFault> {
    viewer.may_change(&act.form_token)?;
    if !shared.alerts.acknowledge(id, &viewer.name, now_ms()).await? {
        return Err(PageFault::nothing_there(format!("there is no open alert {id}")));
    }
    Ok(Redirect::to("/alerts"))
}

/// What the form of a silence holds.
#[derive(Debug, Deserialize)]
pub(crate) struct Silencing {
    form_token: String,
    labels: String,
    hours: i64,
    reason: String,
}

/// Nobody is told of alerts with these labels for a time.
pub(crate) async fn silence(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
    Form(silencing): Form<Silencing>,
) -> Result<Redirect, PageFault> {
    viewer.may_change(&silencing.form_token)?;
    let refused = |why: String| PageFault::new(StatusCode::UNPROCESSABLE_ENTITY, why);
    let labels = labels_of(&silencing.labels)
        .ok_or_else(|| refused("labels are written NAME=VALUE, with commas between them".to_owned()))?;
    let now = now_ms();
    let silence = NewSilence {
        labels,
        reason: silencing.reason,
        author: viewer.name.clone(),
        starts_ms: now,
        ends_ms: now.saturating_add(silencing.hours.saturating_mul(HOUR_MS)),
    };
    let silence = silence.checked().map_err(|error| refused(error.to_string()))?;
    shared.alerts.silence(silence).await?;
    Ok(Redirect::to("/alerts"))
}

/// Ends a silence.
pub(crate) async fn end_silence(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
    Path(id): Path<i64>,
    Form(act): Form<Act>,
) -> Result<Redirect, PageFault> {
    viewer.may_change(&act.form_token)?;
    if !shared.alerts.end_silence(id, &viewer.name, now_ms()).await? {
        return Err(PageFault::nothing_there(format!("there is no silence {id} that lasts")));
    }
    Ok(Redirect::to("/alerts"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_as_they_are_shown() {
        let labels = labels_of(" service=pay,policy = a=b\n").expect("they are labels");
        assert_eq!(matcher(&labels), "policy=a=b, service=pay");
        assert_eq!(labels_of("service"), None);
        assert!(labels_of("").is_some_and(|labels| labels.is_empty()));
    }
}
