//! Drafts of tickets, in Markdown.

use std::fmt::Write as _;

use raceguard_policy::policy::Ticket;
use serde_json::json;

use super::{Open, labels, title};
use crate::policies::evaluator::Fired;
use crate::store::StoreError;
use crate::store::sql::values;

/// Keeps a draft.
pub(super) fn draft(
    connection: Open<'_>,
    firing: i64,
    fired: &Fired,
    wanted: &Ticket,
) -> Result<(), StoreError> {
    let title = if wanted.title.is_empty() { title(fired) } else { wanted.title.clone() };
    connection.execute(
        "INSERT INTO policy_ticket (firing, title, body, labels, assignee, created_ms)
         VALUES ($1, $2, $3, $4, $5, $6)",
        values![
            firing,
            &title,
            &body(fired),
            &json!(wanted.labels).to_string(),
            &wanted.assignee,
            fired.moment.at_ms
        ],
    )?;
    Ok(())
}

/// What was seen, a line for each fact.
pub(super) fn facts(fired: &Fired) -> String {
    let sighting = &fired.sighting;
    let window = fired.trigger.window.as_secs();
    let mut text = format!("{}\n", sighting.message);
    let place = if sighting.file.is_empty() {
        sighting.function.clone()
    } else {
        format!("{} ({}:{})", sighting.function, sighting.file, sighting.line)
    };
    let _ = writeln!(
        text,
        "seen {} times within {window} s, at least {} were looked for",
        fired.count, fired.trigger.threshold
    );
    for (name, value) in [
        ("at", &place),
        ("fingerprint", &sighting.fingerprint),
        ("service", &sighting.service),
        ("version", &sighting.version),
        ("instance", &sighting.instance),
        ("environment", &sighting.environment),
    ] {
        if !value.is_empty() {
            let _ = writeln!(text, "{name}: {value}");
        }
    }
    text
}

fn body(fired: &Fired) -> String {
    let trigger = &fired.trigger;
    let mut text = format!("{}\n\n", trigger.description);
    for line in facts(fired).lines() {
        let _ = writeln!(text, "- {}", escaped(line));
    }
    for test in &fired.sighting.tests {
        let _ = writeln!(text, "- test: {}", escaped(test));
    }
    let _ = write!(
        text,
        "\nTrigger `{}` version {} of revision {}, counted for {}.\n",
        trigger.id,
        trigger.version,
        fired.revision,
        if trigger.group_by.is_empty() {
            "everything".to_owned()
        } else {
            escaped(&json!(labels(fired)).to_string())
        },
    );
    text
}

/// Evidence comes from strangers: nothing in it is to become markup.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '!' | '@' => {
                escaped.extend(['\\', c])
            }
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
