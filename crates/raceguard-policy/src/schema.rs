//! The JSON Schema of files of policies, for editors; and the table of facts for the reference.
//!
//! Both are made of the same declarations as the checks: the lists of keys in [`reader`](crate::reader), and the
//! records of [`facts`](crate::facts). What a schema can't say (CEL, days, thresholds) only `raceguard policy check` does.

mod trigger;

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::facts::typed::{Record, Type};
use crate::facts::{ChangedFileFact, DiffFact, Over, SightingFact};
use crate::policy::{Count, Level, Response, Severity};
use crate::reader::example::fact_keys;
use crate::reader::response::{QUARANTINE_KEYS, TICKET_KEYS};
use crate::reader::{MATCH_KEYS, POLICY_KEYS, SCHEMA, UNMEASURED};

/// The schema, draft 7.
pub fn json_schema() -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "raceguard policies",
        "description": "Policies of `raceguard gate`. Reference: docs/policy.md.",
        "type": "object",
        "additionalProperties": false,
        "required": ["schema"],
        "properties": {
            "schema": {"const": SCHEMA, "description": "Version of this format."},
            "policies": {"type": "array", "items": policy(), "description": "The policies; each id comes once."},
            "triggers": {"type": "array", "items": trigger::schema(),
                "description": "What a server does when evidence comes in. A gate only checks them."},
        },
        "definitions": definitions(),
    })
}

fn text(description: &str) -> Value {
    json!({"type": "string", "minLength": 1, "description": description})
}

fn words<'a>(words: impl IntoIterator<Item = &'a str>, description: &str) -> Value {
    json!({"enum": words.into_iter().collect::<Vec<_>>(), "description": description})
}

fn positive(description: &str) -> Value {
    json!({"type": "integer", "minimum": 1, "description": description})
}

/// The properties of a mapping, in the order of its keys. A key without a description is a mistake of ours.
fn object(keys: &[&str], required: &[&str], describe: impl Fn(&str) -> Value) -> Value {
    let properties: Map<String, Value> = keys.iter().map(|key| ((*key).to_owned(), describe(key))).collect();
    json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
}

fn policy() -> Value {
    let required = ["id", "version", "description", "match", "responses"];
    object(POLICY_KEYS, &required, |key| match key {
        "id" => json!({"type": "string", "pattern": "^[a-z][a-z0-9-]{0,63}$",
            "description": "Name, unique among all policies."}),
        "version" => positive("Raise it with each change of meaning."),
        "description" => text("What it demands, one sentence."),
        "match" => matching(),
        "unmeasured" => words(
            UNMEASURED.map(Level::word),
            "What follows when nothing could be judged, for example without coverage. Default: pass.",
        ),
        "window" => json!({
            "type": "object", "additionalProperties": false, "minProperties": 1, "maxProperties": 1,
            "description": "How far back it looks. Default: only at the evidence that is judged.",
            "properties": {
                "runs": positive("At the judged evidence, and with it at so many runs."),
                "days": positive("At the judged evidence, and at all runs of so many days."),
            },
        }),
        "count" => words(
            Count::ALL.map(Count::word),
            "What is counted: different items, how often they were seen, or runs that show one. Default: items.",
        ),
        "threshold" => threshold(),
        "severity" => words(Severity::ALL.map(Severity::word), "How bad a match is, in reports."),
        "responses" => {
            json!({"type": "array", "minItems": 1, "items": response(), "description": "What happens."})
        }
        "valid" => object(&["from", "until"], &[], |key| match key {
            "from" => text("First day, 2026-01-31, or a moment, 2026-01-31T18:00:00Z."),
            _ => text("Last day, or a moment."),
        }),
        _ => object(
            &["match", "no_match"],
            &[],
            |_| json!({"type": "array", "items": {"$ref": "#/definitions/example"}}),
        ),
    })
}

