//! Numbers that were gathered, by metric and labels.

use std::collections::{BTreeMap, BTreeSet};

use super::definitions::definition;
use crate::slts::OTHER;

/// What one scrape tells.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    /// By name, then by the values of the labels in their order.
    by_name: BTreeMap<&'static str, BTreeMap<Vec<String>, f64>>,
    /// Services with labels of their own.
    named: BTreeSet<String>,
}

impl Samples {
    /// No numbers yet; services other than these are told as one.
    pub fn new(named: BTreeSet<String>) -> Self {
        Self { by_name: BTreeMap::new(), named }
    }

    /// Adds to a number, which is 0 before.
    ///
    /// # Panics
    ///
    /// When the metric is not defined with so many labels: a mistake that every scrape would show.
    pub fn add(&mut self, name: &'static str, labels: &[&str], value: f64) {
        let expected = definition(name).map(|definition| definition.labels.len());
        assert_eq!(expected, Some(labels.len()), "{name} is not defined like this");
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        *self.by_name.entry(name).or_default().entry(labels).or_default() += value;
    }

    /// The same for a count.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are floats")]
    pub fn count(&mut self, name: &'static str, labels: &[&str], count: u64) {
        self.add(name, labels, count as f64);
    }

    /// The label of a service.
    pub fn service(&self, service: &str) -> String {
        match service {
            "" => "(unknown)".to_owned(),
            _ if self.has_label(service) => service.to_owned(),
            _ => OTHER.to_owned(),
        }
    }

    /// Whether the service is told apart: what is no sum is left out for the others.
    pub fn has_label(&self, service: &str) -> bool {
        self.named.contains(service)
    }

    /// The numbers of a metric, by the values of its labels.
    pub fn of(&self, name: &str) -> Option<&BTreeMap<Vec<String>, f64>> {
        self.by_name.get(name)
    }
}
