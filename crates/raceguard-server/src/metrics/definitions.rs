//! All metrics of the server, as data: `docs/metrics.md` is made of it, and what is not here can't be measured.
//!
//! Names follow <https://prometheus.io/docs/practices/naming/>: base units, `_total` for counters, `_ratio` for shares.

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition {
    /// As Prometheus shows it.
    pub name: &'static str,
    /// Whether it only grows.
    pub kind: Kind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What it says, for people.
    pub help: &'static str,
}

/// Whether a metric only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, but for a restart.
    Counter,
    /// It goes up and down.
    Gauge,
}

impl Kind {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Definition {
    Definition { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Definition {
    Definition { name, kind: Kind::Gauge, labels, help }
}

/// The metrics, in the order in which they are written.
pub const METRICS: &[Definition] = &[
    gauge("raceguard_build_info", &["version"], "1, with the version of this server."),
    gauge(
        "raceguard_findings",
        &["service", "class", "severity"],
        "Findings of root causes that are not fixed, by class and severity of the cause.",
    ),
    gauge("raceguard_causes", &["service", "state", "severity"], "Root causes, also those that are fixed."),
    counter(
        "raceguard_sightings_total",
        &["service", "kind"],
        "How often findings were seen: race, crash, static_finding.",
    ),
    counter(
        "raceguard_crashes_total",
        &["service", "cause"],
        "Deaths of programs: panic, or which fatal error of Go's runtime.",
    ),
    gauge(
        "raceguard_detector_enabled",
        &["service", "version"],
        "1 for builds that ran under the race detector in the last 7 days.",
    ),
    gauge("raceguard_policy_revision", &[], "Revision of the policies in force; 0 before the first one."),
    gauge("raceguard_policy_canary_revision", &[], "Revision that is tried on a share of the services."),
    gauge(
        "raceguard_policy_generation",
        &[],
        "One more with each change of what is in force, at this process.",
    ),
    gauge("raceguard_policy_triggers", &[], "Triggers in force that this process evaluates."),
    counter(
        "raceguard_policy_sightings_total",
        &[],
        "Findings in batches that this process looked at for triggers.",
    ),
    counter("raceguard_policy_matches_total", &["trigger"], "Sightings that a trigger's condition matched."),
    counter("raceguard_policy_firings_total", &["trigger"], "Times that a trigger fired."),
    counter(
        "raceguard_policy_condition_failures_total",
        &["trigger"],
        "Conditions of a trigger that could not be evaluated, and did not match.",
    ),
    counter("raceguard_policy_busy_seconds_total", &[], "How long evaluating triggers took."),
    counter(
        "raceguard_policy_queue_overflows_total",
        &[],
        "Batches that did not fit into the queue of triggers, and were read from their blocks.",
    ),
    counter(
        "raceguard_policy_batches_read_total",
        &[],
        "Batches that triggers read from their blocks: after a start, an overflow, or what another replica did not tell.",
    ),
    gauge("raceguard_policy_deliveries_waiting", &[], "Alerts and webhooks of triggers that are to be sent."),
    counter(
        "raceguard_policy_git_commits_total",
        &["result"],
        "Commits of the watched folder: taken, refused; and failed looks at it.",
    ),
    counter(
        "raceguard_records_total",
        &[],
        "Records of evidence that were taken, by all servers on this database.",
    ),
    counter("raceguard_duplicates_total", &[], "Records that were sent again, and counted once."),
    counter("raceguard_service_records_total", &["service"], "Records that this process took."),
    counter(
        "raceguard_intake_requests_total",
        &["transport"],
        "Requests with evidence: evidence, raw, otlp_http, otlp_grpc.",
    ),
    counter("raceguard_intake_refused_total", &["reason"], "Requests that were refused, by reason."),
    counter(
        "raceguard_intake_bytes_total",
        &["form"],
        "Bytes of bodies: received as they were sent, decompressed.",
    ),
    counter(
        "raceguard_intake_dropped_total",
        &["what"],
        "What was taken but became no record: lines, spans, log_records, metrics, parts that were not understood.",
    ),
    counter(
        "raceguard_intake_mended_total",
        &["what"],
        "What was changed to be taken: future_times, past_times, names of which a token sent too many.",
    ),
    gauge(
        "raceguard_ingest_lag_seconds",
        &["service"],
        "Age of the newest record of the last batch when it came.",
    ),
    gauge("raceguard_write_queue_tasks", &[], "Batches and changes that wait to be written."),
    gauge("raceguard_undiagnosed_findings", &[], "Findings that wait for their root cause."),
    counter(
        "raceguard_late_spans_total",
        &["service"],
        "Spans that came more than an hour after their window and are not counted.",
    ),
    gauge(
        "raceguard_slts_ratio",
        &["service"],
        "Service-level thread safety of the newest window: share of requests that were not affected.",
    ),
    gauge(
        "raceguard_slo_compliance_ratio",
        &["service"],
        "Share of the windows of the last hour that reached the target.",
    ),
    gauge("raceguard_slo_objective_ratio", &[], "The share of windows that must reach the target."),
    gauge(
        "raceguard_slo_budget_remaining_ratio",
        &["service"],
        "What is left of the error budget of 30 days; negative when overspent.",
    ),
    gauge(
        "raceguard_slo_burn_rate",
        &["service", "window"],
        "How fast the error budget is spent: at 1 it lasts its 30 days. Windows 5m, 30m, 1h, 6h.",
    ),
    gauge(
        "raceguard_lock_wait_seconds",
        &["service", "source"],
        "Waiting for locks in the last hour, all goroutines together, as each kind of profile saw it.",
    ),
    gauge("raceguard_alerts", &["severity"], "Alerts that fire."),
    counter(
        "raceguard_alert_messages_total",
        &["result"],
        "Messages of alerts that this process sent: sent, failed (and tried again), given_up.",
    ),
    gauge("raceguard_alert_messages_waiting", &[], "Messages of alerts that are to be sent."),
    gauge(
        "raceguard_alert_message_oldest_seconds",
        &[],
        "How long the oldest message of an alert has been waiting to be sent.",
    ),
    gauge("raceguard_cluster_ready", &[], "1 while this replica reaches NATS and its lease is renewed."),
    gauge("raceguard_cluster_partitions", &[], "Partitions that this replica owns."),
    gauge("raceguard_cluster_queue_messages", &[], "Messages that wait in JetStream to be written."),
    gauge("raceguard_cluster_queue_bytes", &[], "Their bytes."),
    gauge("raceguard_cluster_queue_limit_bytes", &[], "Bytes beyond which senders are told to wait."),
    counter(
        "raceguard_cluster_messages_total",
        &["result"],
        "Messages of the queue at this replica: published, written, redelivered, postponed, set_aside.",
    ),
    counter(
        "raceguard_cluster_gaps_total",
        &[],
        "Times that this replica did not hear what others committed, after which it read live state anew.",
    ),
    counter(
        "raceguard_map_operations_total",
        &["map", "operation", "result"],
        "Calls on the maps of live state, by whether the key was there: hit, miss, error.",
    ),
    counter(
        "raceguard_map_lock_waits_total",
        &["map"],
        "Calls on the maps of live state that waited for a lock.",
    ),
    counter("raceguard_map_lock_wait_seconds_total", &["map"], "How long they waited."),
    gauge("raceguard_map_entries", &["map"], "Entries in the maps of live state."),
];

/// The definition of a metric.
pub fn definition(name: &str) -> Option<&'static Definition> {
    METRICS.iter().find(|definition| definition.name == name)
}
