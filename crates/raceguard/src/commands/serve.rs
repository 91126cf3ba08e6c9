//! `raceguard serve`: the server of a fleet's evidence, until it is told to stop.

mod config;
mod limits;

use std::net::{AddrParseError, IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use raceguard_server::policies::git::GitFolder;
use raceguard_server::retention::Retention;
use raceguard_server::server::{GrpcPort, Options, Server};
use raceguard_server::tls::{Tls, TlsFiles};
use tokio::signal::unix::{SignalKind, signal};

use self::limits::LimitArgs;
use crate::error::{CommandError, print_warning};
use config::ServeConfig;

/// Flags of `raceguard serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// A file with these flags in it, as `keep_days = 90`; a flag goes before it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Folder of everything the server keeps; made if it is not there
    #[arg(long, value_name = "DIR", env = "RACEGUARD_DATA")]
    data: Option<PathBuf>,

    /// Address and port; anything but loopback is reachable by others [default: 127.0.0.1:7766]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,

    /// The server's certificate (PEM), with those that lead from it to a known one; read again at SIGHUP
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// Its key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Serve others without TLS: for networks where something in front of the server encrypts
    #[arg(long)]
    insecure: bool,

    /// Days that evidence is kept; counters of findings stay [default: 30]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    keep_days: Option<u32>,

    /// Address and port for OTLP over gRPC, or none; 127.0.0.1:4317 when that is free
    #[arg(long, value_name = "ADDRESS")]
    otlp_grpc: Option<GrpcAddress>,

    #[command(flatten)]
    limits: LimitArgs,

    /// Where people reach the server, for links in alerts, as https://raceguard.example
    #[arg(long, value_name = "URL")]
    external_url: Option<String>,

    /// A folder in a git repository: each commit's .yaml files come into force as policies
    #[arg(long, value_name = "DIR")]
    policy_git: Option<PathBuf>,

    /// The branch that is watched there
    #[arg(long, value_name = "BRANCH", default_value = "main", requires = "policy_git")]
    policy_branch: String,
    /// Give /metrics to whoever asks, without a token
    #[arg(long)]
    metrics_open: bool,
}

/// The port that exporters of OpenTelemetry send to when they are told nothing.
const OTLP_GRPC: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4317);

/// What `--otlp-grpc` takes.
#[derive(Debug, Clone, Copy)]
enum GrpcAddress {
    Off,
    At(SocketAddr),
}

impl FromStr for GrpcAddress {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        if text == "none" { Ok(Self::Off) } else { text.parse().map(Self::At) }
    }
}

/// Where it listens when it is told nothing.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7766);

impl ServeArgs {
    fn grpc_port(&self) -> GrpcPort {
        match self.otlp_grpc {
            None => GrpcPort::IfFree(OTLP_GRPC),
            Some(GrpcAddress::Off) => GrpcPort::Off,
            Some(GrpcAddress::At(address)) => GrpcPort::At(address),
        }
    }

    /// What the flags and the file say together.
    fn options(&self) -> Result<Options, CommandError> {
        let file = ServeConfig::load(self.config.as_deref())?;
        let wrong = |what: &str| {
            let path = self.config.clone().unwrap_or_else(|| "raceguard serve".into());
            CommandError::ServeConfig { path, what: what.to_owned() }
        };
        let data = self.data.clone().or(file.data);
        let data = data
            .ok_or_else(|| wrong("there is no data folder; give --data, or data in the file of --config"))?;
        let listen = self.listen.or(file.listen).unwrap_or(LISTEN);
        let certificate = self.tls_cert.clone().or(file.tls_cert);
        let tls = match (certificate, self.tls_key.clone().or(file.tls_key)) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            _ => return Err(wrong("tls_cert and tls_key belong together; give both")),
        };
        let days = self.keep_days.or(file.keep_days);
        if days == Some(0) {
            return Err(wrong("keep_days is 0, so nothing would be kept"));
        }
        Ok(Options {
            otlp_grpc: self.grpc_port(),
            limits: self.limits.limits(),
            tls,
            insecure: self.insecure || file.insecure,
            retention: days.map_or_else(Retention::default, |days| Retention { days }),
            metrics_open: self.metrics_open,
            external_url: self.external_url.clone().or(file.external_url),
            policy_git: self
                .policy_git
                .clone()
                .map(|folder| GitFolder { folder, branch: self.policy_branch.clone() }),
            ..Options::new(data, listen)
        })
    }
}

/// Serves until SIGTERM or Ctrl-C.
pub fn run(arguments: &ServeArgs) -> Result<u8, CommandError> {
    let system = |action: &str| {
        let action = action.to_owned();
        move |source| CommandError::System { action, source }
    };
    let options = arguments.options()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(system("start the threads of the server"))?;
    runtime.block_on(async {
        let data = options.data.clone();
        let server = Server::start(options).await?;
        let address = server.address().map_err(system("say where the server listens"))?;
        let tls = server.tls();
        let scheme = if tls.is_some() { "https" } else { "http" };
        if tls.is_none() && !address.ip().is_loopback() {
            print_warning(format!(
                "{address} is not loopback, and without TLS tokens can be read on the way"
            ));
        }
        eprintln!("raceguard: serving {} on {scheme}://{address}", data.display());
        match server.grpc_address() {
            Some(address) => eprintln!("raceguard: OTLP over gRPC on {address}"),
            None if arguments.otlp_grpc.is_none() => print_warning(format!(
                "{OTLP_GRPC} is taken, so OTLP comes over HTTP alone; --otlp-grpc ADDRESS gives gRPC another port"
            )),
            None => {}
        }
        let reloading = tls.map(|tls| tokio::spawn(reload_at_hangup(tls)));
        let served = server.run(stop_signal()).await;
        if let Some(reloading) = reloading {
            reloading.abort();
        }
        served?;
        eprintln!("raceguard: stopped, everything that was acknowledged is written");
        Ok(0)
    })
}

/// Reads certificate and key again at each SIGHUP.
async fn reload_at_hangup(tls: Arc<Tls>) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    while hangup.recv().await.is_some() {
        match tls.reload() {
            Ok(()) => eprintln!("raceguard: certificate and key were read again"),
            Err(error) => print_warning(format!("{error}; those from before stay in use")),
        }
    }
}

/// Done at the first SIGTERM or SIGINT.
async fn stop_signal() {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without handlers the signals end the process, which loses nothing that was acknowledged.
        return std::future::pending().await;
    };
    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
}
