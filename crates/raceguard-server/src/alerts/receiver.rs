//! Receivers: where alerts are sent, which of them, and how they are put together.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Severity;
use super::message::{self, TemplateError};
use super::silences::matches;
use super::table::Alert;
use crate::store::sql::{Connection, values};
use crate::store::{Reader, StoreError};

/// What kind of place it is, which decides on the message's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Slack, an incoming webhook.
    Slack,
    /// Microsoft Teams, a webhook of Workflows.
    Teams,
    /// Feishu and Lark, a custom bot.
    #[serde(alias = "feishu")]
    Lark,
    /// `WeCom`, a group's robot.
    Wecom,
    /// `DingTalk`, a custom robot.
    Dingtalk,
    /// JSON of our own.
    Generic,
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A place that alerts are sent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receiver {
    /// Its name; that of the path when it comes over HTTP.
    #[serde(default)]
    pub name: String,
    /// What kind of place it is.
    pub kind: Kind,
    /// The webhook. Whoever knows it can post there, so it is a secret.
    pub url: Secret,
    /// What messages are signed with: Lark's and `DingTalk`'s secret; for `generic` the key of `Raceguard-Signature`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// Alerts with these labels are sent; all when empty. `*` at the end of a value stands for anything.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Alerts that are at least this bad are sent.
    #[serde(default = "Receiver::default_least")]
    pub least: Severity,
    /// Alerts with the same values of these labels are one message.
    #[serde(default = "Receiver::default_group_by")]
    pub group_by: Vec<String>,
    /// Seconds that the first alert of a group waits for others.
    #[serde(default = "Receiver::default_group_wait")]
    pub group_wait_s: u32,
    /// Seconds between two messages of a group; a new P1 does not wait for it.
    #[serde(default = "Receiver::default_group_interval")]
    pub group_interval_s: u32,
    /// Seconds after which what still fires, and nobody acknowledged, is sent again.
    #[serde(default = "Receiver::default_repeat_interval")]
    pub repeat_interval_s: u32,
    /// Whether it is told that an alert is over.
    #[serde(default = "Receiver::default_tell_over")]
    pub tell_over: bool,
    /// The message's text as a Jinja template; one of our own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
}

/// Why a receiver is refused.
#[derive(Debug, thiserror::Error)]
pub enum BadReceiver {
    /// Its name is empty, too long or has other characters.
    #[error("a receiver's name has 1 to 64 letters, digits, - and _")]
    Name,
    /// The webhook is no URL that can be posted to.
    #[error("the receiver's url must begin with https:// or http:// and have 10 to 2000 bytes")]
    Url,
    /// Too many labels to group by.
    #[error("alerts are grouped by at most 8 labels")]
    GroupBy,
    /// The template can't be used.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

impl Receiver {
    fn default_least() -> Severity {
        Severity::P3
    }
    fn default_group_by() -> Vec<String> {
        vec!["service".to_owned()]
    }
    fn default_group_wait() -> u32 {
        10
    }
    fn default_group_interval() -> u32 {
        300
    }
    fn default_repeat_interval() -> u32 {
        4 * 3600
    }
    fn default_tell_over() -> bool {
        true
    }

    /// The receiver, if messages can be made for it.
    pub fn checked(self) -> Result<Self, BadReceiver> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(plain) {
            return Err(BadReceiver::Name);
        }
        let url = self.url.reveal();
        let http = url.starts_with("https://") || url.starts_with("http://");
        if !http || !(10..=2000).contains(&url.len()) || url.chars().any(|c| c.is_control() || c == ' ') {
            return Err(BadReceiver::Url);
        }
        if self.group_by.len() > 8 {
            return Err(BadReceiver::GroupBy);
        }
        if let Some(template) = &self.template {
            message::check_template(template)?;
        }
        Ok(self)
    }

    /// Whether the alert is one for it.
    pub(super) fn wants(&self, alert: &Alert) -> bool {
        alert.severity <= self.least && matches(&self.labels, &alert.labels)
    }

    /// The labels that its message's alerts have in common.
    pub(super) fn group_of(&self, alert: &Alert) -> BTreeMap<String, String> {
        let value = |name: &String| alert.labels.get(name).map(|value| (name.clone(), value.clone()));
        self.group_by.iter().filter_map(value).collect()
    }
}

pub(super) fn set(
    connection: &mut (dyn Connection + 'static),
    receiver: &Receiver,
) -> Result<(), StoreError> {
    let settings =
        serde_json::to_string(receiver).unwrap_or_else(|error| unreachable!("a receiver is JSON: {error}"));
    connection.execute(
        "INSERT INTO receiver (name, settings) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET settings = $2",
        values![&receiver.name, &settings],
    )?;
    Ok(())
}

pub(super) fn remove(connection: &mut (dyn Connection + 'static), name: &str) -> Result<bool, StoreError> {
    for table in ["alert_told", "alert_group"] {
        connection.execute(&format!("DELETE FROM {table} WHERE receiver = $1"), values![name])?;
    }
    connection.execute(
        "DELETE FROM delivery WHERE receiver = $1 AND sent_ms IS NULL AND given_up_ms IS NULL",
        values![name],
    )?;
    Ok(connection.execute("DELETE FROM receiver WHERE name = $1", values![name])? > 0)
}

pub(super) fn all(connection: &mut (dyn Connection + 'static)) -> Result<Vec<Receiver>, StoreError> {
    let rows = connection.query("SELECT settings FROM receiver ORDER BY name", &[])?;
    rows.iter()
        .map(|row| {
            let settings: String = row.get(0)?;
            serde_json::from_str(&settings).map_err(|error| StoreError::Unreadable {
                what: "a receiver's settings",
                why: error.to_string(),
            })
        })
        .collect()
}

impl Reader {
    /// All receivers.
    pub fn receivers(&self) -> Result<Vec<Receiver>, StoreError> {
        self.ask(all)
    }
}
