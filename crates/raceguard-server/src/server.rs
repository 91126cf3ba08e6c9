//! The server as a whole: opens the store, listens, and stops without losing what it took.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::alerts::Alerts;
use crate::alerts::send::Sender;
use crate::causes::diagnoser::Diagnoser;
use crate::clock::now_ms;
use crate::cluster::{Cluster, ClusterError, ClusterOptions};
use crate::destination::Destination;
use crate::events::Events;
use crate::http::{Shared, routes};
use crate::intake::Intake;
use crate::limits::Limits;
use crate::live::Live;
use crate::otlp::grpc;
use crate::pages::live::{self, Publisher};
use crate::policies::git::GitFolder;
use crate::policies::{Owns, Policies, PolicyTasks, RegistryError, stream};
use crate::retention::Retention;
use crate::slts::watch::Watch;
use crate::store::{Lock, Observer, Place, Store, StoreError, Writer, WriterThread, partitions};
use crate::tasks::{TaskError, Tasks};
use crate::tls::{Tls, TlsError, TlsFiles};

/// How long requests under way may take to end when the server stops.
const STOP_TIME: Duration = Duration::from_secs(20);

/// How often tables for the days to come are made.
const DAYS_INTERVAL: Duration = Duration::from_hours(6);

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
    shared: Arc<Shared>,
    thread: WriterThread,
    lock: Lock,
    tls: Option<Arc<Tls>>,
    beside: Beside,
}

/// What runs beside the requests.
#[derive(Debug)]
struct Beside {
    grpc: Option<TcpListener>,
    tls: Option<Arc<Tls>>,
    retention: Retention,
    policies: PolicyTasks,
    publisher: Publisher,
}

