//! `GET /causes/{id}`: a root cause with its evidence; `POST /causes/{id}/state`: what somebody says of it.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, Redirect};
use serde::Deserialize;
use serde_json::Value;

use super::causes::{CauseRow, state_name};
use super::exemplar::Exemplar;
use super::fault::PageFault;
use super::findings::FindingView;
use super::format::When;
use super::occurrences::Occurrences;
use super::preferences::Language;
use super::questions::SeenAt;
use super::session::Viewer;
use super::shell::{Choice, Place, Shell};
use super::stack;
use crate::audit;
use crate::causes::changes::set_state;
use crate::causes::rows::{CauseDetail, CauseFinding};
use crate::causes::state::{CauseState, StateChange};
use crate::clock::now_ms;
use crate::http::Shared;
use crate::store::FindingRow;

#[derive(Template)]
#[template(path = "cause.html")]
struct CausePage {
    shell: Shell,
    cause: CauseRow,
    confidence: String,
    score: String,
    note: String,
    changed_by: String,
    diagnosis: Diagnosis,
    exemplar: Exemplar,
    /// Which finding the exemplar is of.
    shown: String,
    rows: Vec<FindingView>,
    occurrences: Occurrences,
    history: Vec<HistoryRow>,
    states: Vec<Choice>,
}

/// What somebody said.
struct HistoryRow {
    at: When,
    state: String,
    state_name: String,
    version: String,
    note: String,
    by: String,
}

/// What a page shows of a cluster of `raceguard explain`.
#[derive(Debug, Default)]
struct Diagnosis {
    advice: Vec<String>,
    reasons: Vec<String>,
    /// From, to, why.
    links: Vec<(String, String, String)>,
    guard: Option<String>,
    blame: Option<String>,
    /// What, place, locks.
    statements: Vec<(String, String, String)>,
    tests: Vec<String>,
    fix: Option<String>,
    /// Name, points, why.
    score: Vec<(String, String, String)>,
}

/// The page.
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
    Path(id): Path<i64>,
) -> Result<Html<String>, PageFault> {
    let now = now_ms();
    let found = shared.ask(move |reader| {
        let Some(detail) = reader.cause(id, now)? else { return Ok(None) };
        let record = match telling(&detail.findings) {
            Some(finding) => reader.finding(&finding.fingerprint)?.map(|(_, record)| record),
            None => None,
        };
        Ok(Some((detail, record.unwrap_or_default())))
    });
    let Some((detail, record)) = found.await? else {
        return Err(PageFault::nothing_there(format!("there is no cause {id}")));
    };
    Ok(Html(page(&viewer, &detail, &record, now).render()?))
}

/// The finding that tells most: a race has two stacks, a crash one, a static finding none.
fn telling(findings: &[CauseFinding]) -> Option<&FindingRow> {
    let rank = |finding: &FindingRow| match finding.kind.as_str() {
        "race" => (2, finding.occurrences),
        "crash" => (1, finding.occurrences),
        _ => (0, finding.occurrences),
    };
    findings.iter().map(|it| &it.finding).max_by_key(|finding| rank(finding))
}

fn page(viewer: &Viewer, detail: &CauseDetail, record: &str, now: i64) -> CausePage {
    let language = viewer.preferences.language;
    let text = language.text();
    let cause = &detail.cause;
    let current = if cause.state == CauseState::Regressed { CauseState::Open } else { cause.state };
    let sayable = [CauseState::Open, CauseState::Acknowledged, CauseState::Fixed];
    let states = sayable.map(|state| (state.as_str(), state_name(state, text)));
    CausePage {
        shell: Shell::new(viewer, Place::Causes, &cause.title),
        cause: CauseRow::new(cause, now, language),
        confidence: format!("{:.0} %", cause.confidence * 100.0),
        score: format!("{:.0}", cause.score),
        note: cause.note.clone(),
        changed_by: cause.changed_by.clone(),
        diagnosis: Diagnosis::read(&detail.diagnosis),
        exemplar: Exemplar::read(record, text),
        shown: telling(&detail.findings).map(|finding| finding.fingerprint.clone()).unwrap_or_default(),
        rows: detail
            .findings
            .iter()
            .map(|finding| FindingView::new(&finding.finding, now, language))
            .collect(),
        occurrences: occurrences(detail, now, language),
        history: history(detail, now, language),
        states: Choice::all(&states, current.as_str()),
    }
}

