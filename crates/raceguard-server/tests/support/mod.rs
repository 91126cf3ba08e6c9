//! A server in this process, what sends to it, and the two places that its store can be in. Each test file uses what
//! it needs of it.
#![allow(dead_code, unused_imports, unreachable_pub, reason = "no test file uses all of it")]

pub mod backend;

use std::net::SocketAddr;
use std::sync::Arc;

use raceguard_server::alerts::Alerts;
use raceguard_server::cluster::Cluster;
use raceguard_server::intake::Intake;
use raceguard_server::limits::Limits;
use raceguard_server::policies::git::GitFolder;
use raceguard_server::server::{Options, Server, ServerError};
use raceguard_server::store::{Place, Store, StoreError};
use raceguard_server::token::{Role, Token};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) use backend::{Backend, Scratch};

/// A server of its own folder, stopped when asked.
pub struct Running {
    pub address: SocketAddr,
    /// Where it takes OTLP over gRPC, if it does.
    pub grpc: Option<SocketAddr>,
    pub intake: Arc<Intake>,
    alerts: Alerts,
    cluster: Option<Arc<Cluster>>,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), ServerError>>,
}

impl Running {
    pub async fn start(place: impl Into<Place>, limits: Limits) -> Self {
        Self::watching(place, limits, None).await
    }

    /// A server that takes policies from a git folder.
    pub async fn watching(place: impl Into<Place>, limits: Limits, policy_git: Option<GitFolder>) -> Self {
        let listen = "127.0.0.1:0".parse().expect("it is an address");
        Self::start_with(Options { limits, policy_git, ..Options::new(place, listen) }).await
    }

    pub async fn start_with(options: Options) -> Self {
        let server = Server::start(options).await.expect("it starts");
        let address = server.address().expect("it has one");
        let (grpc, intake) = (server.grpc_address(), server.intake());
        let (alerts, cluster) = (server.alerts(), server.cluster());
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(server.run(async { drop(stopped.await) }));
        Self { address, grpc, intake, alerts, cluster, stop, ended }
    }

    pub async fn stop(self) {
        self.stop.send(()).expect("it runs");
        self.ended.await.expect("it runs").expect("it ends in order");
    }

    pub fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().expect("it is a replica")
    }

    pub fn alerts(&self) -> &Alerts {
        &self.alerts
    }

    /// Sends a request with a body of JSON, or none.
    pub async fn send(&self, token: &Token, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header("authorization", format!("Bearer {}", token.reveal()))
            .header("content-type", "application/json")
            .body(body.map(|body| body.to_string()).unwrap_or_default())
            .expect("it is a request");
        self.request(move |_| {
            let mut response = agent().run(request)?;
            Ok((response.status().as_u16(), response.body_mut().read_to_string()?))
        })
        .await
    }

    /// Sends a request and gives status and answer.
    async fn request(
        &self,
        send: impl FnOnce(String) -> Result<(u16, String), ureq::Error> + Send + 'static,
    ) -> (u16, Value) {
        let base = format!("http://{}", self.address);
        let (status, text) =
            tokio::task::spawn_blocking(move || send(base)).await.expect("it runs").expect("it answers");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub async fn post(
        &self,
        token: &Token,
        headers: &[(&'static str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> (u16, Value) {
        let body = body.into();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let bearer = format!("Bearer {}", token.reveal());
        self.request(move |base| {
            let mut request = agent().post(format!("{base}/v1/evidence")).header("authorization", bearer);
            for (name, value) in headers {
                request = request.header(name, value);
            }
            let mut response = request.send(&body)?;
            Ok((response.status().as_u16(), response.body_mut().read_to_string()?))
        })
        .await
    }

    pub async fn put(
        &self,
        token: &Token,
        path: &'static str,
        headers: &[(&'static str, &str)],
        body: String,
    ) -> (u16, Value) {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let bearer = format!("Bearer {}", token.reveal());
        self.request(move |base| {
            let mut request = agent().put(format!("{base}{path}")).header("authorization", bearer);
            for (name, value) in headers {
                request = request.header(name, value);
            }
            let mut response = request.send(&body)?;
            Ok((response.status().as_u16(), response.body_mut().read_to_string()?))
        })
        .await
    }

    pub async fn get(&self, token: &Token, path: &'static str) -> (u16, Value) {
        let bearer = format!("Bearer {}", token.reveal());
        self.request(move |base| {
            let mut response = agent().get(format!("{base}{path}")).header("authorization", bearer).call()?;
            Ok((response.status().as_u16(), response.body_mut().read_to_string()?))
        })
        .await
    }
}

/// Makes requests; every answer is one.
pub fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().into()
}

/// A token of the role, made before the server runs.
pub fn token(place: impl Into<Place>, role: Role) -> Token {
    add_token(place, role.as_str(), role).expect("it can be made")
}

/// Makes a token on a thread that may block.
pub fn add_token(place: impl Into<Place>, name: &'static str, role: Role) -> Result<Token, StoreError> {
    let place = place.into();
    std::thread::spawn(move || Store::add_token(place, name, role, 1)).join().expect("it does not panic")
}

/// A race between a write and a read in a function.
pub fn race(id: &str, function: &str) -> String {
    let access = |op: &str| json!({"op": op, "size": 8, "goroutine": 1, "stack": [{"function": function, "file": "m.go", "line": 3}]});
    json!({"schema": 1, "kind": "race", "id": id, "pid": 1, "time_unix_ns": 5_000_000_000_u64, "address": "0x1", "size": 8,
           "object": null, "accesses": [access("write"), access("read")], "goroutines": []})
    .to_string()
}

/// One more occurrence of a race.
pub fn repeat(id: &str) -> String {
    json!({"schema": 1, "kind": "repeat", "race": id, "pid": 1, "time_unix_ns": 6_000_000_000_u64})
        .to_string()
}
