//! What a receiver is told, and the form in which its kind of place takes it: one file for each.

mod dingtalk;
mod generic;
mod lark;
mod slack;
mod teams;
mod wecom;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::receiver::{Kind, Receiver};
use super::sign;
use super::table::Alert;
use super::{Severity, cut};

/// Alerts that a message tells in full; of the others it tells how many there are.
const TOLD: usize = 10;

/// Steps that a template may take: enough for any message, and an end to loops that have none.
const TEMPLATE_FUEL: u64 = 50_000;

/// Bytes of a template, and of what it makes.
const TEMPLATE_BYTES: usize = 16_000;

/// What a receiver is told of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What the alerts have in common.
    pub labels: BTreeMap<String, String>,
    /// What fires: the worst first, and at most ten.
    pub firing: Vec<NoticeAlert>,
    /// How many fire in all.
    pub firing_count: usize,
    /// What is over, at most ten.
    pub over: Vec<NoticeAlert>,
    /// How many are over in all.
    pub over_count: usize,
}

/// An alert in a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeAlert {
    /// Its number.
    pub id: i64,
    /// How bad it is.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// A few lines.
    pub text: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// A path on this server.
    pub link: String,
    /// When it fired first, in milliseconds since the Unix epoch.
    pub fired_ms: i64,
    /// How often it fired.
    pub firings: u64,
    /// Whether the receiver is told of it for the first time.
    pub is_new: bool,
    /// Who looks at it.
    pub acknowledged_by: Option<String>,
}

impl NoticeAlert {
    pub(super) fn of(alert: &Alert, is_new: bool) -> Self {
        Self {
            id: alert.id,
            severity: alert.severity,
            title: alert.title.clone(),
            text: alert.text.clone(),
            labels: alert.labels.clone(),
            link: alert.link.clone(),
            fired_ms: alert.fired_ms,
            firings: alert.firings,
            is_new,
            acknowledged_by: alert.acknowledged_by.clone(),
        }
    }
}

impl Notice {
    pub(super) fn new(
        labels: BTreeMap<String, String>,
        mut firing: Vec<NoticeAlert>,
        mut over: Vec<NoticeAlert>,
    ) -> Self {
        let (firing_count, over_count) = (firing.len(), over.len());
        firing.truncate(TOLD);
        over.truncate(TOLD);
        Self { labels, firing, firing_count, over, over_count }
    }

    /// A notice that says that it is a test.
    pub(super) fn test(receiver: &str, now_ms: i64) -> Self {
        let alert = NoticeAlert {
            id: 0,
            severity: Severity::P3,
            title: format!("Test message to the receiver {receiver}"),
            text: "If you can read this, alerts arrive.".to_owned(),
            labels: BTreeMap::from([("service".to_owned(), "raceguard".to_owned())]),
            link: "/alerts".to_owned(),
            fired_ms: now_ms,
            firings: 1,
            is_new: true,
            acknowledged_by: None,
        };
        Self::new(BTreeMap::new(), vec![alert], Vec::new())
    }

    /// The worst that fires.
    pub fn severity(&self) -> Option<Severity> {
        self.firing.iter().map(|alert| alert.severity).min()
    }

    /// One line.
    pub fn title(&self) -> String {
        let of = self.labels.get("service").map(|service| format!("{service}: ")).unwrap_or_default();
        match (self.firing.as_slice(), self.over.as_slice()) {
            ([only], _) if self.firing_count == 1 => {
                format!("[{}] {of}{}", only.severity.as_str(), only.title)
            }
            ([worst, ..], _) => {
                format!(
                    "[{}] {of}{} alerts, the worst: {}",
                    worst.severity.as_str(),
                    self.firing_count,
                    worst.title
                )
            }
            ([], [only]) if self.over_count == 1 => format!("[over] {of}{}", only.title),
            ([], _) => format!("[over] {of}{} alerts are over", self.over_count),
        }
    }
}

/// How a kind of place writes text.
trait Markup {
    /// Text of evidence, so that nothing in it is taken for markup.
    fn escape(&self, text: &str) -> String;
    /// Something to stand out.
    fn bold(&self, escaped: &str) -> String;
    /// A link.
    fn link(&self, escaped: &str, url: &str) -> String;
}