impl Server {
    /// Opens the store and listens.
    pub async fn start(options: Options) -> Result<Self, ServerError> {
        let Options { data, listen: address, otlp_grpc, limits, cluster, tls, insecure, .. } = options;
        let Options { retention, external_url, metrics_open, policy_git, .. } = options;
        let plain = [Some(address), otlp_grpc.address()].into_iter().flatten();
        let open = plain.into_iter().find(|open| !open.ip().is_loopback());
        if let Some(open) = open.filter(|_| tls.is_none() && !insecure) {
            return Err(ServerError::Insecure(open));
        }
        let tls = tls.map(Tls::load).transpose()?.map(Arc::new);
        let live = Arc::new(Live::new().map_err(|error| ServerError::Live(error.to_string()))?);
        let cluster = match &cluster {
            Some(options) => Some(Arc::new(Cluster::connect(options).await?)),
            None => None,
        };
        let (feed, queue) = stream::queue(limits.policy_queue);
        let (notes, publisher) = live::channel();
        let others: Vec<Arc<dyn Observer>> = vec![Arc::new(feed), Arc::new(notes)];
        let store = open_store(data, &live, others, cluster.as_deref()).await?;
        let listener =
            TcpListener::bind(address).await.map_err(|source| ServerError::Listen { address, source })?;
        let grpc = otlp_grpc.listen().await?;
        let Store { writer, reader, thread, lock } = store;
        let intake = Arc::new(Intake::new(&limits));
        let alerts = Alerts::new(writer.clone());
        let owns: Owns = match &cluster {
            Some(cluster) => {
                let ownership = Arc::clone(cluster.ownership());
                Arc::new(move |fingerprint| ownership.owns(fingerprint))
            }
            None => Arc::new(|_| true),
        };
        let (policies, policy_tasks) =
            Policies::start(&writer, &reader, &alerts, queue, owns, policy_git).await?;
        let destination = match &cluster {
            Some(cluster) => Destination::Queue(Box::new(cluster.queue())),
            None => Destination::Writer(writer.clone()),
        };
        let (events, is_secure) = (Arc::new(Events::new(limits.listeners, now_ms())), tls.is_some());
        let shared = Arc::new(Shared {
            destination,
            writer,
            reader,
            live,
            alerts,
            policies,
            tokens: Arc::default(),
            external_url,
            limits,
            is_secure,
            cluster,
            metrics_open,
            intake,
            events,
        });
        let beside = Beside { grpc, tls: tls.clone(), retention, policies: policy_tasks, publisher };
        Ok(Self { listener, shared, thread, lock, tls, beside })
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

    /// Its part in the cluster that it is one of.
    pub fn cluster(&self) -> Option<Arc<Cluster>> {
        self.shared.cluster.clone()
    }

    /// What comes in, and the counters of it.
    pub fn intake(&self) -> Arc<Intake> {
        Arc::clone(&self.shared.intake)
    }

    /// Where it takes OTLP over gRPC; nothing when it does not.
    pub fn grpc_address(&self) -> Option<SocketAddr> {
        self.beside.grpc.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Serves until `stop` is done; then takes no further requests, ends those under way, and writes what they sent.
    ///
    /// # Errors
    ///
    /// [`ServerError::Task`] when something that runs beside the requests failed, which stops the server in the same way.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), ServerError> {
        let Self { listener, shared, thread, lock, tls, beside } = self;
        let limits = shared.limits;
        let pages = routes(Arc::clone(&shared));
        let room = Arc::new(Semaphore::new(limits.connections));
        let graceful = GracefulShutdown::new();
        let mut stop = std::pin::pin!(stop);
        let mut tasks = beside.start(&shared);
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
            let service = TowerToHyperService::new(pages.clone());
            let (watcher, acceptor) = (graceful.watcher(), tls.as_ref().map(|tls| tls.http1()));
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
        // Streams of events have no end of their own.
        shared.events.close();
        let _ = tokio::time::timeout(STOP_TIME, graceful.shutdown()).await;
        let ended = tasks.end(STOP_TIME).await;
        drop((pages, shared));
        let _ = tokio::task::spawn_blocking(move || thread.stop()).await;
        drop(lock);
        Ok(failed.map_or(ended, Err)?)
    }
}

impl Beside {
    fn start(self, shared: &Arc<Shared>) -> Tasks {
        let Self { grpc, tls, retention, policies, publisher } = self;
        let mut tasks = Tasks::default();
        if let Some(cluster) = &shared.cluster {
            cluster.spawn(&shared.writer, shared.limits, &mut tasks);
        }
        if let Some(listener) = grpc {
            let shared = Arc::clone(shared);
            tasks.spawn("OTLP over gRPC", |stop| grpc::serve(listener, tls, shared, stop));
        }
        by_one(&mut tasks, shared, "sending alerts", |shared, stop| {
            Sender::new(&shared.alerts, shared.external_url.clone()).run(stop)
        });
        by_one(&mut tasks, shared, "diagnosing", |shared, stop| Diagnoser::new(shared).run(stop));
        by_one(&mut tasks, shared, "watching objectives", |shared, stop| Watch::new(shared).run(stop));
        by_one(&mut tasks, shared, "removing old evidence", move |shared, stop| {
            retention.run(shared.writer.clone(), stop)
        });
        by_one(&mut tasks, shared, "tables for the days to come", |shared, stop| {
            make_days(shared.writer.clone(), stop)
        });
        let sharing = Arc::clone(shared);
        tasks.spawn("live updates", |stop| publisher.run(sharing, stop));
        tasks.spawn("noting uses of tokens", |stop| {
            Arc::clone(&shared.tokens).note_uses(shared.writer.clone(), stop)
        });
        policies.spawn(shared.cluster.as_ref(), &mut tasks);
        tasks
    }
}

/// Opens the store, and the live state from what it holds, on a thread that may block.
async fn open_store(
    place: Place,
    live: &Arc<Live>,
    others: Vec<Arc<dyn Observer>>,
    cluster: Option<&Cluster>,
) -> Result<Store, StoreError> {
    let outlet = cluster.map(|cluster| cluster.outlet() as Arc<dyn Observer>);
    let live = Arc::clone(live);
    let opened = tokio::task::spawn_blocking(move || {
        let mut observers = vec![Arc::clone(&live) as Arc<dyn Observer>];
        observers.extend(others);
        let store = Store::open_with_outlet(&place, observers, outlet)?;
        live.rebuild(&store.reader, now_ms())?;
        Ok(store)
    });
    opened.await.map_err(|_| StoreError::Stopping)?
}

/// Starts what only one of the replicas is to do: whoever owns its name does it, for as long as that is so.
fn by_one<F, E>(
    tasks: &mut Tasks,
    shared: &Arc<Shared>,
    name: &'static str,
    work: impl Fn(Arc<Shared>, CancellationToken) -> F + Send + 'static,
) where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: std::fmt::Display + Send + 'static,
{
    let shared = Arc::clone(shared);
    match &shared.cluster {
        Some(cluster) => {
            let ownership = Arc::clone(cluster.ownership());
            tasks.spawn(name, |stop| async move {
                ownership.while_owned(name, stop, move |stop| work(Arc::clone(&shared), stop)).await
            });
        }
        None => tasks.spawn(name, |stop| work(shared, stop)),
    }
}

/// Makes tables for the days to come, as long as evidence lies in one for each.
async fn make_days(writer: Writer, stop: CancellationToken) -> Result<(), StoreError> {
    while tokio::time::timeout(DAYS_INTERVAL, stop.cancelled()).await.is_err() {
        // Another replica may make the same one at this moment, and there are a week's anyway.
        let _ = writer.change(|connection| partitions::make_days(connection, now_ms())).await;
    }
    Ok(())
}

/// The next connection, and its place among those that may be open. Nothing when it was gone before it was taken.
pub(crate) async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    if let Ok((stream, _)) = listener.accept().await {
        // An answer is written at once, and whoever asked waits for it. Without this it may cost a delay, no more.
        let _ = stream.set_nodelay(true);
        return Some((stream, permit));
    }
    // Out of file descriptors, most likely: they come back when connections end.
    tokio::time::sleep(Duration::from_millis(50)).await;
    None
}