fn occurrences(detail: &CauseDetail, now: i64, language: Language) -> Occurrences {
    let versions: Vec<SeenAt> = detail
        .versions
        .iter()
        .map(|count| SeenAt {
            service: count.service.clone(),
            version: count.version.clone(),
            instance: String::new(),
            environment: String::new(),
            occurrences: count.occurrences,
            first_ms: count.first_ms,
            last_ms: count.last_ms,
        })
        .collect();
    let instances: Vec<SeenAt> = detail
        .instances
        .iter()
        .map(|count| SeenAt {
            service: count.service.clone(),
            version: String::new(),
            instance: count.instance.clone(),
            environment: count.environment.clone(),
            occurrences: count.occurrences,
            first_ms: count.first_ms,
            last_ms: count.last_ms,
        })
        .collect();
    let hours = Occurrences::hours(&detail.hours, now);
    Occurrences::new(&hours, &versions, &instances, now, language)
}

fn history(detail: &CauseDetail, now: i64, language: Language) -> Vec<HistoryRow> {
    let events = detail.history.iter();
    let name = |state: &str| match CauseState::named(state) {
        Some(known) => state_name(known, language.text()).to_owned(),
        None => state.to_owned(),
    };
    events
        .map(|event| HistoryRow {
            at: When::new(event.at_ms, now, language),
            state_name: name(&event.state),
            state: event.state.clone(),
            version: event.version.clone(),
            note: event.note.clone(),
            by: event.by.clone(),
        })
        .collect()
}

impl Diagnosis {
    /// Reads the JSON of a cluster; what is not there is left out.
    fn read(cluster: &Value) -> Self {
        let statements = list(&cluster["statements"]);
        let statement = |index: &Value| {
            index.as_u64().and_then(|index| statements.get(usize::try_from(index).ok()?)).map(place)
        };
        let links = list(&cluster["links"])
            .iter()
            .map(|link| (node(&link["from"], cluster), node(&link["to"], cluster), text(&link["reason"])));
        let score = list(&cluster["score"]["parts"]).iter().map(|part| {
            let points = format!("{:.1}", part["points"].as_f64().unwrap_or_default());
            (text(&part["name"]), points, text(&part["reason"]))
        });
        let blame = &cluster["blame"];
        let wrong = statement(&blame["statement"]);
        Self {
            advice: texts(&cluster["advice"]),
            reasons: texts(&cluster["reasons"]),
            links: links.collect(),
            guard: guard(&cluster["guard"]),
            blame: wrong.map(|place| format!("{place}: {}", text(&blame["reason"]))),
            statements: statements.iter().map(described).collect(),
            tests: list(&cluster["tests"]).iter().map(test).collect(),
            fix: cluster["fix"]["title"].as_str().map(str::to_owned),
            score: score.collect(),
        }
    }
}

fn guard(guard: &Value) -> Option<String> {
    let (held, missing) = (texts(&guard["held_in"]).join(", "), texts(&guard["missing_in"]).join(", "));
    let lock = guard["lock"].as_str()?;
    Some(if missing.is_empty() {
        format!("{lock} ✓ {held}")
    } else {
        format!("{lock} ✓ {held} ✗ {missing}")
    })
}

/// What a link leads to, in words.
fn node(node: &Value, cluster: &Value) -> String {
    let at = |name: &str| node[name].as_u64().and_then(|index| usize::try_from(index).ok());
    if let Some(member) = at("member") {
        return text(&cluster["members"][member]["headline"]);
    }
    if let Some(statement) = at("statement") {
        return place(&cluster["statements"][statement]);
    }
    let name = node["lock"].as_str().or_else(|| node["operation"].as_str());
    match name {
        Some(name) => format!("{name}: {}", text(&node["text"])),
        None => text(&node["text"]),
    }
}

