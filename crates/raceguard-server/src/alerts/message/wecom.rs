//! `WeCom`: a group's robot, which takes Markdown. <https://developer.work.weixin.qq.com/document/path/99110>

use serde_json::{Value, json};

use super::{Markup, Notice};
use crate::alerts::cut;

/// The robot's Markdown: no escapes, so what would be markup is replaced by characters that look alike.
pub(super) struct Markdown;

impl Markup for Markdown {
    fn escape(&self, text: &str) -> String {
        let plain = |c| match c {
            '<' => '‹',
            '>' => '›',
            '[' => '［',
            ']' => '］',
            '*' => '∗',
            '`' => '\'',
            c => c,
        };
        text.chars().map(plain).collect()
    }
    fn bold(&self, escaped: &str) -> String {
        format!("**{escaped}**")
    }
    fn link(&self, escaped: &str, url: &str) -> String {
        format!("[{escaped}]({url})")
    }
}

/// The content may have 4,096 bytes.
const CONTENT: usize = 4_000;

pub(super) fn body(notice: &Notice, text: &str) -> Value {
    let content = format!("### {}\n{text}", Markdown.escape(&notice.title()));
    json!({"msgtype": "markdown", "markdown": {"content": cut(content, CONTENT)}})
}
