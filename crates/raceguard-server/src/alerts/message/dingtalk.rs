//! `DingTalk`: a custom robot of a group, which takes Markdown.
//! <https://open.dingtalk.com/document/orgapp/custom-robots-send-group-messages>

use serde_json::{Value, json};

use super::{Markup, Notice, with_backslashes};
use crate::alerts::cut;

/// The robot's Markdown, with backslashes as escapes.
pub(super) struct Markdown;

impl Markup for Markdown {
    fn escape(&self, text: &str) -> String {
        with_backslashes(text, |c| matches!(c, '\\' | '*' | '_' | '[' | ']' | '`' | '#' | '<' | '>' | '!'))
    }
    fn bold(&self, escaped: &str) -> String {
        format!("**{escaped}**")
    }
    fn link(&self, escaped: &str, url: &str) -> String {
        format!("[{escaped}]({url})")
    }
}

/// A message may have 20,000 bytes.
const TEXT: usize = 15_000;

pub(super) fn body(notice: &Notice, text: &str) -> Value {
    // A line break is two spaces before it.
    let text = format!("### {}\n\n{}", Markdown.escape(&notice.title()), text.replace('\n', "  \n"));
    json!({"msgtype": "markdown", "markdown": {"title": notice.title(), "text": cut(text, TEXT)}})
}
