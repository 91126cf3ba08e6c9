//! What was taken and what was not, as numbers that only grow while the server runs.

use std::sync::atomic::{AtomicU64, Ordering};

use super::refusal::Reason;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub fn add(&self, more: u64) {
        // ORDERING: it is read for display alone; nothing else is inferred from it.
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// What it is now.
    pub fn get(&self) -> u64 {
        // ORDERING: as in `add`.
        self.0.load(Ordering::Relaxed)
    }
}

/// How a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// `POST /v1/evidence`.
    Evidence,
    /// `POST /v1/raw`.
    Raw,
    /// OTLP over HTTP.
    OtlpHttp,
    /// OTLP over gRPC.
    OtlpGrpc,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Evidence, Self::Raw, Self::OtlpHttp, Self::OtlpGrpc];

    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Raw => "raw",
            Self::OtlpHttp => "otlp_http",
            Self::OtlpGrpc => "otlp_grpc",
        }
    }
}

/// What came in since the server started.
#[derive(Debug, Default)]
pub struct IntakeCounters {
    requests: [Counter; Transport::ALL.len()],
    refused: [Counter; Reason::ALL.len()],
    /// Bytes of bodies, as they were sent.
    pub bytes_received: Counter,
    /// Bytes of bodies, decompressed.
    pub bytes_decompressed: Counter,
    /// Records that were new.
    pub accepted: Counter,
    /// Records that had been received before.
    pub duplicates: Counter,
    /// Lines of evidence that were no records.
    pub rejected_lines: Counter,
    /// Records dated as of now, because they said that they are of the future.
    pub future_times: Counter,
    /// Records dated as of a year ago, because they said that they are older.
    pub past_times: Counter,
    /// Services, versions or instances that were recorded as `(other)`, because a token sent too many.
    pub folded_names: Counter,
    /// Spans that became records.
    pub spans: Counter,
    /// Spans without valid ids.
    pub spans_rejected: Counter,
    /// Race reports, crashes and goroutine dumps that were found in logs.
    pub log_findings: Counter,
    /// Log records in which nothing was found.
    pub log_records_dropped: Counter,
    /// Data points that became records.
    pub data_points: Counter,
    /// Metrics that do not bear on concurrency.
    pub metrics_dropped: Counter,
    /// Raw files that were read.
    pub files: Counter,
    /// Parts of requests and files that were not understood, of any kind that has no counter of its own.
    pub skipped: Counter,
}

impl IntakeCounters {
    /// Counts a request.
    pub fn request(&self, transport: Transport) {
        self.requests[transport as usize].add(1);
    }

    /// Counts a request that was refused.
    pub fn refuse(&self, reason: Reason) {
        self.refused[reason as usize].add(1);
    }

    /// Requests by how they came.
    pub fn requests(&self) -> impl Iterator<Item = (Transport, u64)> {
        Transport::ALL.iter().map(|&transport| (transport, self.requests[transport as usize].get()))
    }

    /// Requests that were refused, by reason.
    pub fn refused(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.iter().map(|&reason| (reason, self.refused[reason as usize].get()))
    }

    /// How often requests were refused for this reason.
    pub fn refused_for(&self, reason: Reason) -> u64 {
        self.refused[reason as usize].get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_found_under_its_name() {
        let counters = IntakeCounters::default();
        counters.request(Transport::OtlpGrpc);
        counters.refuse(Reason::Stopping);
        counters.refuse(Reason::Token);
        assert_eq!(counters.requests().map(|(_, count)| count).collect::<Vec<_>>(), [0, 0, 0, 1]);
        for (at, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at, "{}", reason.as_str());
            let expected = u64::from(matches!(reason, Reason::Stopping | Reason::Token));
            assert_eq!(counters.refused_for(reason), expected);
        }
    }
}
