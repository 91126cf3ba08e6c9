//! Gathers the numbers, from the tables in one reading and from live state.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use raceguard_evidence::CrashCause;
use raceguard_maps::{ConcurrentMap as _, MapSnapshot as _};

use super::{BUILDS, SERVICES, Samples, machinery};
use crate::alerts::Alerts;
use crate::causes::services::DETECTOR_MS;
use crate::http::Shared;
use crate::intake::IntakeCounters;
use crate::live::Live;
use crate::live::report::MapReport;
use crate::slts::questions::objectives;
use crate::slts::{OBJECTIVE, window_of};
use crate::store::StoreError;
use crate::store::sql::{Connection, Row, values};

/// All numbers there are. Asks the database: to be called where that may block.
pub fn gather(shared: &Shared, now_ms: i64) -> Result<Samples, StoreError> {
    let mut samples = shared.reader.ask(|connection| {
        let mut samples = Samples::new(named(connection, now_ms)?);
        causes(connection, &mut samples)?;
        sightings(connection, &mut samples)?;
        detector(connection, &mut samples, now_ms)?;
        totals(connection, &mut samples)?;
        slts(connection, &mut samples, now_ms)?;
        locks(connection, &mut samples, now_ms)?;
        alerts(connection, &mut samples)?;
        machinery::waiting(connection, &mut samples, now_ms)?;
        Ok(samples)
    })?;
    samples.count("raceguard_build_info", &[env!("CARGO_PKG_VERSION")], 1);
    samples.count("raceguard_write_queue_tasks", &[], shared.writer.waiting() as u64);
    intake(&shared.intake.counters, &mut samples);
    messages(&shared.alerts, &mut samples);
    live(&shared.live, &mut samples);
    machinery::policies(&shared.policies, &mut samples);
    if let Some(cluster) = &shared.cluster {
        machinery::cluster(cluster, &mut samples);
    }
    Ok(samples)
}

/// The services with labels of their own: those with most occurrences, then those with most requests in the last hour.
fn named(connection: &mut dyn Connection, now_ms: i64) -> Result<BTreeSet<String>, StoreError> {
    let by_causes = connection.query(
        "SELECT service FROM cause_service WHERE service <> '' GROUP BY service
         ORDER BY CAST(sum(occurrences) AS BIGINT) DESC, service LIMIT $1",
        values![SERVICES as u64],
    )?;
    let by_requests = connection.query(
        "SELECT service FROM slts_window WHERE service <> '' AND win > $2 GROUP BY service
         ORDER BY CAST(sum(requests) AS BIGINT) DESC, service LIMIT $1",
        values![SERVICES as u64, window_of(now_ms) - 12],
    )?;
    let rest = connection.query(
        "SELECT DISTINCT service FROM origin WHERE service <> '' ORDER BY service LIMIT $1",
        values![SERVICES as u64],
    )?;
    let mut named = BTreeSet::new();
    for row in by_causes.iter().chain(&by_requests).chain(&rest) {
        if named.len() < SERVICES {
            named.insert(row.get(0)?);
        }
    }
    Ok(named)
}

fn causes(connection: &mut dyn Connection, samples: &mut Samples) -> Result<(), StoreError> {
    let rows = connection.query(
        "SELECT x.service, c.state, c.severity, count(*) FROM cause c JOIN cause_service x ON x.cause = c.id
         WHERE c.merged_into IS NULL GROUP BY x.service, c.state, c.severity",
        &[],
    )?;
    for row in &rows {
        let (service, state, severity): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let service = samples.service(&service);
        samples.count("raceguard_causes", &[&service, &state, &severity], row.get(3)?);
    }
    let rows = connection.query(
        "SELECT o.service, c.class, c.severity, count(DISTINCT m.finding) FROM cause c
         JOIN finding_cause m ON m.cause = c.id JOIN appearance a ON a.finding = m.finding
         JOIN origin o ON o.id = a.origin
         WHERE c.state <> 'fixed' AND c.merged_into IS NULL GROUP BY o.service, c.class, c.severity",
        &[],
    )?;
    for row in &rows {
        let (service, class, severity): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let service = samples.service(&service);
        samples.count("raceguard_findings", &[&service, &class, &severity], row.get(3)?);
    }
    Ok(())
}

