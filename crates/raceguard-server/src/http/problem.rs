//! Errors as clients get them: a status, and one sentence that says what happened and what to do next.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::alerts::BadSilence;
use crate::alerts::receiver::BadReceiver;
use crate::origin::BadName;
use crate::store::StoreError;
use crate::token::Role;

/// Why a request got no answer.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    message: String,
    retry_after: Option<Duration>,
}

/// When to send again after a status that says so, if nothing else is known.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(1);

impl Problem {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let retry_after = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        Self { status, message: message.into(), retry_after: retry_after.then_some(RETRY_AFTER_DEFAULT) }
    }

    /// The same, with the time after which sending again may help.
    pub(crate) fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What happened, and what to do next.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the request names does not exist.
    pub(super) fn not_there(what: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no {what}"))
    }

    /// [`Self::not_there`] when it was not found.
    pub(super) fn unless(found: bool, what: impl std::fmt::Display) -> Result<(), Self> {
        if found { Ok(()) } else { Err(Self::not_there(what)) }
    }

    pub(super) fn no_token() -> Self {
        let message = "no token; send Authorization: Bearer TOKEN (raceguard token add NAME makes one)";
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    pub(super) fn unknown_token() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "this token is unknown or was revoked")
    }

    pub(super) fn forbidden(role: Role, needed: Role) -> Self {
        let message =
            format!("this token may {}, the request needs one that may {}", role.as_str(), needed.as_str());
        Self::new(StatusCode::FORBIDDEN, message)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "error": self.message }))).into_response();
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let bearer = const { HeaderValue::from_static("Bearer") };
            response.headers_mut().insert(WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let status = match error {
            StoreError::Busy => StatusCode::TOO_MANY_REQUESTS,
            StoreError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            StoreError::TokenName(_) => StatusCode::CONFLICT,
            StoreError::UnknownToken(_) => StatusCode::NOT_FOUND,
            StoreError::NotWritten { .. } => StatusCode::INSUFFICIENT_STORAGE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl From<BadName> for Problem {
    fn from(error: BadName) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
    }
}

impl From<BadSilence> for Problem {
    fn from(error: BadSilence) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
    }
}

impl From<BadReceiver> for Problem {
    fn from(error: BadReceiver) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
    }
}

macro_rules! from_rejection {
    ($($rejection:ty),*) => { $(
        impl From<$rejection> for Problem {
            fn from(rejection: $rejection) -> Self {
                Self::new(rejection.status(), rejection.body_text())
            }
        }
    )* };
}

from_rejection!(QueryRejection, PathRejection, JsonRejection);

/// The answer where there is nothing.
pub(super) async fn no_such_place(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", uri.path()))
}

/// The answer where there is something, but not for this method.
pub(super) async fn no_such_method(method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} takes no {method}", uri.path()))
}
