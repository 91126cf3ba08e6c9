//! The part of the schema that is about triggers.

use serde_json::{Value, json};

use super::{object, positive, text, ticket, type_schema, words};
use crate::facts::SightingFact;
use crate::facts::typed::Type;
use crate::reader::trigger::{LIVE_QUARANTINE_KEYS, SAMPLING_KEYS, TRIGGER_KEYS};
use crate::trigger::{Label, Priority};

pub(super) fn schema() -> Value {
    let required = ["id", "version", "description", "when", "window", "responses"];
    object(TRIGGER_KEYS, &required, |key| match key {
        "id" => json!({"type": "string", "pattern": "^[a-z][a-z0-9-]{0,63}$",
            "description": "Name, unique among all triggers and policies."}),
        "version" => positive("Raise it with each change of meaning."),
        "description" => text("What it watches, one sentence."),
        "when" => json!({"type": ["string", "boolean"],
            "description": "CEL: which sightings count. Each is known as `sighting`."}),
        "window" => duration("How far back it counts, at most 24h."),
        "threshold" => positive("From which count on it fires. Default: 1."),
        "group_by" => json!({"type": "array", "items": {"enum": Label::ALL.map(Label::word)},
            "description": "What has a count of its own. Default: one count for everything."}),
        "cooldown" => duration("How long a group does not fire again. Default: the window."),
        "responses" => {
            json!({"type": "array", "minItems": 1, "items": response(), "description": "What happens."})
        }
        _ => object(
            &["match", "no_match"],
            &[],
            |_| json!({"type": "array", "items": type_schema(&Type::Record(SightingFact::RECORD))}),
        ),
    })
}

fn duration(description: &str) -> Value {
    json!({"type": "string", "pattern": "^[0-9]+[smhd]$", "description": description})
}

fn share(description: &str) -> Value {
    json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1, "description": description})
}

fn response() -> Value {
    let detailed = |name: &str, details: Value| json!({"type": "object", "additionalProperties": false, "required": [name], "properties": {name: details}});
    let alert =
        object(&["priority"], &[], |_| words(Priority::ALL.map(Priority::word), "How loud. Default: P2."));
    let webhook = object(&["url"], &["url"], |_| text("Where a JSON document is posted to."));
    let block = object(&["reason"], &[], |_| text("Why. Default: the description."));
    let quarantine = object(LIVE_QUARANTINE_KEYS, &["what", "for"], |key| match key {
        "what" => words(["tests", "instance"], "The tests that show it, or the group's instance."),
        "for" => duration("For how long."),
        _ => text("Why. Default: the description."),
    });
    let sampling = object(SAMPLING_KEYS, &["rate", "for"], |key| match key {
        "rate" => share("Share of operations to look at."),
        "for" => duration("For how long."),
        _ => share("Share of the time that it may cost; above it the rate is lowered. Default: 0.05."),
    });
    json!({"oneOf": [
        {"enum": ["alert", "ticket", "block-build"]},
        detailed("alert", alert),
        detailed("webhook", webhook),
        detailed("ticket", ticket()),
        detailed("block-build", block),
        detailed("quarantine", quarantine),
        detailed("raise-sampling", sampling),
    ]})
}
