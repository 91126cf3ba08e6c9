//! The server as a whole: opens the store, listens, and stops without losing what it took.
//!
//! [`options`] is how it is to run, [`error`] why it can't, [`beside`] what runs beside the requests.

mod beside;
mod error;
mod grpc_port;
mod options;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use error::ServerError;
pub use grpc_port::GrpcPort;
pub use options::Options;

use self::beside::Beside;
use crate::alerts::Alerts;
use crate::clock::now_ms;
use crate::cluster::Cluster;
use crate::destination::Destination;
use crate::events::Events;
use crate::http::{Shared, routes};
use crate::intake::Intake;
use crate::live::Live;
use crate::pages::live;
use crate::policies::{Owns, Policies, stream};
use crate::store::{Lock, Observer, Place, Store, StoreError, WriterThread};
use crate::tls::Tls;
use crate::token::table;

/// How long requests under way may take to end when the server stops.
const STOP_TIME: Duration = Duration::from_secs(20);

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

impl Server {
    /// Opens the store and listens.
    pub async fn start(options: Options) -> Result<Self, ServerError> {
        options.check_privacy()?;
        let Options { data, listen: address, otlp_grpc, limits, cluster, tls, .. } = options;
        let Options { retention, external_url, metrics_open, policy_git, .. } = options;
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
                Arc::new(move |trigger| ownership.owns(trigger))
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

    /// Whether anybody has a token that holds: without one nobody can send or look at anything.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database does not answer.
    pub async fn has_tokens(&self) -> Result<bool, StoreError> {
        let tokens = self.shared.question(|reader| reader.ask(table::list)).await?;
        Ok(tokens.iter().any(|token| token.holds(now_ms())))
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
