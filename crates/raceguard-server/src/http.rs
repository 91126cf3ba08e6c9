//! What the server answers over HTTP.
//!
//! | request | role | answer |
//! |---|---|---|
//! | `POST /v1/evidence` | write | [`evidence`] |
//! | `POST /v1/raw` | write | [`raw`] |
//! | `POST /v1/traces`, `/v1/metrics`, `/v1/logs` | write | [`otlp`] |
//! | `GET /v1/findings` | read | [`findings`] |
//! | `GET /events` | read | [`events`] |
//! | `/v1/alerts`, `/v1/silences`, `/v1/receivers`, `/v1/deliveries` | read, admin to change | [`alerts`] |
//! | `/v1/causes`, `/v1/services`, `/v1/live/maps` | read, admin to change a state | [`causes`] |
//! | `/v1/bundles` | read, admin to make one | [`bundles`] |
//! | `GET /v1/slts`, `GET /v1/slo`, `GET /v1/locks` | read | [`windows`] |
//! | `GET /v1/audit`, `/v1/tokens` | admin | [`audit`], [`tokens`] |
//! | `/v1/queue/set-aside` and below | admin | [`queue`] |
//! | `GET /metrics` | read, or none | [`metrics`] |
//! | `/v1/policies` and below | read, admin to change | [`policies`] |
//! | `/v1/agent/…`, `/v1/builds/…`, `/v1/quarantine`, `/v1/tickets`, `/v1/firings` | see there | [`agent`] |
//! | `GET /healthz`, `GET /readyz` | none | [`health`] |
//!
//! All else under `/` are the pages ([`pages`]), which have sessions in the place of tokens.
//!
//! Every error is `{"error": "what happened and what to do next"}` ([`problem`]).

mod agent;
mod alerts;
mod audit;
mod bundles;
mod causes;
mod events;
mod evidence;
mod findings;
mod health;
mod metrics;
mod otlp;
mod pages;
mod policies;
mod problem;
mod queue;
mod raw;
mod tokens;
mod windows;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::routing::{get, post};

pub(crate) use bundles::file as bundle_file;
pub use problem::Problem;

use crate::alerts::Alerts;
use crate::cluster::Cluster;
use crate::destination::Destination;
use crate::events::Events;
use crate::intake::{Intake, Refusal};
use crate::limits::{Limits, TokenKey};
use crate::live::Live;
use crate::policies::Policies;
use crate::store::{Reader, StoreError, Writer};
use crate::token::known::KnownTokens;
use crate::token::{Holder, Role, Token};

/// What every request has at hand.
#[derive(Debug)]
pub struct Shared {
    /// Where batches go.
    pub destination: Destination,
    /// Makes all other changes.
    pub writer: Writer,
    /// Answers questions.
    pub reader: Reader,
    /// What is known without asking.
    pub live: Arc<Live>,
    /// Takes alerts.
    pub alerts: Alerts,
    /// Tokens that were seen a moment ago.
    pub tokens: Arc<KnownTokens>,
    /// What is in force, and what becomes of evidence.
    pub policies: Policies,
    /// The URL under which people reach this server, for links in messages.
    pub external_url: Option<String>,
    /// What strangers may send.
    pub limits: Limits,
    /// Whether pages are reached by TLS alone.
    pub is_secure: bool,
    /// The other replicas, where there are any.
    pub cluster: Option<Arc<Cluster>>,
    /// Whether metrics need no token.
    pub metrics_open: bool,
    /// Sends live updates.
    pub events: Arc<Events>,
    /// What they sent.
    pub intake: Arc<Intake>,
}

/// All routes.
pub fn routes(shared: Arc<Shared>) -> Router {
    let body = shared.limits.body;
    Router::new()
        .route("/v1/evidence", post(evidence::take))
        .route("/v1/raw", post(raw::take))
        .route("/v1/traces", post(otlp::traces))
        .route("/v1/metrics", post(otlp::metrics))
        .route("/v1/logs", post(otlp::logs))
        .route("/v1/findings", get(findings::list))
        .merge(alerts::routes())
        .merge(causes::routes())
        .merge(windows::routes())
        .merge(bundles::routes())
        .merge(audit::routes())
        .merge(tokens::routes())
        .merge(queue::routes())
        .route("/metrics", get(metrics::page))
        .merge(policies::routes())
        .merge(agent::routes())
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/events", get(events::listen))
        .merge(pages::routes())
        .fallback(problem::no_such_place)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(DefaultBodyLimit::max(body))
        .with_state(shared)
}

impl Shared {
    /// Who sends a request: the holder of a token that may write, who did not send too much before.
    pub(crate) async fn sender(self: &Arc<Self>, headers: &HeaderMap) -> Result<TokenKey, Refusal> {
        self.authorize(headers, Role::Write).await?;
        let token = bearer(headers).ok_or_else(Problem::no_token)?;
        let key = TokenKey::of_hash(&token.hash());
        self.intake.check(key)?;
        Ok(key)
    }

    /// Who sends the request, if the holder of its token may do what `needed` may.
    async fn authorize(self: &Arc<Self>, headers: &HeaderMap, needed: Role) -> Result<Holder, Problem> {
        let token = bearer(headers).ok_or_else(Problem::no_token)?;
        let holder = if let Some(holder) = self.tokens.fresh(&token) {
            Some(holder)
        } else {
            let tokens = Arc::clone(&self.tokens);
            self.ask(move |reader| tokens.ask(reader, &token)).await?
        };
        match holder {
            None => Err(Problem::unknown_token()),
            Some(holder) if holder.role.covers(needed) => Ok(holder),
            Some(holder) => Err(Problem::forbidden(holder.role, needed)),
        }
    }

    /// Asks the store on a thread that may block.
    pub(crate) async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        Ok(self.question(question).await?)
    }

    /// The same, for what runs beside the requests.
    pub(crate) async fn question<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(self);
        let answer = tokio::task::spawn_blocking(move || question(&shared.reader)).await;
        answer.map_err(|_| StoreError::Stopping)?
    }
}

/// The token of a request.
fn bearer(headers: &HeaderMap) -> Option<Token> {
    headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(Token::of_header)
}
