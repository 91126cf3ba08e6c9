//! `GET /policies`: what is in force and its revisions; forms to try, save, roll back and release.

use std::sync::Arc;
use std::time::{Duration, Instant};

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, Redirect};
use serde::Deserialize;

use super::fault::PageFault;
use super::format::When;
use super::preferences::Language;
use super::session::Viewer;
use super::shell::{Place, Shell};
use crate::clock::now_ms;
use crate::http::Shared;
use crate::policies::in_force::Release;
use crate::policies::registry::{Change, Edit, RegistryError};
use crate::policies::revision::Revision;
use crate::policies::set::Texts;
use crate::policies::shadow::{Shadow, ShadowError, shadow};

/// Revisions on the page.
const REVISIONS: usize = 50;

/// How long is looked at what a change would have done.
const LOOK: Duration = Duration::from_secs(5);

#[derive(Template)]
#[template(path = "policies.html")]
struct PoliciesPage {
    shell: Shell,
    stable: i64,
    canary: Option<(i64, String)>,
    texts: Vec<(String, String)>,
    revisions: Vec<RevisionRow>,
}

/// A row of revisions.
struct RevisionRow {
    number: i64,
    author: String,
    at: When,
    message: String,
    source: String,
    hash: String,
    /// `enforce` for all, `canary` for some services, empty when it is not in force.
    force: &'static str,
}

impl RevisionRow {
    fn new(revision: &Revision, force: &'static str, now_ms: i64, language: Language) -> Self {
        Self {
            number: revision.number,
            author: revision.author.clone(),
            at: When::new(revision.created_ms, now_ms, language),
            message: revision.message.clone(),
            source: revision.source.clone(),
            hash: revision.sha256.chars().take(12).collect(),
            force,
        }
    }
}

/// The page.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
) -> Result<Html<String>, PageFault> {
    let (now, language) = (now_ms(), viewer.preferences.language);
    let (row, revisions, texts) = shared
        .ask(|reader| {
            let row = reader.policies_in_force()?;
            let texts = reader.policy_texts(row.stable)?;
            Ok((row, reader.policy_revisions(REVISIONS)?, texts))
        })
        .await?;
    let canary = row.canary.as_ref().map(|(number, release)| (*number, covered(release)));
    let force = |number: i64| match &canary {
        Some((canary, _)) if *canary == number => "canary",
        _ if number == row.stable => "enforce",
        _ => "",
    };
    let rows = revisions.iter().map(|it| RevisionRow::new(it, force(it.number), now, language)).collect();
    let page = PoliciesPage {
        shell: Shell::new(&viewer, Place::Policies, language.text().nav_policies),
        stable: row.stable,
        canary,
        texts: texts.into_iter().collect(),
        revisions: rows,
    };
    Ok(Html(page.render()?))
}

/// `10 %, pay, gateway`.
fn covered(release: &Release) -> String {
    let share = (release.share > 0.0).then(|| super::format::percent(release.share));
    let parts: Vec<String> = share.into_iter().chain(release.services.iter().cloned()).collect();
    parts.join(", ")
}

#[derive(Template)]
#[template(path = "policy_edit.html")]
struct EditPage {
    shell: Shell,
    name: String,
    body: String,
    message: String,
    share: String,
    /// The revision that the form is based on.
    expected: i64,
    mistakes: Option<String>,
    shadow: Option<Shadow>,
}

/// What may follow the `?` of the form.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    name: String,
}

