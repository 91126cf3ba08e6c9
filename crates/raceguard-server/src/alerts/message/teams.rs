//! Microsoft Teams: a webhook of Workflows, which takes adaptive cards.
//! <https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>

use serde_json::{Value, json};

use super::{Markup, Notice, with_backslashes};
use crate::alerts::{Severity, cut};

/// The part of Markdown that a card's text knows. <https://adaptivecards.io/explorer/TextBlock.html>
pub(super) struct CardText;

impl Markup for CardText {
    fn escape(&self, text: &str) -> String {
        with_backslashes(text, |c| matches!(c, '\\' | '*' | '_' | '[' | ']' | '(' | ')' | '`' | '#'))
    }
    fn bold(&self, escaped: &str) -> String {
        format!("**{escaped}**")
    }
    fn link(&self, escaped: &str, url: &str) -> String {
        format!("[{escaped}]({url})")
    }
}

pub(super) fn body(notice: &Notice, text: &str) -> Value {
    let color = match notice.severity() {
        Some(Severity::P1) => "attention",
        Some(Severity::P2) => "warning",
        Some(Severity::P3) => "accent",
        None => "good",
    };
    // A line ends a paragraph only when an empty one follows.
    let text = cut(text.replace('\n', "\n\n"), 20_000);
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {"type": "TextBlock", "text": CardText.escape(&notice.title()), "weight": "bolder", "size": "medium",
             "color": color, "wrap": true},
            {"type": "TextBlock", "text": text, "wrap": true},
        ],
    });
    json!({
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card}],
    })
}
