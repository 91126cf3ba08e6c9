//! What is around every page: title, navigation, who is logged in, language and colours.

use super::assets;
use super::preferences::{Language, Preferences, Theme};
use super::session::Viewer;
use super::text::Text;

/// A place in the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Overview,
    Causes,
    Services,
    Locks,
    Alerts,
    Policies,
    Findings,
    Ingest,
    Audit,
    None,
}

/// One of several things that a reader can choose.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) name: &'static str,
    pub(super) is_chosen: bool,
}

impl Choice {
    /// Choices with value and name, of which one is chosen.
    pub(super) fn all(choices: &[(&'static str, &'static str)], chosen: &str) -> Vec<Self> {
        let choices = choices.iter();
        choices.map(|&(value, name)| Self { value, name, is_chosen: value == chosen }).collect()
    }
}

/// What the template `shell.html` shows around a page.
#[derive(Debug)]
pub(super) struct Shell {
    pub(super) title: String,
    pub(super) text: &'static Text,
    pub(super) language: Language,
    pub(super) theme: Theme,
    /// Where style and scripts lie.
    pub(super) assets: String,
    pub(super) viewer: Option<Viewer>,
    /// The last event that the page knows.
    pub(super) after: String,
    place: Place,
    /// Path of the page, with a query that another parameter can follow.
    pub(super) address: String,
}

impl Shell {
    /// Around a page for somebody who is logged in.
    pub(super) fn new(viewer: &Viewer, place: Place, title: impl Into<String>) -> Self {
        let address = address(&viewer.address);
        Self {
            viewer: Some(viewer.clone()),
            after: viewer.after.clone(),
            place,
            address,
            ..Self::bare(viewer.preferences, title)
        }
    }

    /// Around a page for somebody who need not be.
    pub(super) fn bare(preferences: Preferences, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            text: preferences.language.text(),
            language: preferences.language,
            theme: preferences.theme,
            assets: assets::base(),
            viewer: None,
            after: String::new(),
            place: Place::None,
            address: "?".to_owned(),
        }
    }

    /// Whether forms that change something are shown.
    pub(super) fn is_admin(&self) -> bool {
        self.viewer.as_ref().is_some_and(Viewer::is_admin)
    }

    /// What each form carries.
    pub(super) fn form_token(&self) -> &str {
        self.viewer.as_ref().map_or("", |viewer| &viewer.form_token)
    }

    /// The colours.
    pub(super) fn themes(&self) -> Vec<Choice> {
        let text = self.text;
        let themes = [("system", text.theme_system), ("light", text.theme_light), ("dark", text.theme_dark)];
        Choice::all(&themes, self.theme.as_str())
    }

    /// The places, each with address and name.
    pub(super) fn places(&self) -> Vec<(&'static str, &'static str, bool)> {
        let text = self.text;
        let places = [
            (Place::Overview, "/", text.nav_overview),
            (Place::Causes, "/causes", text.nav_causes),
            (Place::Services, "/services", text.nav_services),
            (Place::Locks, "/locks", text.nav_locks),
            (Place::Alerts, "/alerts", text.nav_alerts),
            (Place::Policies, "/policies", text.nav_policies),
            (Place::Findings, "/findings", text.nav_findings),
            (Place::Ingest, "/ingest", text.nav_ingest),
            (Place::Audit, "/audit", text.nav_audit),
        ];
        let places = places.into_iter().filter(|(place, ..)| *place != Place::Audit || self.is_admin());
        places.map(|(place, address, name)| (address, name, place == self.place)).collect()
    }
}

/// Path and query without language and theme, ready for one of them.
fn address(uri: &axum::http::Uri) -> String {
    let mut address = format!("{}?", uri.path());
    for pair in uri.query().unwrap_or_default().split('&') {
        if !pair.is_empty() && !pair.starts_with("lang=") && !pair.starts_with("theme=") {
            address.push_str(pair);
            address.push('&');
        }
    }
    address
}
