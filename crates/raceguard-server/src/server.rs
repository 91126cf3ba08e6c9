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
use crate::http::{Shared, routes};
use crate::intake::Intake;
use crate::limits::Limits;
use crate::policies::git::GitFolder;
use crate::policies::{Owns, Policies, PolicyTasks, RegistryError, stream};
use crate::otlp::grpc;
use crate::store::{Store, StoreError};
use crate::tasks::{TaskError, Tasks};

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
    /// The URL under which people reach the server, for links in messages.
    pub external_url: Option<String>,
    /// A folder in a git repository whose commits bring policies into force.
    pub policy_git: Option<GitFolder>,
}

impl Options {
    /// A server on a folder that listens there alone, with all else as it is by default.
    pub fn new(data: PathBuf, listen: SocketAddr) -> Self {
        Self { data, listen, otlp_grpc: GrpcPort::Off, limits: Limits::default(), external_url: None, policy_git: None }
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
    /// The policies that are in force can't be read.
    #[error("the policies in force can't be used: {0}")]
    Policies(#[from] RegistryError),
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
    /// Something that runs beside the requests failed; the server stopped in order.
    #[error("{0}; the server stopped, everything that was acknowledged is written")]
    Task(#[from] TaskError),
}

impl GrpcPort {
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
    store: Store,
    alerts: Alerts,
    policies: Policies,
    policy_tasks: PolicyTasks,
    limits: Limits,
    intake: Arc<Intake>,
    external_url: Option<String>,
}

impl Server {
    /// Opens the store and listens.
    pub async fn start(options: Options) -> Result<Self, ServerError> {
        let Options { data, listen: address, otlp_grpc, limits, external_url, policy_git } = options;
        let (feed, queue) = stream::queue(limits.policy_queue);
        let store = Store::open(&data, vec![Arc::new(feed)])?;
        let listener =
            TcpListener::bind(address).await.map_err(|source| ServerError::Listen { address, source })?;
        let grpc = otlp_grpc.listen().await?;
        let intake = Arc::new(Intake::new(&limits));
        let alerts = Alerts::new(store.writer.clone());
        let owns: Owns = Arc::new(|_| true);
        let (policies, policy_tasks) =
            Policies::start(&store.writer, &store.reader, &alerts, queue, owns, policy_git).await?;
        Ok(Self { listener, grpc, store, alerts, policies, policy_tasks, limits, intake, external_url })
    }

    /// Where it listens.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Takes alerts as the running server will.
    pub fn alerts(&self) -> Alerts {
        self.alerts.clone()
    }

    /// What comes in, and the counters of it.
    pub fn intake(&self) -> Arc<Intake> {
        Arc::clone(&self.intake)
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
        let Self { listener, grpc, store, alerts, policies, policy_tasks, limits, intake, external_url } = self;
        let Store { writer, reader, thread, lock } = store;
        let shared = Arc::new(Shared { writer, reader, alerts, policies, external_url, limits, intake });
        let room = Arc::new(Semaphore::new(limits.connections));
        let graceful = GracefulShutdown::new();
        let mut stop = std::pin::pin!(stop);
        let mut tasks = background(&shared, grpc, policy_tasks);
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
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.head_time)
                .serve_connection(TokioIo::new(stream), service);
            let served = graceful.watch(connection);
            tokio::spawn(async move {
                // How a connection ends is the client's business; requests are answered or not before that.
                let _ = served.await;
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
fn background(shared: &Arc<Shared>, grpc: Option<TcpListener>, policies: PolicyTasks) -> Tasks {
    let mut tasks = Tasks::default();
    let sender = Sender::new(&shared.alerts, shared.external_url.clone());
    tasks.spawn("sending alerts", |stop| sender.run(stop));
    policies.spawn(&mut tasks);
    if let Some(listener) = grpc {
        let shared = Arc::clone(shared);
        tasks.spawn("OTLP over gRPC", |stop| grpc::serve(listener, shared, stop));
    }
    tasks
}

/// The next connection, and its place among those that may be open. Nothing when it was gone before it was taken.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    if let Ok((stream, _)) = listener.accept().await {
        return Some((stream, permit));
    }
    // Out of file descriptors, most likely: they come back when connections end.
    tokio::time::sleep(Duration::from_millis(50)).await;
    None
}
