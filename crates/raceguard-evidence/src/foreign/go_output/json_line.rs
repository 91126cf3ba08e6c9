//! Log lines that are JSON objects with the program's text in one of their fields.

use serde_json::Value;

/// Which field has the text, and what else tells one stream from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JsonShape {
    /// Names of the fields on the way to the text.
    path: Vec<String>,
    /// The values of the fields that name the origin.
    identity: String,
}

/// Fields that name where a line comes from, in the collectors of Docker, Kubernetes, journald, Fluent Bit, Vector,
/// and the clouds.
const IDENTITY: [&str; 32] = [
    "stream",
    "pod",
    "pod_name",
    "pod_id",
    "pod_uid",
    "container",
    "container_name",
    "container_id",
    "host",
    "hostname",
    "node",
    "instance",
    "instance_id",
    "namespace",
    "namespace_name",
    "app",
    "service",
    "kubernetes",
    "docker",
    "resource",
    "labels",
    "source",
    "logStream",
    "logGroup",
    "logName",
    "process",
    "pid",
    "_PID",
    "_HOSTNAME",
    "_SYSTEMD_UNIT",
    "SYSLOG_IDENTIFIER",
    "CONTAINER_NAME",
];

const MAX_DEPTH: usize = 4;

impl JsonShape {
    /// The shape of a line in whose text `marker` stands; and the text.
    pub(super) fn learn(line: &[u8], marker: &str) -> Option<(Self, String)> {
        let value: Value = serde_json::from_slice(line).ok()?;
        let mut path = Vec::new();
        let text = find(&value, marker, &mut path, MAX_DEPTH)?;
        path.reverse();
        Some((Self { path, identity: identity(&value) }, text))
    }

    /// The text of a line of this shape.
    pub(super) fn text(&self, line: &[u8]) -> Option<String> {
        let mut value: Value = serde_json::from_slice(line).ok()?;
        if identity(&value) != self.identity {
            return None;
        }
        let mut inner = &mut value;
        for name in &self.path {
            inner = inner.get_mut(name)?;
        }
        match inner.take() {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
}

/// The first text that has the marker, and the names on the way to it, innermost first.
fn find(value: &Value, marker: &str, path: &mut Vec<String>, depth: usize) -> Option<String> {
    let Value::Object(fields) = value else { return None };
    for (name, field) in fields {
        let found = match field {
            Value::String(text) => text.contains(marker).then(|| text.clone()),
            _ if depth > 0 => find(field, marker, path, depth - 1),
            _ => None,
        };
        if found.is_some() {
            path.push(name.clone());
            return found;
        }
    }
    None
}

fn identity(value: &Value) -> String {
    let mut identity = String::new();
    for name in IDENTITY {
        if let Some(field) = value.get(name) {
            identity.push_str(&field.to_string());
            identity.push('\n');
        }
    }
    identity
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_learnt_and_streams_are_told_apart() {
        let line = br#"{"time":"1","kubernetes":{"pod":"a"},"log":{"message":"fatal error: x\n"}}"#;
        let (shape, text) = JsonShape::learn(line, "fatal error: ").expect("a shape");
        assert_eq!(text, "fatal error: x\n");
        let other = |pod: &str| {
            format!(r#"{{"time":"2","kubernetes":{{"pod":"{pod}"}},"log":{{"message":"next"}}}}"#)
        };
        assert_eq!(shape.text(other("a").as_bytes()).as_deref(), Some("next"));
        assert_eq!(shape.text(other("b").as_bytes()), None);
        assert_eq!(shape.text(b"{\"log\":"), None);
    }
}
