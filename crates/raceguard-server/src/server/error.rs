//! Why the server can't run.

use std::net::SocketAddr;

use crate::cluster::ClusterError;
use crate::policies::RegistryError;
use crate::store::StoreError;
use crate::tasks::TaskError;
use crate::tls::TlsError;

/// Why the server can't run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The store can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The other replicas can't be reached.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The address can't be had.
    #[error("cannot listen on {address}: {source}; give another one with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The address for gRPC can't be had.
    #[error(
        "cannot listen on {address} for OTLP over gRPC: {source}; give another one with --otlp-grpc, or none"
    )]
    ListenGrpc {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The maps of live state can't be made.
    #[error("live state can't be made: {0}")]
    Live(String),
    /// Certificate or key can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Tokens could be read on the way.
    #[error(
        "{0} is reachable by others, and without TLS tokens can be read on the way; give --tls-cert and --tls-key, \
         or --insecure when something in front of it encrypts"
    )]
    Insecure(SocketAddr),
    /// The policies that are in force can't be read.
    #[error("the policies in force can't be used: {0}")]
    Policies(#[from] RegistryError),
    /// Something that runs beside the requests failed; the server stopped in order.
    #[error("{0}; the server stopped, everything that was acknowledged is written")]
    Task(#[from] TaskError),
}