fn place(statement: &Value) -> String {
    let line = u32::try_from(statement["line"].as_u64().unwrap_or_default()).unwrap_or_default();
    stack::place(statement["file"].as_str().unwrap_or_default(), line)
}

fn described(statement: &Value) -> (String, String, String) {
    let function = text(&statement["function"]);
    let function = function.rsplit('/').next().unwrap_or_default().to_owned();
    let what = text(&statement["operation"]).replace('-', " ");
    (format!("{what} · {function}"), place(statement), texts(&statement["locks"]).join(", "))
}

fn test(test: &Value) -> String {
    match test["test"].as_str() {
        Some(name) => format!("{} {name}", text(&test["package"])),
        None => text(&test["package"]),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(text).collect()
}

/// What the form holds.
#[derive(Debug, Deserialize)]
pub(crate) struct Said {
    form_token: String,
    state: CauseState,
    #[serde(default)]
    version: String,
    #[serde(default)]
    note: String,
}

/// Takes what somebody says.
pub(crate) async fn say(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
    Path(id): Path<i64>,
    Form(said): Form<Said>,
) -> Result<Redirect, PageFault> {
    viewer.may_change(&said.form_token)?;
    // A form always sends the field; it means something for one state only. Browsers end lines with two characters.
    let version = if said.state == CauseState::Fixed { said.version } else { String::new() };
    let change = StateChange { state: said.state, version, note: said.note.replace("\r\n", "\n") }.checked();
    let change =
        change.map_err(|error| PageFault::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
    let (by, actor) = (viewer.name.clone(), viewer.actor());
    let changed = shared.writer.change(move |connection| {
        let changed = set_state(connection, id, &change, &by, now_ms())?;
        if let Some(id) = changed {
            let detail =
                serde_json::json!({"state": change.state, "version": change.version, "note": change.note});
            audit::record(connection, &actor, "cause.state", &id.to_string(), &detail.to_string())?;
        }
        Ok(changed)
    });
    let changed = changed.await?;
    let Some(id) = changed else { return Err(PageFault::nothing_there(format!("there is no cause {id}"))) };
    let live = Arc::clone(&shared.live);
    shared.ask(move |reader| live.reload(reader)).await?;
    shared.events.publish("notice", &serde_json::json!({ "cause": id }));
    Ok(Redirect::to(&format!("/causes/{id}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cluster_is_read_into_words() {
        let cluster = json!({
            "advice": ["lock it"],
            "guard": {"lock": "(*T).mu", "held_in": ["T.Put"], "missing_in": ["T.Get"]},
            "blame": {"statement": 0, "reason": "it holds no lock"},
            "statements": [{"function": "example.com/m/pkg.(*T).Get", "file": "/home/u/m/pkg/t.go", "line": 7,
                "operation": "map-lookup", "locks": []}],
            "members": [{"headline": "a race"}],
            "links": [{"from": {"kind": "member", "member": 0}, "to": {"kind": "statement", "statement": 0}, "reason": "it stops there"},
                {"from": {"kind": "member", "member": 9}, "to": {"kind": "lock-profile", "lock": "mu", "text": "3 waits"}, "reason": "same lock"}],
        });
        let read = Diagnosis::read(&cluster);
        assert_eq!(read.guard.as_deref(), Some("(*T).mu ✓ T.Put ✗ T.Get"));
        assert_eq!(read.blame.as_deref(), Some("pkg/t.go:7: it holds no lock"));
        assert_eq!(read.links[0], ("a race".into(), "pkg/t.go:7".into(), "it stops there".into()));
        assert_eq!(read.links[1].1, "mu: 3 waits");
        assert_eq!(read.statements[0].0, "map lookup · pkg.(*T).Get");
        let nothing = Diagnosis::read(&Value::Null);
        assert!(nothing.advice.is_empty() && nothing.fix.is_none());
    }
}
