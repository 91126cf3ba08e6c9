//! A span in the words that counting needs.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

/// Texts longer than this are cut: they come from strangers and become keys.
const TEXT: usize = 200;

/// Places in the code that one span may name.
const CODE: usize = 8;

/// What of a span matters for service-level thread safety.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SpanDigest {
    /// Its service; empty when the span does not say.
    pub service: String,
    /// Its trace; empty when it has none.
    pub trace: String,
    /// Its id.
    pub span: String,
    /// Its operation.
    pub operation: String,
    /// Whether it is a request: what a service was asked from outside.
    pub is_request: bool,
    /// When it began, in milliseconds since the Unix epoch.
    pub start_ms: i64,
    /// Functions that it names as its code, as Go spells them.
    pub functions: Vec<String>,
    /// Files and lines that it names as its code.
    pub lines: Vec<(String, u32)>,
    /// Traces that it is linked to.
    pub linked: Vec<String>,
    /// The longest wait for a lock that it tells of, in nanoseconds.
    pub lock_wait_ns: u64,
    /// Whether it ran through code of an open finding or had lock trouble; found out when it comes.
    pub touched: bool,
}

#[derive(Deserialize)]
struct SpanLine<'a> {
    #[serde(default, borrow)]
    trace_id: Cow<'a, str>,
    #[serde(default, borrow)]
    span_id: Cow<'a, str>,
    #[serde(default, borrow)]
    parent_span_id: Cow<'a, str>,
    #[serde(default, borrow)]
    name: Cow<'a, str>,
    #[serde(default, borrow)]
    span_kind: Cow<'a, str>,
    #[serde(default, borrow)]
    service: Cow<'a, str>,
    #[serde(default)]
    start_unix_ns: u64,
    #[serde(default)]
    attributes: Attributes,
    #[serde(default)]
    links: Vec<Link>,
    #[serde(default)]
    events: Vec<Event>,
}

/// The attributes that name code or waits, under the names of OpenTelemetry's semantic conventions up to 1.29 and since.
#[derive(Default, Deserialize)]
struct Attributes {
    #[serde(default, rename = "code.function.name")]
    function_name: Option<Value>,
    #[serde(default, rename = "code.function")]
    function: Option<Value>,
    #[serde(default, rename = "code.namespace")]
    namespace: Option<Value>,
    #[serde(default, rename = "code.file.path")]
    file: Option<Value>,
    #[serde(default, rename = "code.filepath")]
    old_file: Option<Value>,
    #[serde(default, rename = "code.line.number")]
    line: Option<Value>,
    #[serde(default, rename = "code.lineno")]
    old_line: Option<Value>,
    #[serde(default, rename = "raceguard.lock.wait_ns")]
    lock_wait_ns: Option<Value>,
}

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    trace_id: String,
}

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    attributes: Attributes,
}

impl SpanDigest {
    /// Reads it off a record's line.
    pub fn read(line: &[u8]) -> Option<Self> {
        let span: SpanLine<'_> = serde_json::from_slice(line).ok()?;
        let is_request = match &*span.span_kind {
            "server" | "consumer" => true,
            "client" | "producer" => false,
            _ => span.parent_span_id.is_empty(),
        };
        let mut digest = Self {
            service: cut(&span.service),
            trace: cut(&span.trace_id),
            span: cut(&span.span_id),
            operation: cut(&span.name),
            is_request,
            start_ms: i64::try_from(span.start_unix_ns / 1_000_000).unwrap_or(i64::MAX),
            linked: span.links.iter().take(CODE).map(|link| cut(&link.trace_id)).collect(),
            ..Self::default()
        };
        digest.linked.retain(|trace| !trace.is_empty());
        digest.add(&span.attributes);
        span.events.iter().for_each(|event| digest.add(&event.attributes));
        Some(digest)
    }

    fn add(&mut self, attributes: &Attributes) {
        let text = |value: &Option<Value>| {
            value.as_ref().and_then(Value::as_str).filter(|text| !text.is_empty()).map(cut)
        };
        let number = |value: &Option<Value>| match value.as_ref()? {
            // JSON of OTLP writes integers of 64 bits as texts.
            Value::String(text) => text.parse().ok(),
            value => value.as_u64(),
        };
        let joined = |function: String| match text(&attributes.namespace) {
            Some(namespace) if !function.starts_with(&namespace) => format!("{namespace}.{function}"),
            _ => function,
        };
        if self.functions.len() < CODE {
            let function = text(&attributes.function_name).or_else(|| text(&attributes.function).map(joined));
            self.functions.extend(function);
        }
        let file = text(&attributes.file).or_else(|| text(&attributes.old_file));
        let line = number(&attributes.line).or_else(|| number(&attributes.old_line));
        if let (Some(file), Some(line)) = (file, line)
            && self.lines.len() < CODE
        {
            self.lines.push((file, u32::try_from(line).unwrap_or(0)));
        }
        self.lock_wait_ns = self.lock_wait_ns.max(number(&attributes.lock_wait_ns).unwrap_or(0));
    }
}

/// The text, at most [`TEXT`] bytes of it.
fn cut(text: &str) -> String {
    let end = (0..=text.len().min(TEXT)).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(span: &Value) -> SpanDigest {
        SpanDigest::read(span.to_string().as_bytes()).expect("it is a span")
    }

    #[test]
    fn requests_are_what_comes_from_outside() {
        let of =
            |kind: &str, parent: &str| read(&json!({"span_kind": kind, "parent_span_id": parent})).is_request;
        assert!(of("server", "ab") && of("consumer", "ab") && of("internal", "") && of("", ""));
        assert!(!of("client", "") && !of("internal", "ab") && !of("producer", ""));
    }

    #[test]
    fn code_and_waits_are_known_under_their_names() {
        let digest = read(&json!({
            "service": "pay", "trace_id": "t", "span_id": "s", "name": "POST /pay", "start_unix_ns": 5_000_000_000_u64,
            "attributes": {"code.namespace": "m/pay", "code.function": "Charge", "raceguard.lock.wait_ns": 7, "other": [1]},
            "events": [{"attributes": {"code.function.name": "m/pay.(*Book).Add", "code.filepath": "/m/book.go",
                                       "code.lineno": "12", "raceguard.lock.wait_ns": "90"}}],
            "links": [{"trace_id": "u"}, {}],
        }));
        assert_eq!(digest.functions, ["m/pay.Charge", "m/pay.(*Book).Add"]);
        assert_eq!(digest.lines, [("/m/book.go".to_owned(), 12)]);
        assert_eq!((digest.lock_wait_ns, digest.start_ms), (90, 5_000));
        assert_eq!(digest.linked, ["u"]);
    }

    #[test]
    fn what_strangers_write_is_cut() {
        let digest = read(&json!({"name": "ä".repeat(300), "attributes": {"code.function": 7}}));
        assert_eq!(digest.operation.len(), 200);
        assert_eq!(digest.functions, Vec::<String>::new());
    }
}
