//! Responses and the counts from which on they are given.

use super::fields::Fields;
use super::{Reader, choice};
use crate::policy::{Quarantine, Response, Threshold, Ticket};
use crate::yaml::{Content, Key, Node};

/// The keys of a `ticket`.
pub(crate) const TICKET_KEYS: &[&str] = &["title", "labels", "assignee"];

/// The keys of a `quarantine`.
pub(crate) const QUARANTINE_KEYS: &[&str] = &["tests", "until", "reason", "owner"];

impl Reader<'_> {
    /// `responses` and `threshold` together.
    pub(super) fn responses(&mut self, fields: &Fields<'_>) -> Option<Vec<Threshold>> {
        let Some(node) = fields.get("responses") else {
            return self.missing(fields, "responses", "write `responses: [fail]` or `[warn]`");
        };
        let mut responses: Vec<Response> = Vec::new();
        let items = self.items(node, "responses");
        for item in items {
            let response = self.response(item)?;
            if responses.iter().any(|known| known.name() == response.name()) {
                self.problem(item.at, format!("`{response}` comes twice"), "remove one of the two");
            }
            responses.push(response);
        }
        if responses.is_empty() {
            self.problem(node.at, "there are no responses", "write `responses: [fail]` or `[warn]`");
            return None;
        }
        let counts = self.counts(fields, &responses)?;
        Some(responses.into_iter().zip(counts).map(|(response, at)| Threshold { at, response }).collect())
    }

    fn response(&mut self, node: &Node) -> Option<Response> {
        match &node.content {
            Content::Scalar { text, .. } => match text.as_str() {
                "fail" => Some(Response::Fail),
                "warn" => Some(Response::Warn),
                "annotate" => Some(Response::Annotate),
                "ticket" => Some(Response::Ticket(Ticket::default())),
                "require-owner" => Some(Response::RequireOwner),
                "quarantine" => {
                    self.problem(
                        node.at,
                        "`quarantine` has no end",
                        "write `- quarantine: {until: 2026-12-31, reason: …}`",
                    );
                    None
                }
                other => self.unknown_response(node, other),
            },
            Content::Map(entries) => {
                if let [(key, value)] = entries.as_slice() {
                    return self.detailed(key, value);
                }
                self.problem(node.at, "a response has one name", "begin each one with `- `");
                None
            }
            Content::List(_) => {
                self.problem(node.at, "a response is a list", "write its name, `- fail`");
                None
            }
        }
    }

    fn unknown_response(&mut self, node: &Node, name: &str) -> Option<Response> {
        let hint = choice(name, Response::NAMES);
        self.problem(node.at, format!("there is no response `{name}`"), hint);
        None
    }

    fn detailed(&mut self, key: &Key, value: &Node) -> Option<Response> {
        match key.name.as_str() {
            "ticket" => self.ticket(value).map(Response::Ticket),
            "quarantine" => {
                let fields = self.fields(value, "`quarantine`", QUARANTINE_KEYS)?;
                let tests = fields.get("tests").map_or(Some(Vec::new()), |node| self.patterns(node));
                let until = match fields.get("until") {
                    Some(node) => self.moment(node, "until", true),
                    None => {
                        self.missing(&fields, "until", "a quarantine needs an end: write `until: 2026-12-31`")
                    }
                };
                let reason = self.required_text(&fields, "reason", "say why the test may fail until then");
                let owner =
                    fields.get("owner").map_or(Some(String::new()), |node| self.text_of(node, "owner"));
                let (tests, until, reason, owner) = (tests?, until?, reason?, owner?);
                Some(Response::Quarantine(Quarantine { tests, until, reason, owner }))
            }
            name if Response::NAMES.contains(&name) => {
                let hint =
                    format!("write `- {name}`; from which count on stands in `threshold: {{{name}: 2}}`");
                self.problem(key.at, format!("`{name}` takes nothing"), hint);
                None
            }
            name => {
                let hint = choice(name, Response::NAMES);
                self.problem(key.at, format!("there is no response `{name}`"), hint);
                None
            }
        }
    }

    pub(super) fn ticket(&mut self, value: &Node) -> Option<Ticket> {
        let fields = self.fields(value, "`ticket`", TICKET_KEYS)?;
        let mut text = |name| fields.get(name).map_or(Some(String::new()), |node| self.text_of(node, name));
        let (title, assignee) = (text("title")?, text("assignee")?);
        let labels = fields.get("labels").map_or(Some(Vec::new()), |node| self.texts_of(node, "labels"))?;
        Some(Ticket { title, labels, assignee })
    }

    fn patterns(&mut self, node: &Node) -> Option<Vec<String>> {
        let patterns = self.texts_of(node, "tests")?;
        for pattern in &patterns {
            if let Err(error) = glob::Pattern::new(pattern) {
                let hint = "write example.com/m/pkg.TestName, with * for any part".to_owned();
                self.problem(node.at, format!("`{pattern}` is no pattern: {}", error.msg), hint);
                return None;
            }
        }
        Some(patterns)
    }

    /// From which count on each response is given: as `threshold` says, else from the least that it names.
    fn counts(&mut self, fields: &Fields<'_>, responses: &[Response]) -> Option<Vec<u64>> {
        let Some(node) = fields.get("threshold") else { return Some(vec![1; responses.len()]) };
        let Content::Map(entries) = &node.content else {
            let at = self.positive(node, "threshold")?;
            return Some(vec![at; responses.len()]);
        };
        let mut named = Vec::new();
        for (key, value) in entries {
            if !responses.iter().any(|response| response.name() == key.name) {
                let hint = choice(&key.name, responses.iter().map(Response::name));
                self.problem(key.at, format!("`{}` is none of the responses", key.name), hint);
            }
            named.push((key.name.as_str(), self.positive(value, &key.name)?));
        }
        let least = named.iter().map(|(_, at)| *at).min().unwrap_or(1);
        let count = |name: &str| named.iter().find(|(known, _)| *known == name).map(|(_, at)| *at);
        let counts: Vec<u64> = responses.iter().map(|it| count(it.name()).unwrap_or(least)).collect();
        if let (Some(warn), Some(fail)) = (count("warn"), count("fail"))
            && warn >= fail
        {
            self.problem(node.at, "it would fail before it warns", "warn at a smaller count than fail");
        }
        Some(counts)
    }
}
