//! The server as a whole: opens the store, listens, and stops without losing what it took.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::alerts::Alerts;
use crate::alerts::send::Sender;
use crate::causes::diagnoser::Diagnoser;
use crate::clock::now_ms;
use crate::http::{Shared, routes};
use crate::intake::Intake;
use crate::limits::Limits;
use crate::live::Live;
use crate::otlp::grpc;
use crate::retention::Retention;
use crate::slts::watch::Watch;
use crate::store::{Lock, Observer, Store, StoreError, WriterThread};
use crate::tasks::{TaskError, Tasks};
use crate::tls::{Tls, TlsError, TlsFiles};

/// How long requests under way may take to end when the server stops.
const STOP_TIME: Duration = Duration::from_secs(20);

/// How the server is to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its data folder.
    pub data: PathBuf,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where it takes OTLP over gRPC.
    pub otlp_grpc: GrpcPort,
    /// What strangers may send.
    pub limits: Limits,
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
}

impl Options {
    /// A server on a folder that listens there alone, with all else as it is by default.
    pub fn new(data: PathBuf, listen: SocketAddr) -> Self {
        Self {
            data,
            listen,
            otlp_grpc: GrpcPort::Off,
            limits: Limits::default(),
            tls: None,
            insecure: false,
            retention: Retention::default(),
            external_url: None,
            metrics_open: false,
        }
    }
}

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

/// Why the server can't run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The store can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
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
    /// Something that runs beside the requests failed; the server stopped in order.
    #[error("{0}; the server stopped, everything that was acknowledged is written")]
    Task(#[from] TaskError),
}

impl GrpcPort {
    fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Off => None,
            Self::IfFree(address) | Self::At(address) => Some(address),
        }
    }

    async fn listen(self) -> Result<Option<TcpListener>, ServerError> {
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

/// A server that listens, and serves once [`run`](Self::run) is awaited.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    grpc: Option<TcpListener>,
    shared: Arc<Shared>,
    thread: WriterThread,
    lock: Lock,
    tls: Option<Arc<Tls>>,
    retention: Retention,
}

impl Server {
    /// Opens the store and listens.
    pub async fn start(options: Options) -> Result<Self, ServerError> {
        let Options {
            data,
            listen: address,
            otlp_grpc,
            limits,
            tls,
            insecure,
            retention,
            external_url,
            metrics_open,
        } = options;
        let open = [Some(address).filter(|_| tls.is_none()), otlp_grpc.address()];
        if let Some(open) = open.into_iter().flatten().find(|open| !insecure && !open.ip().is_loopback()) {
            return Err(ServerError::Insecure(open));
        }
        let tls = tls.map(Tls::load).transpose()?.map(Arc::new);
        let live = Arc::new(Live::new().map_err(|error| ServerError::Live(error.to_string()))?);
        let store = Store::open(&data, vec![Arc::clone(&live) as Arc<dyn Observer>])?;
        live.rebuild(&store.reader, now_ms())?;
        let listener =
            TcpListener::bind(address).await.map_err(|source| ServerError::Listen { address, source })?;
        let grpc = otlp_grpc.listen().await?;
        let Store { writer, reader, thread, lock } = store;
        let intake = Arc::new(Intake::new(&limits));
        let alerts = Alerts::new(writer.clone());
        let tokens = Arc::default();
        let shared = Arc::new(Shared {
            writer,
            reader,
            live,
            alerts,
            tokens,
            external_url,
            limits,
            metrics_open,
            intake,
        });
        Ok(Self { listener, grpc, shared, thread, lock, tls, retention })
    }

    /// Where it listens.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The certificate in use, to be read again when its file changed.
    pub fn tls(&self) -> Option<Arc<Tls>> {
        self.tls.clone()
    }

    /// Takes alerts as the running server will.
    pub fn alerts(&self) -> Alerts {
        self.shared.alerts.clone()
    }

    /// What comes in, and the counters of it.
    pub fn intake(&self) -> Arc<Intake> {
        Arc::clone(&self.shared.intake)
    }

    /// Where it takes OTLP over gRPC; nothing when it does not.
    pub fn grpc_address(&self) -> Option<SocketAddr> {
        self.grpc.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Serves until `stop` is done; then takes no further requests, ends those under way, and writes what they sent.
    ///
    /// # Errors
    ///
    /// [`ServerError::Task`] when something that runs beside the requests failed, which stops the server in the same way.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), ServerError> {
        let Self { listener, grpc, shared, thread, lock, tls, retention } = self;
        let limits = shared.limits;
        let room = Arc::new(Semaphore::new(limits.connections));
        let graceful = GracefulShutdown::new();
        let mut stop = std::pin::pin!(stop);
        let mut tasks = background(&shared, grpc, retention);
        let mut failed = None;
        loop {
            let connection = tokio::select! {
                () = &mut stop => break,
                error = tasks.failed() => {
                    failed = Some(error);
                    break;
                }
                connection = accept(&listener, &room) => connection,
            };
            let Some((stream, permit)) = connection else { continue };
            let service = TowerToHyperService::new(routes(Arc::clone(&shared)));
            let (watcher, acceptor) = (graceful.watcher(), tls.as_ref().map(|tls| tls.acceptor()));
            tokio::spawn(async move {
                // How a connection ends is the client's business; requests are answered or not before that.
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new()).header_read_timeout(limits.head_time);
                match acceptor {
                    None => {
                        let connection = http.serve_connection(TokioIo::new(stream), service);
                        let _ = watcher.watch(connection).await;
                    }
                    Some(acceptor) => {
                        let greeted = tokio::time::timeout(limits.head_time, acceptor.accept(stream)).await;
                        if let Ok(Ok(stream)) = greeted {
                            let connection = http.serve_connection(TokioIo::new(stream), service);
                            let _ = watcher.watch(connection).await;
                        }
                    }
                }
                drop(permit);
            });
        }
        drop(listener);
        let _ = tokio::time::timeout(STOP_TIME, graceful.shutdown()).await;
        let ended = tasks.end(STOP_TIME).await;
        drop(shared);
        let _ = tokio::task::spawn_blocking(move || thread.stop()).await;
        drop(lock);
        Ok(failed.map_or(ended, Err)?)
    }
}

/// What runs beside the requests.
fn background(shared: &Arc<Shared>, grpc: Option<TcpListener>, retention: Retention) -> Tasks {
    let mut tasks = Tasks::default();
    let sender = Sender::new(&shared.alerts, shared.external_url.clone());
    tasks.spawn("sending alerts", |stop| sender.run(stop));
    if let Some(listener) = grpc {
        let shared = Arc::clone(shared);
        tasks.spawn("OTLP over gRPC", |stop| grpc::serve(listener, shared, stop));
    }
    let diagnoser = Diagnoser::new(Arc::clone(shared));
    tasks.spawn("diagnosing", |stop| diagnoser.run(stop));
    let watch = Watch::new(Arc::clone(shared));
    tasks.spawn("watching objectives", |stop| watch.run(stop));
    tasks.spawn("removing old evidence", |stop| retention.run(shared.writer.clone(), stop));
    tasks.spawn("noting uses of tokens", |stop| {
        Arc::clone(&shared.tokens).note_uses(shared.writer.clone(), stop)
    });
    tasks
}

/// The next connection, and its place among those that may be open. Nothing when it was gone before it was taken.
pub(crate) async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    if let Ok((stream, _)) = listener.accept().await {
        return Some((stream, permit));
    }
    // Out of file descriptors, most likely: they come back when connections end.
    tokio::time::sleep(Duration::from_millis(50)).await;
    None
}
