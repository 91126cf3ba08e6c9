//! The counts in the text format that Prometheus reads (exposition format 0.0.4).

use std::fmt::Write;

use super::histogram::Durations;
use super::observation::{Group, Observation};

/// The metrics of one map, to be put on a page together with those of other maps.
///
/// ```
/// use raceguard_maps::layers::observed::prometheus_page;
/// use raceguard_maps::{ConcurrentMap, MutexMap, Observed};
///
/// let (routes, limits) = (Observed::new(MutexMap::new()), Observed::new(MutexMap::new()));
/// routes.insert("a", 1)?;
/// limits.insert("b", 2)?;
/// // One page for all maps of a process: each metric is described once.
/// let page = prometheus_page(&[routes.metrics("routes"), limits.metrics("limits")]);
/// assert!(page.contains(r#"map="routes""#) && page.contains(r#"map="limits""#));
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug, Clone)]
pub struct MapMetrics {
    /// The value of the label `map`.
    pub(super) name: String,
    pub(super) observation: Observation,
    pub(super) sampled: u64,
    /// `None` where the map cannot say, as after `close`.
    pub(super) entries: Option<usize>,
    pub(super) shard_lens: Option<Vec<usize>>,
}

/// One page in Prometheus' text format with the metrics of several maps, which should have different names.
///
/// ```
/// use raceguard_maps::{MutexMap, Observed, layers::observed::prometheus_page};
///
/// let (users, teams): (Observed<MutexMap<u32, u32>>, Observed<MutexMap<u32, u32>>) = Default::default();
/// let page = prometheus_page(&[users.metrics("users"), teams.metrics("teams")]);
/// assert_eq!(page.matches("# TYPE raceguard_map_entries gauge").count(), 1);
/// assert!(page.contains(r#"raceguard_map_entries{map="teams"} 0"#));
/// ```
#[allow(clippy::cast_precision_loss)] // Sampling goes up to 2^20.
pub fn prometheus_page(maps: &[MapMetrics]) -> String {
    let mut page = Page { text: String::new() };
    operations(&mut page, maps);
    page.head("operation_duration_seconds", "histogram", "Duration of calls, of a sample.");
    for map in maps {
        for group in Group::ALL {
            let labels = map.labels(&format!("operation=\"{}\"", group.name()));
            page.histogram("operation_duration_seconds", &labels, &map.observation.durations[group as usize]);
        }
    }
    page.head("sampled_calls_ratio", "gauge", "Share of the calls whose duration is measured.");
    for map in maps {
        page.sample("sampled_calls_ratio", &map.labels(""), &(1.0 / map.sampled as f64).to_string());
    }
    let waits = "Waits for locks of the map that were not free at once, per call that waited.";
    page.head("lock_wait_seconds", "histogram", waits);
    for map in maps {
        page.histogram("lock_wait_seconds", &map.labels(""), &map.observation.lock_waits);
    }
    for (metric, kind, help, value) in SIMPLE {
        page.head(metric, kind, help);
        for map in maps {
            if let Some(value) = value(map) {
                page.sample(metric, &map.labels(""), &value);
            }
        }
    }
    page.text
}

/// A metric with one sample per map: name, type, help, and how its value is found.
type Simple = (&'static str, &'static str, &'static str, fn(&MapMetrics) -> Option<String>);

const SIMPLE: [Simple; 8] = [
    ("keys_created_total", "counter", "Keys that came into being, without those of batches.", |map| {
        Some(map.observation.keys_created.to_string())
    }),
    ("keys_removed_total", "counter", "Keys that went away, without those of batches.", |map| {
        Some(map.observation.keys_removed.to_string())
    }),
    ("snapshot_entries_total", "counter", "Entries in the snapshots that were taken.", |map| {
        Some(map.observation.snapshot_entries.to_string())
    }),
    ("copied_entries_total", "counter", "Entries that writes copied to keep a snapshot as it was.", |map| {
        Some(map.observation.copied_entries.to_string())
    }),
    ("threads", "gauge", "Threads that have used the map.", |map| Some(map.observation.threads.to_string())),
    ("entries", "gauge", "Entries in the map.", |map| Some(map.entries?.to_string())),
    ("shards", "gauge", "Independent parts of the map.", |map| {
        Some(map.shard_lens.as_ref()?.len().to_string())
    }),
    ("shard_imbalance_ratio", "gauge", "Entries of the fullest shard over the mean; 1 is even.", |map| {
        Some(imbalance(map.shard_lens.as_ref()?).to_string())
    }),
];

fn operations(page: &mut Page, maps: &[MapMetrics]) {
    let help = "Calls by kind and by whether the key was there; unknown for operations of a batch.";
    page.head("operations_total", "counter", help);
    for map in maps {
        for count in &map.observation.operations {
            let results = [
                ("hit", count.hits),
                ("miss", count.misses),
                ("unknown", count.batched),
                ("error", count.errors),
            ];
            for (result, calls) in results {
                let labels = map.labels(&format!("operation=\"{}\",result=\"{result}\"", count.kind.name()));
                page.sample("operations_total", &labels, &calls.to_string());
            }
        }
    }
}

impl MapMetrics {
    /// The label of the map and further ones.
    fn labels(&self, more: &str) -> String {
        let comma = if more.is_empty() { "" } else { "," };
        format!("map=\"{}\"{comma}{more}", escaped(&self.name))
    }
}

/// The fullest shard over the mean; 1 without entries.
#[allow(clippy::cast_precision_loss)] // A ratio for people.
pub(super) fn imbalance(lens: &[usize]) -> f64 {
    let total: usize = lens.iter().sum();
    let fullest = lens.iter().copied().max().unwrap_or(0);
    if total == 0 { 1.0 } else { fullest as f64 * lens.len() as f64 / total as f64 }
}

struct Page {
    text: String,
}

/// Writing to a `String` cannot fail.
impl Page {
    fn head(&mut self, metric: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP raceguard_map_{metric} {help}");
        let _ = writeln!(self.text, "# TYPE raceguard_map_{metric} {kind}");
    }

    fn sample(&mut self, metric: &str, labels: &str, value: &str) {
        let _ = writeln!(self.text, "raceguard_map_{metric}{{{labels}}} {value}");
    }

    fn histogram(&mut self, metric: &str, labels: &str, durations: &Durations) {
        let mut cumulative = 0;
        for (bucket, count) in durations.buckets.iter().enumerate() {
            cumulative += count;
            let bound = Durations::bound_nanos(bucket).map_or("+Inf".to_owned(), seconds);
            let labels = format!("{labels},le=\"{bound}\"");
            self.sample(&format!("{metric}_bucket"), &labels, &cumulative.to_string());
        }
        self.sample(&format!("{metric}_sum"), labels, &seconds(durations.sum_nanos));
        self.sample(&format!("{metric}_count"), labels, &cumulative.to_string());
    }
}

/// Nanoseconds as seconds, exactly.
fn seconds(nanos: u64) -> String {
    let text = format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
