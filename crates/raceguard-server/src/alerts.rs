//! Alerts: what somebody has to look at, told to those who should, once.
//!
//! ```text
//! fire, resolve ──▶ alert ──▶ plan: routes, silences, groups ──▶ delivery ──▶ send, again until it arrives
//! ```
//!
//! An alert is known by its name: firing again counts it, and makes no second one. Everything is in the database, the
//! planned messages too, so a restart forgets nothing and repeats only a message whose arrival was not written down.
//!
//! Start reading at [`Alerts`], then [`plan`], [`send`], [`message`].

pub mod message;
pub mod plan;
pub mod receiver;
pub mod send;
mod sign;
mod silences;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

pub use silences::{BadSilence, NewSilence, Silence};
pub use table::{Alert, Delivery};

use crate::audit;
use crate::store::sql::Connection;
use crate::store::{StoreError, Writer};

/// Labels of an alert, and bytes of their names and values, of its title and of its text. What is longer is cut.
const LABELS: usize = 32;
const LABEL_BYTES: usize = 200;
const TITLE_BYTES: usize = 300;
const TEXT_BYTES: usize = 8_000;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    /// Somebody is woken.
    P1,
    /// Somebody looks today.
    P2,
    /// Somebody looks when there is time.
    P3,
}

impl Severity {
    fn from_number(number: i64) -> Self {
        match number {
            ..=1 => Self::P1,
            2 => Self::P2,
            3.. => Self::P3,
        }
    }

    fn number(self) -> i64 {
        match self {
            Self::P1 => 1,
            Self::P2 => 2,
            Self::P3 => 3,
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
        }
    }
}

/// That something fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firing {
    /// What makes it the same alert when it fires again.
    pub key: String,
    /// How bad it is.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// A few lines.
    pub text: String,
    /// What routes, groups and silences it: `service`, `policy`, …
    pub labels: BTreeMap<String, String>,
    /// Where to read on: a path on this server, as `/causes/12`.
    pub link: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// Takes alerts, and what people do about them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Alerts {
    writer: Writer,
    /// Told when there may be something to plan or to send.
    changed: Arc<Notify>,
    counters: Arc<send::SendCounters>,
}

impl Alerts {
    /// Alerts that are kept by this writer.
    pub fn new(writer: Writer) -> Self {
        Self { writer, changed: Arc::new(Notify::new()), counters: Arc::default() }
    }

    /// What was sent since the server started.
    pub fn counters(&self) -> &send::SendCounters {
        &self.counters
    }

    /// An alert fires: opens it, or counts it once more. Gives its id.
    pub async fn fire(&self, firing: Firing) -> Result<i64, StoreError> {
        let firing = firing.within_limits();
        let id = self.writer.change(move |connection| table::fire(connection, &firing)).await?;
        self.changed.notify_one();
        Ok(id)
    }

    /// What made the alert fire is over. False when none of this key was open.
    pub async fn resolve(&self, key: &str, at_ms: i64) -> Result<bool, StoreError> {
        let key = cut(key.to_owned(), TITLE_BYTES);
        let resolved = self.writer.change(move |connection| table::resolve(connection, &key, at_ms)).await?;
        if resolved {
            self.changed.notify_one();
        }
        Ok(resolved)
    }

    /// Somebody says that what made the alert fire is over; it fires again when that happens anew. False when there is no
    /// such open alert. Like each of the acts below it is logged, as one of whoever holds the token `by`.
    pub async fn close(&self, id: i64, by: &str, at_ms: i64) -> Result<bool, StoreError> {
        let by = by.to_owned();
        let close = move |connection: Open<'_>| {
            let closed = table::close(connection, id, at_ms)?;
            log_if(closed, connection, &by, "alert.resolve", &id.to_string(), "")
        };
        let closed = self.writer.change(close).await?;
        self.changed.notify_one();
        Ok(closed)
    }

    /// Somebody looks at it: it is not repeated any more. False when there is no such open alert.
    pub async fn acknowledge(&self, id: i64, by: &str, at_ms: i64) -> Result<bool, StoreError> {
        let by = by.to_owned();
        let acknowledge = move |connection: Open<'_>| {
            let found = table::acknowledge(connection, id, &by, at_ms)?;
            log_if(found, connection, &by, "alert.acknowledge", &id.to_string(), "")
        };
        self.writer.change(acknowledge).await
    }

    /// Alerts with these labels are not sent for a time. Gives the silence's id.
    pub async fn silence(&self, silence: NewSilence) -> Result<i64, StoreError> {
        let add = move |connection: Open<'_>| {
            let id = silences::add(connection, &silence)?;
            let detail = table::labels_text(&silence.labels);
            log_if(true, connection, &silence.author, "silence.add", &id.to_string(), &detail)?;
            Ok(id)
        };
        let id = self.writer.change(add).await?;
        self.changed.notify_one();
        Ok(id)
    }

    /// Ends a silence now. False when there is none that lasts.
    pub async fn end_silence(&self, id: i64, by: &str, at_ms: i64) -> Result<bool, StoreError> {
        let by = by.to_owned();
        let end = move |connection: Open<'_>| {
            let ended = silences::end(connection, id, at_ms)?;
            log_if(ended, connection, &by, "silence.end", &id.to_string(), "")
        };
        let ended = self.writer.change(end).await?;
        self.changed.notify_one();
        Ok(ended)
    }

    /// Adds a receiver, or gives the one of this name other settings.
    pub async fn set_receiver(&self, receiver: receiver::Receiver, by: &str) -> Result<(), StoreError> {
        let by = by.to_owned();
        let set = move |connection: Open<'_>| {
            receiver::set(connection, &receiver)?;
            log_if(true, connection, &by, "receiver.set", &receiver.name, "")
        };
        self.writer.change(set).await?;
        self.changed.notify_one();
        Ok(())
    }

    /// Removes a receiver, and what was still to be sent to it. False when there is none.
    pub async fn remove_receiver(&self, name: &str, by: &str) -> Result<bool, StoreError> {
        let (name, by) = (name.to_owned(), by.to_owned());
        let remove = move |connection: Open<'_>| {
            let removed = receiver::remove(connection, &name)?;
            log_if(removed, connection, &by, "receiver.remove", &name, "")
        };
        self.writer.change(remove).await
    }
}

type Open<'a> = &'a mut (dyn Connection + 'static);

/// Logs an act of whoever holds the token `by`, if it was one; gives whether it was.
fn log_if(
    was_done: bool,
    connection: Open<'_>,
    by: &str,
    act: &str,
    subject: &str,
    detail: &str,
) -> Result<bool, StoreError> {
    if was_done {
        audit::record(connection, &format!("token:{by}"), act, subject, detail)?;
    }
    Ok(was_done)
}

impl Firing {
    fn within_limits(mut self) -> Self {
        self.key = cut(self.key, TITLE_BYTES);
        self.title = cut(self.title, TITLE_BYTES);
        self.text = cut(self.text, TEXT_BYTES);
        self.link = cut(self.link, TITLE_BYTES);
        let labels = std::mem::take(&mut self.labels).into_iter().take(LABELS);
        self.labels = labels.map(|(name, value)| (cut(name, LABEL_BYTES), cut(value, LABEL_BYTES))).collect();
        self
    }
}

/// At most this many bytes of the text, with a sign that it was longer.
fn cut(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes - '…'.len_utf8()));
        text.push('…');
    }
    text
}
