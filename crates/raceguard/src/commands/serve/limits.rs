//! Flags of `raceguard serve` that say how much may be sent.

use std::time::Duration;

use clap::Args;
use raceguard_server::limits::{CardinalityLimits, Limits, RateLimits};

/// How much the server takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitArgs {
    /// MiB of a body as it is sent
    #[arg(long, value_name = "MIB", default_value_t = Limits::default().body >> 20, value_parser = positive)]
    max_body: usize,

    /// MiB of a body when decompressed
    #[arg(long, value_name = "MIB", default_value_t = Limits::default().decompressed >> 20, value_parser = positive)]
    max_decompressed: usize,

    /// Records of one request
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().lines, value_parser = positive)]
    max_records: usize,

    /// MiB that all requests under way may hold together
    #[arg(long, value_name = "MIB", default_value_t = Limits::default().memory >> 20, value_parser = positive)]
    intake_memory: usize,

    /// Records that a token may send in a second, on average
    #[arg(long, value_name = "COUNT", default_value_t = RateLimits::default().records, value_parser = clap::value_parser!(u64).range(1..))]
    records_per_second: u64,

    /// MiB that a token may send in a second, on average
    #[arg(long, value_name = "MIB", default_value_t = RateLimits::default().bytes >> 20, value_parser = clap::value_parser!(u64).range(1..))]
    mib_per_second: u64,

    /// Seconds' worth that a token may send at once after a silence
    #[arg(long, value_name = "SECONDS", default_value_t = RateLimits::default().burst.as_secs(), value_parser = clap::value_parser!(u64).range(1..))]
    burst: u64,

    /// Different services that a token may send in an hour; others are recorded as (other)
    #[arg(long, value_name = "COUNT", default_value_t = CardinalityLimits::default().services)]
    max_services: u32,

    /// Different versions likewise
    #[arg(long, value_name = "COUNT", default_value_t = CardinalityLimits::default().versions)]
    max_versions: u32,

    /// Different instances likewise
    #[arg(long, value_name = "COUNT", default_value_t = CardinalityLimits::default().instances)]
    max_instances: u32,

    /// Different streams that a token may send in an hour; batches with others are refused until it is over
    #[arg(long, value_name = "COUNT", default_value_t = CardinalityLimits::default().streams)]
    max_streams: u32,

    /// Different findings likewise
    #[arg(long, value_name = "COUNT", default_value_t = CardinalityLimits::default().findings)]
    max_findings: u32,
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 && number < usize::MAX >> 20 => Ok(number),
        _ => Err("a number from 1 is needed".to_owned()),
    }
}

impl LimitArgs {
    /// What the flags say.
    pub(super) fn limits(&self) -> Limits {
        let defaults = Limits::default();
        Limits {
            body: self.max_body << 20,
            decompressed: self.max_decompressed << 20,
            otlp: defaults.otlp.min(self.max_decompressed << 20),
            lines: self.max_records,
            memory: self.intake_memory << 20,
            rates: RateLimits {
                records: self.records_per_second,
                bytes: self.mib_per_second << 20,
                burst: Duration::from_secs(self.burst),
            },
            cardinality: CardinalityLimits {
                services: self.max_services,
                versions: self.max_versions,
                instances: self.max_instances,
                streams: self.max_streams,
                findings: self.max_findings,
            },
            ..defaults
        }
    }
}
