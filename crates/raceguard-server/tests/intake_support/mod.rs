//! What the tests of everything that comes in share: a server of its own folder that takes OTLP over gRPC too, and clients.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::net::SocketAddr;
use std::ops::Deref;

use raceguard_server::intake::Reason;
use raceguard_server::limits::Limits;
use raceguard_server::server::{GrpcPort, Options};
use raceguard_server::token::{Role, Token};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{self, agent, token};

/// A server with its folder and its tokens, stopped when asked.
pub(crate) struct Running {
    /// Where it takes OTLP over gRPC.
    pub(crate) grpc: SocketAddr,
    pub(crate) write: Token,
    pub(crate) read: Token,
    pub(crate) folder: TempDir,
    server: support::Running,
}

impl Deref for Running {
    type Target = support::Running;

    fn deref(&self) -> &support::Running {
        &self.server
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body of a refusal, which has to have the status and to say `part`.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, part: &str) {
        let body = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{body}");
        let answer = self.json();
        let error = answer["error"].as_str().or(answer["message"].as_str()).unwrap_or_default();
        assert!(error.contains(part), "{body}");
    }
}

impl Running {
    pub(crate) async fn start(limits: Limits) -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        let (write, read) = (token(folder.path(), Role::Write), token(folder.path(), Role::Read));
        let any = "127.0.0.1:0".parse().expect("it is an address");
        let options =
            Options { limits, otlp_grpc: GrpcPort::At(any), ..Options::new(folder.path().to_owned(), any) };
        let server = support::Running::start_with(options).await;
        let grpc = server.grpc.expect("it has one");
        Self { grpc, write, read, folder, server }
    }

    pub(crate) async fn stop(self) {
        self.server.stop().await;
    }

    /// Sends a body as the holder of a token that may write.
    pub(crate) async fn post(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        self.post_as(&self.write, path, headers, body).await
    }

    pub(crate) async fn post_as(
        &self,
        token: &Token,
        path: &str,
        headers: &[(&'static str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let (url, body) = (format!("http://{}{path}", self.address), body.into());
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let bearer = format!("Bearer {}", token.reveal());
        let send = move || {
            let mut request = agent().post(url).header("authorization", bearer);
            for (name, value) in headers {
                request = request.header(name, value);
            }
            let mut response = request.send(&body)?;
            let header = |name| {
                response
                    .headers()
                    .get(name)
                    .and_then(|value| value.to_str().ok())
                    .unwrap_or_default()
                    .to_owned()
            };
            let (content_type, retry_after) = (header("content-type"), header("retry-after").parse().ok());
            let (status, body) = (response.status().as_u16(), response.body_mut().read_to_vec()?);
            Ok::<_, ureq::Error>(Answer { status, content_type, retry_after, body })
        };
        tokio::task::spawn_blocking(send).await.expect("it runs").expect("it answers")
    }

    /// What `GET /v1/findings` says.
    pub(crate) async fn findings(&self) -> Value {
        let (url, bearer) =
            (format!("http://{}/v1/findings", self.address), format!("Bearer {}", self.read.reveal()));
        let ask = move || agent().get(url).header("authorization", bearer).call()?.body_mut().read_to_vec();
        let answer = tokio::task::spawn_blocking(ask).await.expect("it runs").expect("it answers");
        serde_json::from_slice(&answer).expect("it is JSON")
    }

    /// Records that are kept.
    pub(crate) async fn records(&self) -> u64 {
        self.findings().await["totals"]["records"].as_u64().expect("it is a number")
    }

    pub(crate) fn refused(&self, reason: Reason) -> u64 {
        self.intake.counters.refused_for(reason)
    }
}

/// A race as one line of evidence.
pub(crate) fn race(id: &str, function: &str) -> String {
    let access = |op: &str| json!({"op": op, "size": 8, "goroutine": 1, "stack": [{"function": function, "file": "m.go", "line": 3}]});
    json!({"schema": 1, "kind": "race", "id": id, "pid": 1, "time_unix_ns": 1_700_000_000_000_000_000_u64, "address": "0x1",
           "size": 8, "object": null, "accesses": [access("write"), access("read")], "goroutines": []})
    .to_string()
}

/// A race report as Go prints it.
pub(crate) const REPORT: &str = "==================
WARNING: DATA RACE
Write at 0x00c000012345 by goroutine 7:
  example.com/shop.(*Cart).Put()
      /src/cart.go:21 +0x44
  example.com/shop.main.func1()
      /src/main.go:12 +0x30

Previous read at 0x00c000012345 by goroutine 8:
  example.com/shop.(*Cart).Get()
      /src/cart.go:30 +0x44
  example.com/shop.main.func2()
      /src/main.go:16 +0x30

Goroutine 7 (running) created at:
  example.com/shop.main()
      /src/main.go:11 +0x64

Goroutine 8 (running) created at:
  example.com/shop.main()
      /src/main.go:15 +0x84
==================
";

/// A crash as Go prints it.
pub(crate) const CRASH: &str = "fatal error: concurrent map writes

goroutine 18 [running]:
example.com/shop.(*Cart).Put(0xc000012345)
\t/src/cart.go:21 +0x44
created by example.com/shop.main in goroutine 1
\t/src/main.go:11 +0x64
";