fn sightings(connection: &mut dyn Connection, samples: &mut Samples) -> Result<(), StoreError> {
    let rows = connection.query(
        "SELECT o.service, f.kind, CAST(sum(a.occurrences) AS BIGINT) FROM finding f
         JOIN appearance a ON a.finding = f.id JOIN origin o ON o.id = a.origin GROUP BY o.service, f.kind",
        &[],
    )?;
    for row in &rows {
        let (service, kind): (String, String) = (row.get(0)?, row.get(1)?);
        let service = samples.service(&service);
        samples.count("raceguard_sightings_total", &[&service, &kind], row.get(2)?);
    }
    let rows = connection.query(
        "SELECT o.service, f.title, CAST(sum(a.occurrences) AS BIGINT) FROM finding f
         JOIN appearance a ON a.finding = f.id JOIN origin o ON o.id = a.origin
         WHERE f.kind = 'crash' GROUP BY o.service, f.title",
        &[],
    )?;
    for row in &rows {
        let (service, title): (String, String) = (row.get(0)?, row.get(1)?);
        let service = samples.service(&service);
        samples.count("raceguard_crashes_total", &[&service, crash(&title)], row.get(2)?);
    }
    Ok(())
}

/// The label of a crash with this message.
fn crash(message: &str) -> &'static str {
    match CrashCause::of_message(message) {
        CrashCause::ConcurrentMapWrites => "concurrent_map_writes",
        CrashCause::ConcurrentMapReadWrite => "concurrent_map_read_write",
        CrashCause::ConcurrentMapIterationWrite => "concurrent_map_iteration_write",
        CrashCause::Deadlock => "deadlock",
        CrashCause::UnlockOfUnlockedMutex => "unlock_of_unlocked_mutex",
        CrashCause::CloseOfClosedChannel => "close_of_closed_channel",
        CrashCause::SendOnClosedChannel => "send_on_closed_channel",
        CrashCause::NilMapWrite => "nil_map_write",
        CrashCause::WaitGroupMisuse => "wait_group_misuse",
        _ if message.starts_with("panic") => "panic",
        _ => "other",
    }
}

fn detector(connection: &mut dyn Connection, samples: &mut Samples, now_ms: i64) -> Result<(), StoreError> {
    let rows = connection.query(
        "SELECT service, version, max(last_ms) FROM detector WHERE last_ms > $1 GROUP BY service, version
         ORDER BY max(last_ms) DESC, service, version LIMIT $2",
        values![now_ms - DETECTOR_MS, BUILDS],
    )?;
    for row in &rows {
        let (service, version): (String, String) = (row.get(0)?, row.get(1)?);
        if samples.has_label(&service) {
            samples.count("raceguard_detector_enabled", &[&service, &version], 1);
        }
    }
    Ok(())
}

fn totals(connection: &mut dyn Connection, samples: &mut Samples) -> Result<(), StoreError> {
    let row =
        connection.row("SELECT records, duplicates, (SELECT count(*) FROM undiagnosed) FROM total", &[])?;
    let row = row.ok_or(StoreError::Incomplete("total"))?;
    samples.count("raceguard_records_total", &[], row.get(0)?);
    samples.count("raceguard_duplicates_total", &[], row.get(1)?);
    samples.count("raceguard_undiagnosed_findings", &[], row.get(2)?);
    Ok(())
}

fn slts(connection: &mut dyn Connection, samples: &mut Samples, now_ms: i64) -> Result<(), StoreError> {
    samples.add("raceguard_slo_objective_ratio", &[], OBJECTIVE);
    let objectives = objectives(connection, now_ms)?;
    for slo in objectives.services.iter().chain([&objectives.fleet]) {
        let is_fleet = std::ptr::eq(slo, &raw const objectives.fleet);
        if !is_fleet && !samples.has_label(&slo.service) {
            continue;
        }
        let service = slo.service.as_str();
        if let Some(slts) = slo.slts {
            samples.add("raceguard_slts_ratio", &[service], slts);
        }
        if let Some(compliance) = slo.compliance {
            samples.add("raceguard_slo_compliance_ratio", &[service], compliance);
        }
        samples.add("raceguard_slo_budget_remaining_ratio", &[service], slo.budget.remaining);
        let burn = &slo.burn;
        for (window, rate) in
            [("5m", burn.five_minutes), ("30m", burn.half_hour), ("1h", burn.hour), ("6h", burn.six_hours)]
        {
            if let Some(rate) = rate {
                samples.add("raceguard_slo_burn_rate", &[service, window], rate);
            }
        }
    }
    let late = connection.query("SELECT service, spans FROM slts_late", &[])?;
    for row in &late {
        let service = samples.service(&row.get::<String>(0)?);
        samples.count("raceguard_late_spans_total", &[&service], row.get(1)?);
    }
    Ok(())
}