fn matching() -> Value {
    let items: Vec<String> =
        Over::ALL.iter().map(|over| format!("`{}` over {}", over.record().name, over.word())).collect();
    let items = items.join(", ");
    object(MATCH_KEYS, &["over", "when"], |key| match key {
        "over" => words(Over::ALL.map(Over::word), "What the policy goes over, item by item."),
        "needs" => {
            text("CEL: which items can be judged at all. What it says is not null needs no look in `when`.")
        }
        _ => json!({"type": ["string", "boolean"], "description":
            format!("CEL: which items match. An item is known as {items}; all facts as {}.",
                "findings, clusters, locks, coverage, runs, diff, evidence")}),
    })
}

fn threshold() -> Value {
    let counts: Map<String, Value> =
        Response::NAMES.iter().map(|name| ((*name).to_owned(), positive("From this count on."))).collect();
    json!({
        "description": "From which count on responses are given. Default: 1.",
        "oneOf": [
            {"type": "integer", "minimum": 1},
            {"type": "object", "additionalProperties": false, "properties": counts},
        ],
    })
}

fn response() -> Value {
    let plain: Vec<&str> = Response::NAMES.into_iter().filter(|name| *name != "quarantine").collect();
    let ticket = ticket();
    let quarantine = object(QUARANTINE_KEYS, &["until", "reason"], |key| match key {
        "tests" => json!({"type": "array", "items": {"type": "string"},
            "description": "example.com/m/pkg.TestName, with * for any part. Default: all tests of matching findings."}),
        "until" => text("Last day, 2026-12-31. From then on the findings count again."),
        "reason" => text("Why the tests may fail until then."),
        _ => text("Who mends it."),
    });
    json!({"oneOf": [
        {"enum": plain},
        {"type": "object", "additionalProperties": false, "required": ["ticket"], "properties": {"ticket": ticket}},
        {"type": "object", "additionalProperties": false, "required": ["quarantine"],
            "properties": {"quarantine": quarantine}},
    ]})
}

fn ticket() -> Value {
    object(TICKET_KEYS, &[], |key| match key {
        "labels" => json!({"type": "array", "items": {"type": "string"}}),
        "title" => text("Title of the draft. Default: the description."),
        _ => text("Who is to look at it."),
    })
}

fn definitions() -> Value {
    let mut example = Map::new();
    example.insert("name".to_owned(), text("Name, for people."));
    let levels = [Level::Note, Level::Warn, Level::Fail].map(Level::word);
    example.insert("expect".to_owned(), words(levels, "What the policy is to come to."));
    for (key, record, is_list) in fact_keys() {
        let fact = type_schema(&Type::Record(record));
        let value = if is_list { json!({"type": "array", "items": fact}) } else { fact };
        example.insert(key.to_owned(), value);
    }
    json!({"example": {"type": "object", "additionalProperties": false, "properties": example}})
}

fn type_schema(ty: &Type) -> Value {
    match ty {
        Type::Bool => json!({"type": "boolean"}),
        Type::Int => json!({"type": "integer", "minimum": 0}),
        Type::Double => json!({"type": "number"}),
        Type::Text => json!({"type": "string"}),
        Type::Null => json!({"type": "null"}),
        Type::List(item) => json!({"type": "array", "items": type_schema(item)}),
        Type::Nullable(inner) => json!({"anyOf": [type_schema(inner), {"type": "null"}]}),
        Type::Any => json!({}),
        Type::Record(record) => {
            let property = |field: &crate::facts::typed::Field| {
                let mut schema = type_schema(&(field.ty)());
                schema["description"] = field.doc.trim().into();
                (field.name.to_owned(), schema)
            };
            let properties: Map<String, Value> = record.fields.iter().map(property).collect();
            json!({"type": "object", "additionalProperties": false, "properties": properties})
        }
    }
}