/// The form to change a text, or to write a new one.
pub(crate) async fn edit(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>, PageFault> {
    let (expected, mut texts) = shared.ask(crate::store::Reader::policy_head).await?;
    let page = EditPage {
        shell: Shell::new(&viewer, Place::Policies, viewer.preferences.language.text().nav_policies),
        body: texts.remove(&wanted.name).unwrap_or_default(),
        name: wanted.name,
        message: String::new(),
        share: "100".to_owned(),
        expected,
        mistakes: None,
        shadow: None,
    };
    Ok(Html(page.render()?))
}

/// What the form holds.
#[derive(Debug, Deserialize)]
pub(crate) struct Draft {
    form_token: String,
    name: String,
    body: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    share: String,
    expected: i64,
}

impl Draft {
    /// Browsers end lines with two characters; policies are kept as people write them.
    fn edit(&self) -> Edit {
        Edit::Put(self.name.trim().to_owned(), self.body.replace("\r\n", "\n"))
    }

    fn page(self, viewer: &Viewer, looked: Result<Shadow, String>) -> Result<Html<String>, PageFault> {
        let (shadow, mistakes) = match looked {
            Ok(shadow) => (Some(shadow), None),
            Err(mistakes) => (None, Some(mistakes)),
        };
        let page = EditPage {
            shell: Shell::new(viewer, Place::Policies, viewer.preferences.language.text().nav_policies),
            name: self.name,
            body: self.body,
            message: self.message,
            share: self.share,
            expected: self.expected,
            mistakes,
            shadow,
        };
        Ok(Html(page.render()?))
    }
}

/// Says what a text would have done in the last hour, and changes nothing.
pub(crate) async fn try_out(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
    Form(draft): Form<Draft>,
) -> Result<Html<String>, PageFault> {
    viewer.may_change(&draft.form_token)?;
    let looked = match shared.policies.registry.preview(draft.edit(), None).await {
        Ok(texts) => look(&shared, texts).await?,
        Err(error) => Err(error.to_string()),
    };
    draft.page(&viewer, looked)
}

/// What texts would have done in the last hour, or what is wrong with them.
async fn look(shared: &Arc<Shared>, texts: Texts) -> Result<Result<Shadow, String>, PageFault> {
    let recent = tokio::time::timeout(LOOK, shared.policies.stream.recent()).await.ok().flatten();
    let end = Instant::now() + LOOK;
    let looked = shared.ask(move |reader| Ok(shadow(texts, recent.as_ref(), reader, now_ms(), end))).await?;
    match looked {
        Ok(shadow) => Ok(Ok(shadow)),
        Err(ShadowError::Set(error)) => Ok(Err(error.to_string())),
        Err(error) => Err(PageFault::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
    }
}

/// Saves a text as a new revision, for all services or a share of them.
pub(crate) async fn save(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
    Form(draft): Form<Draft>,
) -> Result<Result<Redirect, Html<String>>, PageFault> {
    viewer.may_change(&draft.form_token)?;
    let release = release_of(&draft.share)?;
    let change = change(&viewer, draft.edit(), Some(draft.expected), &draft.message, release);
    match shared.policies.registry.change(change, now_ms()).await {
        Ok(made) => Ok(Ok(Redirect::to(&format!("/policies/revisions/{}", made.revision.number)))),
        Err(RegistryError::Set(error)) => Ok(Err(draft.page(&viewer, Err(error.to_string()))?)),
        Err(error) => Err(error.into()),
    }
}

fn change(viewer: &Viewer, edit: Edit, expected: Option<i64>, message: &str, release: Release) -> Change {
    Change {
        edit,
        expected,
        author: viewer.name.clone(),
        message: message.chars().take(2_000).collect(),
        commit: String::new(),
        release,
    }
}

/// Hundredths of all services; nothing said is all of them.
fn release_of(share: &str) -> Result<Release, PageFault> {
    let share = share.trim();
    let hundredths: f64 = if share.is_empty() { Ok(100.0) } else { share.parse() }
        .ok()
        .filter(|hundredths| (0.0..=100.0).contains(hundredths))
        .ok_or_else(|| PageFault::new(StatusCode::UNPROCESSABLE_ENTITY, "the share goes from 0 to 100"))?;
    Ok(Release { share: hundredths / 100.0, services: Vec::new() })
}

#[derive(Template)]
#[template(path = "policy_revision.html")]
struct RevisionPage {
    shell: Shell,
    revision: RevisionRow,
    /// Class and text of each line.
    diff: Vec<(&'static str, String)>,
    texts: Vec<(String, String)>,
    shadow: Option<Shadow>,
}

/// A revision, its difference to the one before, and what it would have done.
pub(crate) async fn revision(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
    Path(number): Path<i64>,
) -> Result<Html<String>, PageFault> {
    let (now, language) = (now_ms(), viewer.preferences.language);
    let (found, row) =
        shared.ask(move |reader| Ok((reader.policy_revision(number)?, reader.policies_in_force()?))).await?;
    let Some((revision, texts, diff)) = found else {
        return Err(PageFault::nothing_there(format!("there is no revision {number} of the policies")));
    };
    let force = match &row.canary {
        Some((canary, _)) if *canary == number => "canary",
        _ if row.stable == number => "enforce",
        _ => "",
    };
    let page = RevisionPage {
        shell: Shell::new(&viewer, Place::Policies, format!("{} {number}", language.text().revision)),
        revision: RevisionRow::new(&revision, force, now, language),
        diff: diff.lines().map(|line| (line_class(line), line.to_owned())).collect(),
        shadow: look(&shared, texts.clone()).await?.ok(),
        texts: texts.into_iter().collect(),
    };
    Ok(Html(page.render()?))
}

fn line_class(line: &str) -> &'static str {
    match line.as_bytes().first() {
        Some(b'+') => "add",
        Some(b'-') => "del",
        Some(b'@') => "at",
        _ => "",
    }
}

/// What a form about a revision holds.
#[derive(Debug, Deserialize)]
pub(crate) struct About {
    form_token: String,
    #[serde(default)]
    share: String,
}

/// A new revision with the texts of an earlier one.
pub(crate) async fn roll_back(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
    Path(number): Path<i64>,
    Form(about): Form<About>,
) -> Result<Redirect, PageFault> {
    viewer.may_change(&about.form_token)?;
    let message = format!("Rollback to revision {number}");
    let change = change(&viewer, Edit::Rollback(number), None, &message, Release::ALL);
    let made = shared.policies.registry.change(change, now_ms()).await?;
    Ok(Redirect::to(&format!("/policies/revisions/{}", made.revision.number)))
}

/// Brings a revision into force for a share of services, or for all.
pub(crate) async fn release(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
    Path(number): Path<i64>,
    Form(about): Form<About>,
) -> Result<Redirect, PageFault> {
    viewer.may_change(&about.form_token)?;
    let release = release_of(&about.share)?;
    shared.policies.registry.release(number, release, viewer.actor(), now_ms()).await?;
    Ok(Redirect::to(&format!("/policies/revisions/{number}")))
}

impl From<RegistryError> for PageFault {
    fn from(error: RegistryError) -> Self {
        let status = match error {
            RegistryError::Store(error) => return error.into(),
            RegistryError::Conflict { .. } => StatusCode::CONFLICT,
            RegistryError::NoRevision(_) | RegistryError::NoPolicies(_) => StatusCode::NOT_FOUND,
            RegistryError::Set(_) | RegistryError::Share(_) => StatusCode::UNPROCESSABLE_ENTITY,
            RegistryError::Map(_) | RegistryError::Random(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_told_in_hundredths() {
        assert_eq!(release_of(" 10 ").map(|release| release.share).ok(), Some(0.1));
        assert!(release_of("").is_ok_and(|release| release.is_all()));
        assert!(release_of("101").is_err() && release_of("-1").is_err() && release_of("NaN").is_err());
        assert_eq!(covered(&Release { share: 0.1, services: vec!["pay".to_owned()] }), "10 %, pay");
    }
}
