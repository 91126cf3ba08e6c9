//! The port for OTLP over gRPC.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::error::ServerError;

/// Where OTLP over gRPC is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GrpcPort {
    /// Nowhere.
    #[default]
    Off,
    /// There, if no other program has the port.
    IfFree(SocketAddr),
    /// There.
    At(SocketAddr),
}

impl GrpcPort {
    pub(super) fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Off => None,
            Self::IfFree(address) | Self::At(address) => Some(address),
        }
    }

    pub(super) async fn listen(self) -> Result<Option<TcpListener>, ServerError> {
        let refused = |address| move |source| ServerError::ListenGrpc { address, source };
        match self {
            Self::Off => Ok(None),
            Self::At(address) => Ok(Some(TcpListener::bind(address).await.map_err(refused(address))?)),
            Self::IfFree(address) => match TcpListener::bind(address).await {
                Ok(listener) => Ok(Some(listener)),
                Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(None),
                Err(error) => Err(refused(address)(error)),
            },
        }
    }
}