/// The facts as tables of Markdown, for the reference.
pub fn facts_as_markdown() -> String {
    let mut page = String::new();
    let mut table = |title: &str, record: &Record| {
        let _ = write!(
            page,
            "\n#### {title}\n\n{}\n\n| field | type | meaning |\n|---|---|---|\n",
            record.doc.trim()
        );
        for field in record.fields {
            let _ = writeln!(page, "| `{}` | {} | {} |", field.name, (field.ty)(), field.doc.trim());
        }
    };
    for over in Over::ALL {
        table(&format!("`{}`, over {}", over.record().name, over.word()), over.record());
        if over == Over::Coverage {
            table("Items of `coverage.changed`", ChangedFileFact::RECORD);
        }
    }
    table("`diff`", DiffFact::RECORD);
    table("`sighting`, in triggers", SightingFact::RECORD);
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DEFAULT_TEXT;
    use crate::yaml::Node;

    /// Whether a value fits a schema, as far as the schema uses the format.
    fn fits(value: &Value, schema: &Value, root: &Value) -> bool {
        if let Some(Value::String(reference)) = schema.get("$ref") {
            let pointer = reference.trim_start_matches('#');
            return fits(value, root.pointer(pointer).expect("a definition"), root);
        }
        if let Some(options) = schema.get("oneOf").and_then(Value::as_array) {
            return options.iter().filter(|option| fits(value, option, root)).count() == 1;
        }
        if let Some(options) = schema.get("anyOf").and_then(Value::as_array) {
            return options.iter().any(|option| fits(value, option, root));
        }
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            return words.contains(value);
        }
        if let Some(constant) = schema.get("const") {
            return constant == value;
        }
        let is = |name: &str| match name {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "null" => value.is_null(),
            other => panic!("type {other}"),
        };
        let is_type = match &schema["type"] {
            Value::String(name) => is(name),
            Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
            _ => true,
        };
        let items_fit =
            value.as_array().is_none_or(|items| items.iter().all(|it| fits(it, &schema["items"], root)));
        let fields_fit = value.as_object().is_none_or(|fields| {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let known = |(key, value): (&String, &Value)| {
                schema["properties"].get(key).is_some_and(|schema| fits(value, schema, root))
            };
            fields.iter().all(known) && required.into_iter().all(|key| fields.contains_key(key))
        });
        is_type && items_fit && fields_fit
    }

    #[test]
    fn the_default_policy_fits_and_mistakes_do_not() {
        let schema = json_schema();
        let policy = Node::parse(DEFAULT_TEXT).unwrap().json();
        assert!(fits(&policy, &schema, &schema));
        for (pointer, value) in [
            ("/policies/0/version", json!("one")),
            ("/policies/0/match/over", json!("finding")),
            ("/policies/0/responses", json!(["fial"])),
            ("/policies/0/responses", json!([{"quarantine": {"reason": "no end"}}])),
            ("/policies/0/threshold", json!({"fail": 0.5})),
            ("/policies/0/examples/match/0/findings/0/kind", json!(3)),
            ("/schema", json!(2)),
        ] {
            let mut broken = policy.clone();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            broken.pointer_mut(parent).unwrap()[key] = value;
            assert!(!fits(&broken, &schema, &schema), "{pointer}");
        }
    }

    #[test]
    fn a_trigger_fits_and_mistakes_do_not() {
        let schema = json_schema();
        let text = "schema: 1\ntriggers:\n  - id: t\n    version: 1\n    description: d\n    when: sighting.is_new\n    \
             window: 5m\n    group_by: [service, version]\n    responses: [alert, block-build, {alert: {priority: P1}}, \
             {webhook: {url: 'https://x'}}, {raise-sampling: {rate: 0.5, for: 1h}}]\n    \
             examples: {match: [{is_new: true}]}\n";
        let trigger = Node::parse(text).unwrap().json();
        assert!(fits(&trigger, &schema, &schema));
        for (pointer, value) in [
            ("/triggers/0/window", json!(5)),
            ("/triggers/0/group_by/0", json!("servic")),
            ("/triggers/0/responses/0", json!("page")),
            ("/triggers/0/responses/4/raise-sampling/for", json!(30)),
            ("/triggers/0/examples/match/0/is_new", json!("yes")),
        ] {
            let mut broken = trigger.clone();
            *broken.pointer_mut(pointer).unwrap() = value;
            assert!(!fits(&broken, &schema, &schema), "{pointer}");
        }
    }

    #[test]
    fn every_key_of_a_mapping_is_described() {
        let schema = json_schema();
        for key in POLICY_KEYS {
            assert!(schema["properties"]["policies"]["items"]["properties"][key].is_object(), "{key}");
        }
        assert!(facts_as_markdown().contains("| `is_new` | bool | Whether it is not in the baseline. |"));
    }
}