fn locks(connection: &mut dyn Connection, samples: &mut Samples, now_ms: i64) -> Result<(), StoreError> {
    let rows = connection.query(
        "SELECT service, source, CAST(sum(total_ns) AS BIGINT) FROM lock_window WHERE win > $1
         GROUP BY service, source",
        values![window_of(now_ms) - 12],
    )?;
    let seconds = |row: &Row| Ok::<_, StoreError>(row.get::<f64>(2)? / 1e9);
    for row in &rows {
        let (service, source): (String, String) = (row.get(0)?, row.get(1)?);
        let service = samples.service(&service);
        samples.add("raceguard_lock_wait_seconds", &[&service, &source], seconds(row)?);
    }
    Ok(())
}

fn alerts(connection: &mut dyn Connection, samples: &mut Samples) -> Result<(), StoreError> {
    for severity in 1..=3_u64 {
        let row = connection.row(
            "SELECT count(*) FROM alert WHERE severity = $1 AND resolved_ms IS NULL",
            values![severity],
        )?;
        let firing = row.map_or(Ok(0), |row| row.get(0))?;
        samples.count("raceguard_alerts", &[&format!("P{severity}")], firing);
    }
    Ok(())
}

fn intake(counters: &IntakeCounters, samples: &mut Samples) {
    for (transport, count) in counters.requests() {
        samples.count("raceguard_intake_requests_total", &[transport.as_str()], count);
    }
    for (reason, count) in counters.refused() {
        samples.count("raceguard_intake_refused_total", &[reason.as_str()], count);
    }
    let (received, decompressed) = (counters.bytes_received.get(), counters.bytes_decompressed.get());
    for (form, bytes) in [("received", received), ("decompressed", decompressed)] {
        samples.count("raceguard_intake_bytes_total", &[form], bytes);
    }
    for (what, counter) in [
        ("lines", &counters.rejected_lines),
        ("spans", &counters.spans_rejected),
        ("log_records", &counters.log_records_dropped),
        ("metrics", &counters.metrics_dropped),
        ("parts", &counters.skipped),
    ] {
        samples.count("raceguard_intake_dropped_total", &[what], counter.get());
    }
    for (what, counter) in [
        ("future_times", &counters.future_times),
        ("past_times", &counters.past_times),
        ("names", &counters.folded_names),
    ] {
        samples.count("raceguard_intake_mended_total", &[what], counter.get());
    }
}

fn messages(alerts: &Alerts, samples: &mut Samples) {
    let counters = alerts.counters();
    for (result, counter) in
        [("sent", &counters.sent), ("failed", &counters.failed), ("given_up", &counters.given_up)]
    {
        // ORDERING: Relaxed: a number for display.
        samples.count("raceguard_alert_messages_total", &[result], counter.load(Ordering::Relaxed));
    }
}

fn live(live: &Live, samples: &mut Samples) {
    if let Ok(services) = live.services.snapshot() {
        for (name, service) in services.iter() {
            let label = samples.service(name);
            samples.count("raceguard_service_records_total", &[&label], service.records);
            if let Some(lag_ms) = service.lag_ms.filter(|_| samples.has_label(name)) {
                #[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are floats")]
                samples.add("raceguard_ingest_lag_seconds", &[&label], lag_ms as f64 / 1e3);
            }
        }
    }
    live.report().maps.iter().for_each(|report| map(report, samples));
}

pub(super) fn map(map: &MapReport, samples: &mut Samples) {
    samples.count("raceguard_map_entries", &[map.name], map.entries);
    samples.count("raceguard_map_lock_waits_total", &[map.name], map.lock_waits);
    #[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are floats")]
    samples.add("raceguard_map_lock_wait_seconds_total", &[map.name], map.lock_wait_ns as f64 / 1e9);
    for calls in &map.calls {
        for (result, count) in [("hit", calls.hits), ("miss", calls.misses), ("error", calls.errors)] {
            samples.count("raceguard_map_operations_total", &[map.name, calls.kind, result], count);
        }
    }
}
