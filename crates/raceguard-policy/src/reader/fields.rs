//! Reads mappings, words, numbers and moments, and tells what is wrong with them.

use jiff::civil::Date;
use jiff::{Span, Timestamp, tz::TimeZone};
use serde_json::Value;

use super::{Reader, choice};
use crate::policy::Moment;
use crate::problem::Position;
use crate::yaml::{Content, Node};

/// A mapping whose keys are all known.
pub(super) struct Fields<'n> {
    pub(super) at: Position,
    entries: Vec<(&'n str, &'n Node)>,
}

impl<'n> Fields<'n> {
    /// The value of a key.
    pub(super) fn get(&self, name: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(key, _)| *key == name).map(|(_, node)| *node)
    }
}

impl Reader<'_> {
    /// The mapping's fields. Unknown keys are told, and the rest is read nevertheless.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Option<Fields<'n>> {
        let Content::Map(entries) = &node.content else {
            let keys = known.join(", ");
            self.problem(
                node.at,
                format!("{what} is {}, not a mapping", node.kind()),
                format!("its keys are {keys}"),
            );
            return None;
        };
        for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&key.name.as_str())) {
            let hint = choice(&key.name, known.iter().copied());
            self.problem(key.at, format!("unknown key `{}` in {what}", key.name), hint);
        }
        Some(Fields {
            at: node.at,
            entries: entries.iter().map(|(key, value)| (key.name.as_str(), value)).collect(),
        })
    }

    /// Tells that a key is missing.
    pub(super) fn missing<T>(&mut self, fields: &Fields<'_>, name: &str, hint: &str) -> Option<T> {
        self.problem(fields.at, format!("`{name}` is missing"), hint);
        None
    }

    /// The items of a list.
    pub(super) fn items<'n>(&mut self, node: &'n Node, name: &str) -> &'n [Node] {
        if let Content::List(items) = &node.content {
            return items;
        }
        self.problem(
            node.at,
            format!("`{name}` is {}, not a list", node.kind()),
            "begin each item with `- `",
        );
        &[]
    }

    /// Text that is there and not empty.
    pub(super) fn required_text(&mut self, fields: &Fields<'_>, name: &str, hint: &str) -> Option<String> {
        let Some(node) = fields.get(name) else { return self.missing(fields, name, hint) };
        let text = self.text_of(node, name)?;
        if text.trim().is_empty() {
            self.problem(node.at, format!("`{name}` is empty"), hint);
            return None;
        }
        Some(text)
    }

    /// Text.
    pub(super) fn text_of(&mut self, node: &Node, name: &str) -> Option<String> {
        if let Value::String(text) = node.json() {
            return Some(text);
        }
        let message = format!("`{name}` is {}, not text", node.kind());
        self.problem(node.at, message, "put quotes around it");
        None
    }

    /// A list of texts.
    pub(super) fn texts_of(&mut self, node: &Node, name: &str) -> Option<Vec<String>> {
        self.items(node, name).iter().map(|item| self.text_of(item, name)).collect()
    }

    /// A whole number from 1.
    pub(super) fn positive(&mut self, node: &Node, name: &str) -> Option<u64> {
        let number = node.json().as_u64().filter(|number| *number > 0);
        if number.is_none() {
            self.problem(
                node.at,
                format!("`{name}` is no whole number from 1"),
                format!("write `{name}: 1`"),
            );
        }
        number
    }

    /// One of several words.
    pub(super) fn word<T: Copy, const N: usize>(
        &mut self,
        node: &Node,
        name: &str,
        known: [(&'static str, T); N],
    ) -> Option<T> {
        let word = node.text().unwrap_or_default();
        let found = known.iter().find(|(known, _)| *known == word).map(|(_, value)| *value);
        if found.is_none() {
            let hint = choice(word, known.iter().map(|(word, _)| *word));
            self.problem(node.at, format!("`{word}` is none of the values of `{name}`"), hint);
        }
        found
    }

    /// A day or a moment. A day as an end lasts until its last moment, in UTC.
    pub(super) fn moment(&mut self, node: &Node, name: &str, is_end: bool) -> Option<Moment> {
        let text = node.text().unwrap_or_default().to_owned();
        let day = || {
            let date: Date = text.parse().ok()?;
            let date = if is_end { date.checked_add(Span::new().days(1)).ok()? } else { date };
            Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
        };
        // A text with a time of day is no mere date, though its beginning is one.
        let is_day = text.len() <= 10;
        let time = if is_day { day() } else { text.parse::<Timestamp>().ok() };
        if let Some(time) = time {
            return Some(Moment { text, time });
        }
        let message = format!("`{name}` is no day: `{text}`");
        self.problem(node.at, message, "write 2026-12-31, or 2026-12-31T18:00:00Z");
        None
    }
}
