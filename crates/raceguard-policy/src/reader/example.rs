//! Examples: facts written by hand, checked against the declared ones.

use serde_json::{Map, Value, json};

use super::{Reader, choice};
use crate::facts::typed::{Record, Type};
use crate::facts::{CoverageFact, DiffFact, EvidenceFact, Facts, Over};
use crate::policy::{Example, Level};
use crate::yaml::{Content, Node};

/// The keys of an example beside facts.
pub(crate) const EXAMPLE_KEYS: &[&str] = &["name", "expect"];

/// The kinds of facts in an example, each with its fields and whether it is a list.
pub(crate) fn fact_keys() -> Vec<(&'static str, &'static Record, bool)> {
    vec![
        ("findings", Over::Findings.record(), true),
        ("clusters", Over::Clusters.record(), true),
        ("locks", Over::Locks.record(), true),
        ("coverage", CoverageFact::RECORD, false),
        ("runs", Over::Runs.record(), true),
        ("diff", DiffFact::RECORD, false),
        ("evidence", EvidenceFact::RECORD, false),
    ]
}

impl Reader<'_> {
    pub(super) fn examples(&mut self, node: &Node) -> Vec<Example> {
        let Some(fields) = self.fields(node, "`examples`", &["match", "no_match"]) else { return Vec::new() };
        let mut examples = Vec::new();
        for (key, must_match) in [("match", true), ("no_match", false)] {
            let Some(list) = fields.get(key) else { continue };
            for item in self.items(list, key) {
                examples.extend(self.example(item, must_match));
            }
        }
        examples
    }

    fn example(&mut self, node: &Node, must_match: bool) -> Option<Example> {
        let kinds = fact_keys();
        let known: Vec<&str> =
            EXAMPLE_KEYS.iter().copied().chain(kinds.iter().map(|(key, ..)| *key)).collect();
        let fields = self.fields(node, "an example", &known)?;
        let name = fields.get("name").map_or(Some(String::new()), |node| self.text_of(node, "name"))?;
        let levels = [Level::Note, Level::Warn, Level::Fail];
        let expect = match fields.get("expect") {
            Some(node) => Some(self.word(node, "expect", levels.map(|level| (level.word(), level)))?),
            None => None,
        };
        if let Some(node) = fields.get("expect").filter(|_| !must_match) {
            self.problem(node.at, "what must not match comes to nothing", "remove `expect`");
        }
        let mut facts = Map::new();
        for (key, record, is_list) in kinds {
            let Some(node) = fields.get(key) else { continue };
            let ty = Type::Record(record);
            let ty = if is_list { Type::List(Box::new(ty)) } else { ty };
            facts.insert(key.to_owned(), self.fact(node, key, &ty)?);
        }
        number(&mut facts);
        // Types were checked, so that only a mistake of ours is left to be told.
        match serde_json::from_value::<Facts>(Value::Object(facts)) {
            Ok(facts) => Some(Example { name, facts, must_match, expect, at: node.at }),
            Err(error) => {
                self.problem(node.at, format!("these facts can't be read: {error}"), "");
                None
            }
        }
    }

    /// A value that fits a type.
    pub(super) fn fact(&mut self, node: &Node, name: &str, ty: &Type) -> Option<Value> {
        match (ty, &node.content) {
            (Type::Nullable(_), _) if node.json().is_null() => Some(Value::Null),
            (Type::Nullable(inner), _) => self.fact(node, name, inner),
            (Type::List(item), Content::List(items)) => {
                items.iter().map(|node| self.fact(node, name, item)).collect::<Option<_>>().map(Value::Array)
            }
            (Type::Record(record), Content::Map(entries)) => {
                let mut values = Map::new();
                for (key, value) in entries {
                    let Some(field) = record.field(&key.name) else {
                        let hint = choice(&key.name, record.names());
                        self.problem(key.at, format!("a {} has no field `{}`", record.name, key.name), hint);
                        continue;
                    };
                    values.insert(key.name.clone(), self.fact(value, &key.name, &(field.ty)())?);
                }
                Some(Value::Object(values))
            }
            _ => {
                let value = node.json();
                let fits = match ty {
                    Type::Bool => value.is_boolean(),
                    Type::Int => value.is_u64(),
                    Type::Double => value.is_number(),
                    Type::Text => value.is_string(),
                    _ => false,
                };
                if !fits {
                    let message = format!("`{name}` is {}, not {ty}", node.kind());
                    self.problem(node.at, message, "see the fields in docs/policy.md");
                    return None;
                }
                Some(value)
            }
        }
    }
}

/// Gives findings, clusters and runs a name where the example has none, so that they count as different ones.
fn number(facts: &mut Map<String, Value>) {
    for (kind, key) in [("findings", "fingerprint"), ("clusters", "id"), ("runs", "id"), ("locks", "site")] {
        let items = facts.get_mut(kind).and_then(Value::as_array_mut);
        for (index, item) in items.into_iter().flatten().enumerate() {
            if let Some(item) = item.as_object_mut() {
                item.entry(key).or_insert_with(|| json!(format!("example-{}", index + 1)));
            }
        }
    }
}
