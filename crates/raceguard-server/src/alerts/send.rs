//! Sends what is planned, and tries again what did not arrive: at distances that double, for a day.
//!
//! Whoever takes a message moves its next try on first, so that with several replicas one of them sends it. A message whose
//! arrival could not be written down is sent twice; its number, in the header `Raceguard-Delivery`, is the same.

use std::collections::HashMap;
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::message::{self, Message, Notice};
use super::receiver::{self, Receiver};
use super::table::{self, Delivery, Outcome};
use super::{Alerts, cut, plan};
use crate::clock::now_ms;
use crate::store::{StoreError, Writer};

/// How long a receiver may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// For how long nobody else takes a message that is being sent, in milliseconds: well over [`TIMEOUT`].
const LEASE_MS: i64 = 60_000;

/// Messages on their way at once.
const AT_ONCE: usize = 8;

/// The second try comes after this long, in milliseconds; each further one after twice as long, up to [`FARTHEST_MS`].
const NEAREST_MS: i64 = 1_000;
const FARTHEST_MS: i64 = 600_000;

/// After how long a message is given up, in milliseconds.
const GIVE_UP_MS: i64 = 24 * 3_600_000;

/// Time to look again although nothing says so.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// Bytes of a receiver's answer that are read.
const ANSWER_BYTES: u64 = 64 << 10;

/// What was sent, since the server started.
#[derive(Debug, Default)]
pub struct SendCounters {
    /// Messages that arrived.
    pub sent: AtomicU64,
    /// Tries that failed.
    pub failed: AtomicU64,
    /// Messages that were given up.
    pub given_up: AtomicU64,
}

/// Plans and sends.
#[derive(Debug)]
pub struct Sender {
    writer: Writer,
    changed: Arc<Notify>,
    agent: ureq::Agent,
    base: Option<String>,
    counters: Arc<SendCounters>,
}

impl Sender {
    /// Sends the alerts that are kept there. `base` is the URL under which people reach this server.
    pub fn new(alerts: &Alerts, base: Option<String>) -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            // A webhook that moved is to be set anew: following it would take its secrets elsewhere.
            .max_redirects(0)
            .user_agent(concat!("raceguard/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            writer: alerts.writer.clone(),
            changed: Arc::clone(&alerts.changed),
            agent: agent.into(),
            base: base.map(|base| base.trim_end_matches('/').to_owned()),
            counters: Arc::clone(&alerts.counters),
        }
    }