/// Text with a backslash before each character that is special.
fn with_backslashes(text: &str, is_special: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_special(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// The notice as a few lines in the place's markup.
fn lines(notice: &Notice, base: Option<&str>, markup: &dyn Markup) -> String {
    let mut text = String::new();
    let mut line = |alert: &NoticeAlert, state: &str| {
        let title = markup.escape(&alert.title);
        let title = match base {
            Some(base) => markup.link(&title, &format!("{base}{}", alert.link)),
            None => title,
        };
        let _ = write!(text, "{} {title}", markup.bold(state));
        if alert.firings > 1 {
            let _ = write!(text, " ({} times)", alert.firings);
        }
        if let Some(who) = &alert.acknowledged_by {
            let _ = write!(text, ", {} looks at it", markup.escape(who));
        }
        text.push('\n');
        if alert.is_new && !alert.text.is_empty() {
            let _ = writeln!(text, "{}", markup.escape(&cut(alert.text.clone(), 1_000)));
        }
    };
    for alert in &notice.firing {
        line(alert, alert.severity.as_str());
    }
    for alert in &notice.over {
        line(alert, "over");
    }
    let left_out = notice.firing_count - notice.firing.len() + notice.over_count - notice.over.len();
    if left_out > 0 {
        let _ = writeln!(text, "and {left_out} more");
    }
    text
}

/// A message, ready to be posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// What is added to the webhook's query.
    pub(super) query: Option<String>,
    /// Headers besides the content type.
    pub(super) headers: Vec<(&'static str, String)>,
    /// JSON.
    pub(super) body: String,
}

/// Why a template can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// It is too long.
    #[error("a template has at most {TEMPLATE_BYTES} bytes")]
    TooLong,
    /// It is wrong, or takes too long.
    #[error("the template can't be used: {0}")]
    Wrong(String),
}

/// Whether a template makes a text of a notice.
pub(super) fn check_template(template: &str) -> Result<(), TemplateError> {
    render(template, &Notice::test("example", 0), Some("https://raceguard.example")).map(drop)
}

fn render(template: &str, notice: &Notice, base: Option<&str>) -> Result<String, TemplateError> {
    if template.len() > TEMPLATE_BYTES {
        return Err(TemplateError::TooLong);
    }
    let mut environment = minijinja::Environment::new();
    environment.set_fuel(Some(TEMPLATE_FUEL));
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    let context =
        minijinja::context! { base, title => notice.title(), ..minijinja::Value::from_serialize(notice) };
    let text = environment.render_str(template, context);
    text.map(|text| cut(text, TEMPLATE_BYTES)).map_err(|error| TemplateError::Wrong(format!("{error:#}")))
}

/// The message that tells the notice. `base` is where people reach this server.
pub(super) fn message(
    receiver: &Receiver,
    notice: &Notice,
    delivery: i64,
    base: Option<&str>,
    now_ms: i64,
) -> Message {
    let custom = receiver.template.as_ref().map(|template| {
        // It was checked with another notice; should it fail with this one, the alert has to be told all the same.
        render(template, notice, base).unwrap_or_else(|error| format!("{}\n({error})", notice.title()))
    });
    let text = |markup: &dyn Markup| custom.clone().unwrap_or_else(|| lines(notice, base, markup));
    let secret = receiver.secret.as_ref().map(super::receiver::Secret::reveal);
    let (mut query, mut headers) = (None, vec![("raceguard-delivery", delivery.to_string())]);
    let body = match receiver.kind {
        Kind::Slack => slack::body(notice, &text(&slack::Mrkdwn)),
        Kind::Teams => teams::body(notice, &text(&teams::CardText)),
        Kind::Wecom => wecom::body(notice, &text(&wecom::Markdown)),
        Kind::Lark => {
            let signature = secret.map(|secret| sign::lark(secret, now_ms / 1000));
            lark::body(notice, &text(&lark::CardMarkdown), signature)
        }
        Kind::Dingtalk => {
            query = secret.map(|secret| sign::dingtalk(secret, now_ms));
            dingtalk::body(notice, &text(&dingtalk::Markdown))
        }
        Kind::Generic => generic::body(notice, custom.as_deref(), delivery, base),
    };
    let body = body.to_string();
    if let (Kind::Generic, Some(secret)) = (receiver.kind, secret) {
        headers.push(("raceguard-signature", sign::generic(secret, &body)));
    }
    Message { query, headers, body }
}

/// Whether the place took the message: some answer 200 and say in the body that they did not.
pub(super) fn refused(kind: Kind, answer: &str) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_str(answer).unwrap_or_default();
    let (code, text) = match kind {
        Kind::Lark => ("code", "msg"),
        Kind::Dingtalk | Kind::Wecom => ("errcode", "errmsg"),
        Kind::Slack | Kind::Teams | Kind::Generic => return None,
    };
    let number = answer[code].as_i64().filter(|number| *number != 0)?;
    Some(format!("{code} {number}: {}", cut(answer[text].as_str().unwrap_or_default().to_owned(), 300)))
}

#[cfg(test)]
mod tests;
