//! A server in this process, and what sends to it. Each test file uses what it needs of it.
#![allow(dead_code, unreachable_pub, reason = "no test file uses all of it")]

use std::net::SocketAddr;
use std::path::Path;

use raceguard_server::alerts::Alerts;
use raceguard_server::limits::Limits;
use raceguard_server::policies::git::GitFolder;
use raceguard_server::server::{Options, Server, ServerError};
use raceguard_server::store::Store;
use raceguard_server::token::{Role, Token};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A server of its own folder, stopped when asked.
pub struct Running {
    pub address: SocketAddr,
    alerts: Alerts,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), ServerError>>,
}

impl Running {
    pub async fn start(folder: &Path, limits: Limits) -> Self {
        Self::watching(folder, limits, None).await
    }

    /// A server that takes policies from a git folder.
    pub async fn watching(folder: &Path, limits: Limits, policy_git: Option<GitFolder>) -> Self {
        let listen = "127.0.0.1:0".parse().expect("it is an address");
        Self::start_with(Options { limits, policy_git, ..Options::new(folder.to_owned(), listen) }).await
    }

    pub async fn start_with(options: Options) -> Self {
        let server = Server::start(options).await.expect("it starts");
        let address = server.address().expect("it has one");
        let alerts = server.alerts();
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(server.run(async { drop(stopped.await) }));
        Self { address, alerts, stop, ended }
    }

    pub async fn stop(self) {
        self.stop.send(()).expect("it runs");
        self.ended.await.expect("it runs").expect("it ends in order");
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

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().into()
}

/// A token of the role, made before the server runs.
pub fn token(folder: &Path, role: Role) -> Token {
    Store::add_token(folder, role.as_str(), role, 1).expect("it can be made")
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