    /// Plans and sends until it is told to stop; what is on its way then is waited for.
    pub async fn run(self, stop: CancellationToken) -> Result<(), StoreError> {
        while !stop.is_cancelled() {
            let wait = match self.round().await {
                Ok(wait) => wait,
                Err(StoreError::Stopping) => return Ok(()),
                // The disk may be full, or the database away: nothing is lost, and it may be better later.
                Err(_) => Duration::from_secs(5),
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.changed.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        Ok(())
    }

    /// Makes the messages that are due and sends them; gives how long there is nothing to do.
    async fn round(&self) -> Result<Duration, StoreError> {
        let now = now_ms();
        let (next_plan, due, receivers) = self
            .writer
            .change(move |connection| {
                let next = plan::carry_out(connection, now)?;
                let due = table::take_due(connection, now, LEASE_MS, AT_ONCE)?;
                let receivers = if due.is_empty() { Vec::new() } else { receiver::all(connection)? };
                Ok((next, due, receivers))
            })
            .await?;
        let full = due.len() == AT_ONCE;
        self.send_all(due, receivers).await?;
        if full {
            return Ok(Duration::ZERO);
        }
        let next_try = self.writer.change(table::next_due).await?;
        let next = next_plan.into_iter().chain(next_try).min();
        let wait = next.map_or(LOOK_AGAIN, |next| {
            Duration::from_millis(u64::try_from(next.saturating_sub(now_ms())).unwrap_or(0))
        });
        Ok(wait.min(LOOK_AGAIN))
    }

    async fn send_all(&self, due: Vec<Delivery>, receivers: Vec<Receiver>) -> Result<(), StoreError> {
        let receivers: HashMap<String, Arc<Receiver>> =
            receivers.into_iter().map(|receiver| (receiver.name.clone(), Arc::new(receiver))).collect();
        let mut sending = JoinSet::new();
        for delivery in due {
            let Some(receiver) = receivers.get(&delivery.receiver).map(Arc::clone) else { continue };
            let (agent, base) = (self.agent.clone(), self.base.clone());
            sending.spawn_blocking(move || {
                let sent = send(&agent, &receiver, &delivery, base.as_deref());
                (delivery, sent)
            });
        }
        while let Some(sent) = sending.join_next().await {
            let Ok((delivery, sent)) = sent else { continue };
            let outcome = outcome(&delivery, sent, now_ms());
            self.counters.count(&outcome);
            self.writer
                .change(move |connection| table::settle(connection, delivery.id, &outcome, now_ms()))
                .await?;
        }
        Ok(())
    }
}

impl SendCounters {
    fn count(&self, outcome: &Outcome) {
        let counter = match outcome {
            Outcome::Sent => &self.sent,
            Outcome::Again { .. } => &self.failed,
            Outcome::GivenUp { .. } => &self.given_up,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a try comes to.
fn outcome(delivery: &Delivery, sent: Result<(), String>, now_ms: i64) -> Outcome {
    let Err(why) = sent else { return Outcome::Sent };
    if now_ms.saturating_sub(delivery.created_ms) > GIVE_UP_MS {
        return Outcome::GivenUp { why };
    }
    let doublings = delivery.attempts.saturating_sub(1).min(20);
    let distance = (NEAREST_MS << doublings).min(FARTHEST_MS);
    // Spread over a fifth, so that what failed together does not come back together.
    let spread = delivery.id.wrapping_mul(7_919).rem_euclid(200);
    Outcome::Again { at_ms: now_ms + distance + distance * spread / 1_000, why }
}

/// Sends a message once, or says why it did not arrive. Nothing that it says holds the webhook's URL.
fn send(
    agent: &ureq::Agent,
    receiver: &Receiver,
    delivery: &Delivery,
    base: Option<&str>,
) -> Result<(), String> {
    let notice: Notice = serde_json::from_str(&delivery.notice)
        .map_err(|error| format!("the message in the database can't be read: {error}"))?;
    post(agent, receiver, &message::message(receiver, &notice, delivery.id, base, now_ms()))
}

/// Posts a message to a receiver.
fn post(agent: &ureq::Agent, receiver: &Receiver, message: &Message) -> Result<(), String> {
    let Message { query, headers, body } = message;
    let mut url = receiver.url.reveal().to_owned();
    if let Some(query) = query {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(query);
    }
    let mut request = agent.post(url).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let mut response = request.send(body).map_err(|error| without_url(&error))?;
    let mut answer = String::new();
    // A body that can't be read says nothing; the status does.
    let _ = response.body_mut().as_reader().take(ANSWER_BYTES).read_to_string(&mut answer);
    let status = response.status();
    if !status.is_success() {
        return Err(cut(format!("HTTP {}: {}", status.as_u16(), answer.trim()), 300));
    }
    message::refused(receiver.kind, &answer).map_or(Ok(()), Err)
}

/// What went wrong on the way. URLs are left out: whoever knows a webhook's can post there.
fn without_url(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => format!("no answer within {} seconds", TIMEOUT.as_secs()),
        ureq::Error::HostNotFound => "the host of the webhook is not known".to_owned(),
        ureq::Error::ConnectionFailed => "no connection to the webhook".to_owned(),
        ureq::Error::Io(error) => format!("the connection failed: {}", error.kind()),
        ureq::Error::Tls(what) => format!("TLS failed: {what}"),
        ureq::Error::Rustls(error) => format!("TLS failed: {error}"),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => "the webhook's URL can't be used".to_owned(),
        _ => "the request failed".to_owned(),
    }
}

impl Sender {
    /// Sends a message that says that it is a test, at once and only once.
    pub async fn test(alerts: &Alerts, receiver: Receiver, base: Option<String>) -> Result<(), String> {
        let agent = Self::new(alerts, base.clone()).agent;
        let sending = tokio::task::spawn_blocking(move || {
            let notice = Notice::test(&receiver.name, now_ms());
            post(&agent, &receiver, &message::message(&receiver, &notice, 0, base.as_deref(), now_ms()))
        });
        sending.await.map_err(|_| "the server is stopping".to_owned())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(attempts: u64) -> Delivery {
        Delivery {
            id: 3,
            receiver: "chat".to_owned(),
            notice: String::new(),
            created_ms: 0,
            attempts,
            due_ms: 0,
            sent_ms: None,
            given_up_ms: None,
            last_error: None,
        }
    }

    #[test]
    fn tries_get_rarer_and_end_after_a_day() {
        let again = |attempts, now| outcome(&delivery(attempts), Err("no".to_owned()), now);
        let distance = |attempts| match again(attempts, 1_000) {
            Outcome::Again { at_ms, .. } => at_ms - 1_000,
            other => panic!("{other:?}"),
        };
        assert!((1_000..1_200).contains(&distance(1)), "{}", distance(1));
        assert!((8_000..9_600).contains(&distance(4)), "{}", distance(4));
        assert!((600_000..720_000).contains(&distance(1_000)), "{}", distance(1_000));
        assert_eq!(again(90, GIVE_UP_MS + 1), Outcome::GivenUp { why: "no".to_owned() });
        assert_eq!(outcome(&delivery(90), Ok(()), GIVE_UP_MS + 1), Outcome::Sent);
    }
}
