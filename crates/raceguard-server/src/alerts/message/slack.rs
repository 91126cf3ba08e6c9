//! Slack: an incoming webhook. <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>

use serde_json::{Value, json};

use super::{Markup, Notice};
use crate::alerts::{Severity, cut};

/// Slack's own markup. <https://docs.slack.dev/messaging/formatting-message-text>
pub(super) struct Mrkdwn;

impl Markup for Mrkdwn {
    fn escape(&self, text: &str) -> String {
        // These three make links, mentions and entities; asterisks and the like only change the look of a word.
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    }
    fn bold(&self, escaped: &str) -> String {
        format!("*{escaped}*")
    }
    fn link(&self, escaped: &str, url: &str) -> String {
        format!("<{url}|{}>", escaped.replace('|', "¦"))
    }
}

/// A section holds at most 3,000 characters.
const SECTION: usize = 2_900;

pub(super) fn body(notice: &Notice, text: &str) -> Value {
    let color = match notice.severity() {
        Some(Severity::P1) => "#d1242f",
        Some(Severity::P2) => "#bf8700",
        Some(Severity::P3) => "#0969da",
        None => "#1a7f37",
    };
    let section =
        json!({"type": "section", "text": {"type": "mrkdwn", "text": cut(text.to_owned(), SECTION)}});
    json!({"text": Mrkdwn.escape(&notice.title()), "attachments": [{"color": color, "blocks": [section]}]})
}
