//! What went wrong, as a page.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use super::preferences::Preferences;
use super::shell::Shell;
use crate::http::Problem;
use crate::store::StoreError;

/// Why there is no page. It is put into words of the reader's language where the response leaves.
#[derive(Debug, Clone)]
pub(crate) struct PageFault {
    status: StatusCode,
    message: String,
}

impl PageFault {
    /// A fault with a sentence on what happened and what to do next.
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// There is no such thing.
    pub(super) fn nothing_there(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what)
    }

    pub(super) fn foreign_form() -> Self {
        let message = "the form is not of this session; reload the page and send it again";
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub(super) fn admins_only() -> Self {
        Self::new(StatusCode::FORBIDDEN, "this takes a token that may admin; log in with one")
    }

    /// The page that says so.
    pub(crate) fn page(&self, preferences: Preferences) -> Response {
        let page = FaultPage {
            shell: Shell::bare(preferences, self.status.canonical_reason().unwrap_or_default()),
            status: self.status.as_u16(),
            message: &self.message,
        };
        match page.render() {
            Ok(page) => (self.status, Html(page)).into_response(),
            Err(_) => (self.status, self.message.clone()).into_response(),
        }
    }
}

#[derive(Template)]
#[template(path = "fault.html")]
struct FaultPage<'a> {
    shell: Shell,
    status: u16,
    message: &'a str,
}

impl IntoResponse for PageFault {
    /// The bare status, with the fault beside it for the layer that makes a page of it.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Problem> for PageFault {
    fn from(problem: Problem) -> Self {
        let (status, message) = problem.parts();
        Self { status, message }
    }
}

impl From<StoreError> for PageFault {
    fn from(error: StoreError) -> Self {
        Problem::from(error).into()
    }
}

impl From<askama::Error> for PageFault {
    fn from(error: askama::Error) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the page could not be made: {error}"))
    }
}
