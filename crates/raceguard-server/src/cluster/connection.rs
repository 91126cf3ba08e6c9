//! The way to NATS: the connection, and the streams and buckets that are made where they are missing.

use std::time::Duration;

use async_nats::jetstream::{self, kv, stream};
use async_nats::{Client, ConnectOptions};

use super::leases::LEASE_TIME;
use super::{ClusterError, ClusterOptions};

/// How long a server may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// How often making a stream is tried, a second apart: servers that have just started first elect who leads.
const TRIES: u32 = 30;

/// What a replica works with.
pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) jetstream: jetstream::Context,
    pub(super) evidence: stream::Stream,
    pub(super) leases: kv::Store,
    pub(super) policies: kv::Store,
}

/// Connects to any of the servers. Later it moves to another one by itself when that one goes.
pub(super) async fn connect(options: &ClusterOptions, id: &str) -> Result<Connected, ClusterError> {
    let addresses: Vec<&str> = options.servers.split(',').map(str::trim).collect();
    let client = ConnectOptions::new()
        .name(format!("raceguard {id}"))
        .connection_timeout(ANSWER_TIME)
        .request_timeout(Some(ANSWER_TIME))
        .ping_interval(Duration::from_secs(5))
        .reconnect_delay_callback(|attempt| {
            Duration::from_millis(u64::try_from(attempt).unwrap_or(10).min(10) * 100)
        })
        .connect(&addresses[..])
        .await;
    let client = client.map_err(|error| ClusterError::Connect {
        servers: options.servers.clone(),
        reason: error.to_string(),
    })?;
    let mut jetstream = jetstream::new(client.clone());
    jetstream.set_timeout(ANSWER_TIME);
    let servers = addresses.len().max(client.server_info().connect_urls.len());
    let made =
        Making { jetstream: &jetstream, name: &options.name, copies: if servers >= 3 { 3 } else { 1 } };
    let evidence = made.stream(
        "evidence",
        stream::Config {
            subjects: vec![format!("{}.evidence.*", options.name)],
            retention: stream::RetentionPolicy::WorkQueue,
            ..stream::Config::default()
        },
    );
    let evidence = evidence.await?;
    let aside = stream::Config {
        subjects: vec![format!("{}.set-aside.*", options.name)],
        ..stream::Config::default()
    };
    made.stream("set-aside", aside).await?;
    let leases = made.bucket("leases", 1, LEASE_TIME).await?;
    let policies = made.bucket("policies", 16, Duration::ZERO).await?;
    Ok(Connected { client, jetstream, evidence, leases, policies })
}

/// What is made has as many copies as there are servers to hold them.
struct Making<'a> {
    jetstream: &'a jetstream::Context,
    name: &'a str,
    copies: usize,
}

impl Making<'_> {
    async fn stream(&self, what: &str, config: stream::Config) -> Result<stream::Stream, ClusterError> {
        let config = stream::Config {
            name: format!("{}-{what}", self.name),
            num_replicas: self.copies,
            storage: stream::StorageType::File,
            ..config
        };
        retried(&format!("make the stream {}", config.name), async || {
            self.jetstream.get_or_create_stream(config.clone()).await
        })
        .await
    }

    /// A bucket is a stream of a certain form. It is made as one, since the client's own way asks the servers for more than
    /// those before 2.10 say.
    async fn bucket(&self, what: &str, history: i64, max_age: Duration) -> Result<kv::Store, ClusterError> {
        let bucket = format!("{}-{what}", self.name);
        let config = stream::Config {
            name: format!("KV_{bucket}"),
            subjects: vec![format!("$KV.{bucket}.>")],
            max_messages_per_subject: history,
            max_age,
            duplicate_window: max_age.min(Duration::from_mins(2)),
            discard: stream::DiscardPolicy::New,
            num_replicas: self.copies,
            storage: stream::StorageType::File,
            allow_rollup: true,
            deny_delete: true,
            allow_direct: true,
            ..stream::Config::default()
        };
        let what = format!("make the bucket {bucket}");
        retried(&what, async || self.jetstream.get_or_create_stream(config.clone()).await).await?;
        retried(&what, async || self.jetstream.get_key_value(&bucket).await).await
    }
}

async fn retried<T, E: std::fmt::Display>(
    what: &str,
    attempt: impl AsyncFn() -> Result<T, E>,
) -> Result<T, ClusterError> {
    for tried in 1.. {
        match attempt().await {
            Ok(made) => return Ok(made),
            Err(error) if tried >= TRIES => {
                return Err(ClusterError::JetStream { what: what.to_owned(), reason: error.to_string() });
            }
            Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
    unreachable!("the last try returns")
}
