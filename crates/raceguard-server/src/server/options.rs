//! How the server is to run.

use std::net::SocketAddr;

use super::error::ServerError;
use super::grpc_port::GrpcPort;
use crate::cluster::ClusterOptions;
use crate::limits::Limits;
use crate::policies::git::GitFolder;
use crate::retention::Retention;
use crate::store::Place;
use crate::tls::TlsFiles;

/// How the server is to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it keeps what it takes.
    pub data: Place,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where it takes OTLP over gRPC.
    pub otlp_grpc: GrpcPort,
    /// What strangers may send.
    pub limits: Limits,
    /// The replicas that it is to be one of, over a store that they share.
    pub cluster: Option<ClusterOptions>,
    /// Certificate and key; without them connections are not encrypted.
    pub tls: Option<TlsFiles>,
    /// Whether others than this machine may be served without encryption.
    pub insecure: bool,
    /// How long evidence is kept.
    pub retention: Retention,
    /// The URL under which people reach the server, for links in messages.
    pub external_url: Option<String>,
    /// Whether `/metrics` is given to whoever asks, without a token.
    pub metrics_open: bool,
    /// A folder in a git repository whose commits bring policies into force.
    pub policy_git: Option<GitFolder>,
}

impl Options {
    /// A server on a folder or database that listens there alone, with all else as it is by default.
    pub fn new(data: impl Into<Place>, listen: SocketAddr) -> Self {
        Self {
            data: data.into(),
            listen,
            otlp_grpc: GrpcPort::Off,
            limits: Limits::default(),
            cluster: None,
            tls: None,
            insecure: false,
            retention: Retention::default(),
            external_url: None,
            metrics_open: false,
            policy_git: None,
        }
    }

    /// Whether nobody can read on the way what goes to the server, or nobody else can reach it, or that was wanted.
    pub(super) fn check_privacy(&self) -> Result<(), ServerError> {
        let addresses = [Some(self.listen), self.otlp_grpc.address()];
        let open = addresses.into_iter().flatten().find(|address| !address.ip().is_loopback());
        match open {
            Some(open) if self.tls.is_none() && !self.insecure => Err(ServerError::Insecure(open)),
            _ => Ok(()),
        }
    }
}
