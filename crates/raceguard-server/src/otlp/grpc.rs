//! OTLP over gRPC: HTTP/2 on a port of its own, with TLS when the server has a certificate.
//!
//! A message goes to its reader as the bytes that it is: what it becomes is decided field by field there, so decoding it into
//! structures first would be work for nothing.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::Full;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use prost::Message as _;
use prost::bytes::{Buf as _, Bytes};
use raceguard_evidence::foreign::otlp::{Encoding, Signal};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, UnaryService};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::answer::{ExportResponse, code};
use crate::http::Shared;
use crate::intake::{Reason, Refusal, Reservation, Transport};
use crate::limits::{Limits, TokenKey};
use crate::server::accept;
use crate::tls::Tls;

/// How often a silent client is asked whether it is there, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIME: Duration = Duration::from_secs(10);

/// Requests that one connection may have under way.
const STREAMS: u32 = 64;

/// Bytes of the headers of a request.
const HEADERS: u32 = 16 << 10;

/// Bytes before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// How long requests under way may take to end when the server stops.
const STOP_TIME: Duration = Duration::from_secs(15);

/// Serves until `stop` is cancelled, then ends the requests under way.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    shared: Arc<Shared>,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let room = Arc::new(Semaphore::new(shared.limits.connections));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &room) => accepted,
        };
        let Some((stream, permit)) = accepted else { continue };
        let (shared, watcher) = (Arc::clone(&shared), graceful.watcher());
        let (acceptor, head_time) = (tls.as_ref().map(|tls| tls.http2()), shared.limits.head_time);
        connections.spawn(async move {
            if begins(&stream, head_time).await {
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let shared = Arc::clone(&shared);
                    async move { Ok::<_, Infallible>(answer(&shared, request).await) }
                });
                // How a connection ends is the client's business; requests are answered or not before that.
                let _ = match acceptor {
                    None => watcher.watch(builder().serve_connection(TokioIo::new(stream), service)).await,
                    Some(acceptor) => match timeout(head_time, acceptor.accept(stream)).await {
                        Ok(Ok(stream)) => {
                            watcher.watch(builder().serve_connection(TokioIo::new(stream), service)).await
                        }
                        _ => Ok(()),
                    },
                };
            }
            drop(permit);
        });
    }
    drop(listener);
    let _ = timeout(STOP_TIME, graceful.shutdown()).await;
    Ok(())
}

fn builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIME)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADERS);
    builder
}

/// Whether the client says anything in time. HTTP/2 would wait for its first bytes for ever.
async fn begins(stream: &TcpStream, within: Duration) -> bool {
    let mut first = [0];
    matches!(timeout(within, stream.peek(&mut first)).await, Ok(Ok(1)))
}

async fn answer(
    shared: &Arc<Shared>,
    request: Request<hyper::body::Incoming>,
) -> Response<tonic::body::Body> {
    let counters = &shared.intake.counters;
    counters.request(Transport::OtlpGrpc);
    let signal = match request.uri().path() {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Signal::Traces,
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Signal::Metrics,
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Signal::Logs,
        other => return Status::unimplemented(format!("there is nothing at {other}")).into_http(),
    };
    let (head, body) = request.into_parts();
    let received = async {
        let token = shared.sender(&head.headers).await?;
        let received = shared.intake.receive(token, Body::new(body)).await?;
        if received.body.len() > shared.limits.otlp + PREFIX {
            // Said here, because clients send again what tonic answers to it.
            return Err(Refusal::BodyTooLarge { limit: shared.limits.otlp });
        }
        Ok::<_, Refusal>((token, received))
    };
    let (token, received) = match received.await {
        Ok(received) => received,
        Err(refusal) => {
            counters.refuse(refusal.reason());
            return status(&refusal).into_http();
        }
    };
    let is_read = Arc::new(AtomicBool::new(false));
    let export = Export {
        shared: Arc::clone(shared),
        token,
        signal,
        memory: Some(received.memory),
        is_read: Arc::clone(&is_read),
    };
    let request = Request::from_parts(head, Full::new(Bytes::from(received.body)));
    let answer = grpc(&shared.limits).unary(export, request).await;
    // ORDERING: the call that sets it was awaited.
    if !is_read.load(Ordering::Relaxed) {
        counters.refuse(Reason::Encoding);
    }
    answer
}

fn grpc(limits: &Limits) -> Grpc<MessageCodec> {
    Grpc::new(MessageCodec)
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd)
        .max_decoding_message_size(limits.otlp)
}

/// The one method of each service.
struct Export {
    shared: Arc<Shared>,
    token: TokenKey,
    signal: Signal,
    /// What the body takes.
    memory: Option<Reservation>,
    /// Whether the message was read, so that what became of it is counted.
    is_read: Arc<AtomicBool>,
}

impl UnaryService<Bytes> for Export {
    type Response = ExportResponse;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<tonic::Response<ExportResponse>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let (shared, token, signal) = (Arc::clone(&self.shared), self.token, self.signal);
        let memory = self.memory.take();
        // ORDERING: read after this call was awaited.
        self.is_read.store(true, Ordering::Relaxed);
        Box::pin(async move {
            let body = Vec::from(request.into_inner());
            let exported = async {
                let mut memory = memory.map_or_else(|| shared.intake.reserve(0), Ok)?;
                memory.grow(body.len())?;
                super::export(&shared, token, signal, Encoding::Protobuf, body, memory).await
            };
            match exported.await {
                Ok(exported) => Ok(tonic::Response::new(exported.into())),
                Err(refusal) => {
                    shared.intake.counters.refuse(refusal.reason());
                    Err(status(&refusal))
                }
            }
        })
    }
}

/// The status of a refusal, with the time after which to send again.
fn status(refusal: &Refusal) -> Status {
    let (code, message) = (code(refusal), refusal.to_string());
    match refusal.retry_after() {
        Some(wait) if code == Code::Unavailable => {
            Status::with_error_details(code, message, ErrorDetails::with_retry_info(Some(wait)))
        }
        _ => Status::new(code, message),
    }
}

/// Requests as they are on the wire, answers as [`prost`] writes them.
#[derive(Debug, Clone, Copy)]
struct MessageCodec;

impl Codec for MessageCodec {
    type Encode = ExportResponse;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for MessageCodec {
    type Item = ExportResponse;
    type Error = Status;

    fn encode(&mut self, answer: ExportResponse, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        answer.encode(buffer).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for MessageCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
