//! Numbers as text of OpenMetrics.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::definitions::{Definition, Kind, METRICS};
use super::samples::Samples;

/// What the text is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The text of these numbers.
pub fn encode(samples: Samples) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(samples)));
    let mut page = String::new();
    // Writing to memory can't fail.
    let _ = text::encode(&mut page, &registry);
    page
}

#[derive(Debug)]
struct Scrape(Samples);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for metric in METRICS {
            let Some(samples) = self.0.of(metric.name) else { continue };
            let (name, kind) = match metric.kind {
                // The format puts the suffix behind the name by itself.
                Kind::Counter => (metric.name.trim_end_matches("_total"), MetricType::Counter),
                Kind::Gauge => (metric.name, MetricType::Gauge),
            };
            let mut family = encoder.encode_descriptor(name, metric.help, None, kind)?;
            for (values, number) in samples {
                let labels: Vec<(&str, &str)> =
                    metric.labels.iter().copied().zip(values.iter().map(String::as_str)).collect();
                if labels.is_empty() {
                    write(metric, &mut family, *number)?;
                } else {
                    write(metric, &mut family.encode_family(&labels.as_slice())?, *number)?;
                }
            }
        }
        Ok(())
    }
}

fn write(metric: &Definition, encoder: &mut MetricEncoder<'_>, number: f64) -> fmt::Result {
    match metric.kind {
        Kind::Counter => encoder.encode_counter::<NoLabelSet, f64, f64>(&number, None),
        Kind::Gauge => encoder.encode_gauge(&number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_names_kinds_labels_and_an_end() {
        let mut samples = Samples::new(["pay\"1".to_owned()].into());
        let service = samples.service("pay\"1");
        samples.count("raceguard_sightings_total", &[&service, "race"], 3);
        samples.add("raceguard_policy_revision", &[], 7.0);
        let text = encode(samples);
        for line in [
            "# TYPE raceguard_sightings counter",
            "raceguard_sightings_total{service=\"pay\\\"1\",kind=\"race\"} 3.0",
            "# TYPE raceguard_policy_revision gauge",
            "raceguard_policy_revision 7.0",
            "# EOF",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn other_services_are_one() {
        let mut samples = Samples::new(["a".to_owned()].into());
        for service in ["a", "b", "c", ""] {
            let service = samples.service(service);
            samples.count("raceguard_service_records_total", &[&service], 1);
        }
        let counted: Vec<(&str, f64)> = samples
            .of("raceguard_service_records_total")
            .expect("it was counted")
            .iter()
            .map(|(labels, count)| (labels[0].as_str(), *count))
            .collect();
        assert_eq!(counted, [("(other)", 2.0), ("(unknown)", 1.0), ("a", 1.0)]);
    }

    #[test]
    fn names_follow_the_conventions() {
        for metric in METRICS {
            assert!(metric.name.starts_with("raceguard_"), "{}", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
            assert!(metric.help.ends_with('.') && !metric.help.contains('\n'), "{}", metric.name);
            assert_eq!(
                METRICS.iter().filter(|other| other.name == metric.name).count(),
                1,
                "{}",
                metric.name
            );
        }
    }
}
