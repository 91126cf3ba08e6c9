//! What produced spans, logs and metrics: the attributes of a resource, of which some have a field of their own.

use serde_json::{Map, Value};

use super::request::Producer;
use crate::metric::Metric;
use crate::span::Span;

/// A resource.
#[derive(Debug, Default)]
pub(super) struct Resource {
    service: String,
    instance: String,
    version: String,
    others: Map<String, Value>,
}

impl Resource {
    /// Takes the attributes apart.
    pub(super) fn new(mut attributes: Map<String, Value>) -> Self {
        let mut take = |name: &str| match attributes.shift_remove(name) {
            Some(Value::String(text)) => text,
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        };
        let (service, own_instance) = (take("service.name"), take("service.instance.id"));
        let version = take("service.version");
        let text = |name: &str| attributes.get(name).and_then(Value::as_str).unwrap_or_default();
        let instance = [own_instance.as_str(), text("k8s.pod.name"), text("host.name")]
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_default()
            .to_owned();
        attributes.retain(|name, _| !name.starts_with("telemetry."));
        Self { service, instance, version, others: attributes }
    }

    /// Who it is. The environment stays among the other attributes, which spans keep.
    pub(super) fn producer(&self) -> Producer {
        let environment = ["deployment.environment.name", "deployment.environment"]
            .into_iter()
            .find_map(|name| self.others.get(name).and_then(Value::as_str));
        Producer {
            service: self.service.clone(),
            version: self.version.clone(),
            instance: self.instance.clone(),
            environment: environment.unwrap_or_default().to_owned(),
        }
    }

    /// Writes it into a data point.
    pub(super) fn describe_metric(&self, metric: &mut Metric) {
        metric.service.clone_from(&self.service);
        metric.instance.clone_from(&self.instance);
        metric.version.clone_from(&self.version);
    }

    /// Writes it into a span.
    pub(super) fn describe(&self, span: &mut Span) {
        span.service.clone_from(&self.service);
        span.instance.clone_from(&self.instance);
        span.version.clone_from(&self.version);
        span.resource.clone_from(&self.others);
    }
}

/// The name of a kind of span; empty for none.
pub(super) fn span_kind(number: u64) -> &'static str {
    match number {
        1 => "internal",
        2 => "server",
        3 => "client",
        4 => "producer",
        5 => "consumer",
        _ => "",
    }
}

/// The name of a status; empty when it is unset.
pub(super) fn status(number: u64) -> &'static str {
    match number {
        1 => "ok",
        2 => "error",
        _ => "",
    }
}
