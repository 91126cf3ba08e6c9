//! Feishu and Lark: a custom bot of a group, which takes cards.
//! <https://open.larksuite.com/document/client-docs/bot-v3/add-custom-bot>

use serde_json::{Value, json};

use super::{Markup, Notice};
use crate::alerts::sign::LarkSignature;
use crate::alerts::{Severity, cut};

/// Lark's Markdown of cards, which takes HTML entities for what would be markup.
pub(super) struct CardMarkdown;

impl Markup for CardMarkdown {
    fn escape(&self, text: &str) -> String {
        let mut escaped = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&#60;"),
                '>' => escaped.push_str("&#62;"),
                '*' => escaped.push_str("&#42;"),
                '_' => escaped.push_str("&#95;"),
                '~' => escaped.push_str("&#126;"),
                '[' => escaped.push_str("&#91;"),
                ']' => escaped.push_str("&#93;"),
                '`' => escaped.push_str("&#96;"),
                c => escaped.push(c),
            }
        }
        escaped
    }
    fn bold(&self, escaped: &str) -> String {
        format!("**{escaped}**")
    }
    fn link(&self, escaped: &str, url: &str) -> String {
        format!("[{escaped}]({url})")
    }
}

pub(super) fn body(notice: &Notice, text: &str, signature: Option<LarkSignature>) -> Value {
    let color = match notice.severity() {
        Some(Severity::P1) => "red",
        Some(Severity::P2) => "orange",
        Some(Severity::P3) => "blue",
        None => "green",
    };
    // The body of a request may have 20 KB.
    let text = cut(text.to_owned(), 15_000);
    let mut body = json!({
        "msg_type": "interactive",
        "card": {
            "config": {"wide_screen_mode": true},
            "header": {"template": color, "title": {"tag": "plain_text", "content": notice.title()}},
            "elements": [{"tag": "markdown", "content": text}],
        },
    });
    if let Some(LarkSignature { timestamp, sign }) = signature {
        body["timestamp"] = timestamp.into();
        body["sign"] = sign.into();
    }
    body
}
