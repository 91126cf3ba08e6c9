//! `raceguard serve`: the server of a fleet's evidence, until it is told to stop.

mod file;
mod limits;

use std::ffi::OsString;
use std::io;
use std::net::{AddrParseError, IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use raceguard_server::cluster::ClusterOptions;
use raceguard_server::policies::git::GitFolder;
use raceguard_server::retention::Retention;
use raceguard_server::server::{GrpcPort, Options, Server};
use raceguard_server::store::Place;
use raceguard_server::store::sql::postgres::PostgresDatabase;
use raceguard_server::tls::{Tls, TlsFiles};
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::limits::LimitArgs;
use crate::error::{CommandError, print_hint, print_warning};

/// Flags of `raceguard serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// A file with these flags in it, as keep_days = 90; a flag goes before it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Folder of everything the server keeps; made if it is not there
    #[arg(long, value_name = "DIR", env = "RACEGUARD_DATA", required_unless_present_any = ["config", "database"])]
    data: Option<PathBuf>,

    /// PostgreSQL database instead of a folder, postgres://USER:PASSWORD@HOST:5432/NAME
    #[arg(
        long,
        value_name = "URL",
        env = "RACEGUARD_DATABASE",
        hide_env_values = true,
        conflicts_with = "data"
    )]
    database: Option<String>,

    /// NATS servers with JetStream, nats://A,B,C: this is one of several replicas, over one --database
    #[arg(
        long,
        value_name = "URLS",
        env = "RACEGUARD_CLUSTER",
        hide_env_values = true,
        requires = "database"
    )]
    cluster: Option<String>,

    /// MiB of evidence that may wait in the cluster's queue [default: 4096]
    #[arg(long, value_name = "MIB", requires = "cluster")]
    queue_size: Option<u32>,

    /// Address and port; anything but loopback is reachable by others
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7766")]
    listen: SocketAddr,

    /// The server's certificate (PEM), with those that lead from it to a known one; read again at SIGHUP
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// Its key (PEM)
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// Serve others without TLS: for networks where something in front of the server encrypts
    #[arg(long)]
    insecure: bool,

    /// Days that evidence is kept; counters of findings stay
    #[arg(long, value_name = "DAYS", default_value_t = Retention::default().days, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    keep_days: u32,

    /// Address and port for OTLP over gRPC, or none; 127.0.0.1:4317 when that is free
    #[arg(long, value_name = "ADDRESS")]
    otlp_grpc: Option<GrpcAddress>,

    #[command(flatten)]
    limits: LimitArgs,

    /// Where people reach the server, for links in alerts, as https://raceguard.example
    #[arg(long, value_name = "URL")]
    external_url: Option<String>,

    /// Give /metrics to whoever asks, without a token
    #[arg(long)]
    metrics_open: bool,

    /// A folder in a git repository: each commit's .yaml files come into force as policies
    #[arg(long, value_name = "DIR")]
    policy_git: Option<PathBuf>,

    /// The branch that is watched there
    #[arg(long, value_name = "BRANCH", default_value = "main", requires = "policy_git")]
    policy_branch: String,
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

impl ServeArgs {
    fn grpc_port(&self) -> GrpcPort {
        match self.otlp_grpc {
            None => GrpcPort::IfFree(OTLP_GRPC),
            Some(GrpcAddress::Off) => GrpcPort::Off,
            Some(GrpcAddress::At(address)) => GrpcPort::At(address),
        }
    }

    fn cluster(&self) -> Option<ClusterOptions> {
        let mut options = ClusterOptions::new(self.cluster.clone()?);
        if let Some(size) = self.queue_size {
            options.queue_bytes = u64::from(size) << 20;
        }
        Some(options)
    }

    /// What the flags and the file say together.
    fn options(&self) -> Result<Options, CommandError> {
        let wrong = |what: &str| {
            let path = self.config.clone().unwrap_or_else(|| "raceguard serve".into());
            CommandError::ServeConfig { path, what: what.to_owned() }
        };
        let data = match (&self.database, self.data.clone()) {
            (Some(address), _) => Place::Postgres(PostgresDatabase::new(address)?),
            (None, Some(folder)) => Place::Folder(folder),
            (None, None) => {
                return Err(wrong(
                    "there is no data folder; give --data, or data in the file, or --database",
                ));
            }
        };
        let tls = match (self.tls_cert.clone(), self.tls_key.clone()) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            _ => {
                return Err(wrong(
                    "a certificate and its key belong together; give --tls-cert and --tls-key",
                ));
            }
        };
        let branch = self.policy_branch.clone();
        Ok(Options {
            policy_git: self.policy_git.clone().map(|folder| GitFolder { folder, branch }),
            otlp_grpc: self.grpc_port(),
            cluster: self.cluster(),
            limits: self.limits.limits(),
            tls,
            insecure: self.insecure,
            retention: Retention { days: self.keep_days },
            metrics_open: self.metrics_open,
            external_url: self.external_url.clone(),
            ..Options::new(data, self.listen)
        })
    }
}

/// Serves until SIGTERM or Ctrl-C.
pub fn run(arguments: &ServeArgs) -> Result<u8, CommandError> {
    match &arguments.config {
        None => serve(arguments),
        Some(path) => {
            let words: Vec<OsString> =
                std::env::args_os().skip_while(|word| word != "serve").skip(1).collect();
            serve(&file::with_file(path, &words)?)
        }
    }
}

fn serve(arguments: &ServeArgs) -> Result<u8, CommandError> {
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
        // From here on these no longer end the process.
        let hangup = signal(SignalKind::hangup()).map_err(system("wait for SIGHUP"))?;
        let mut stop = pin!(stop_signal().map_err(system("wait for SIGTERM"))?);
        let server = tokio::select! {
            started = Server::start(options) => started?,
            () = &mut stop => return Ok(0),
        };
        let has_tokens = server.has_tokens().await.unwrap_or(true);
        let address = server.address().map_err(system("say where the server listens"))?;
        let tls = server.tls();
        let scheme = if tls.is_some() { "https" } else { "http" };
        if tls.is_none() && !address.ip().is_loopback() {
            print_warning(format!("{address} is not loopback, and without TLS tokens can be read on the way"));
        }
        eprintln!("raceguard: serving {data} on {scheme}://{address}");
        if !has_tokens {
            print_hint(format!("nobody has a token yet; `{}` makes one, to log in with", add_token(&data)));
        }
        match server.grpc_address() {
            Some(address) => eprintln!("raceguard: OTLP over gRPC on {address}"),
            None if arguments.otlp_grpc.is_none() => print_warning(format!(
                "{OTLP_GRPC} is taken, so OTLP comes over HTTP alone; --otlp-grpc ADDRESS gives gRPC another port"
            )),
            None => {}
        }
        let reloading = tokio::spawn(reload_at_hangup(hangup, tls));
        let ended = server.run(stop).await;
        reloading.abort();
        ended?;
        eprintln!("raceguard: stopped, everything that was acknowledged is written");
        Ok(0)
    })
}

/// The command that makes a token for what is kept there.
fn add_token(data: &Place) -> String {
    let data = match data {
        Place::Folder(folder) => format!("--data {}", folder.display()),
        _ => "--database ADDRESS".to_owned(),
    };
    format!("raceguard token add NAME --role admin {data}")
}

/// Reads again at each SIGHUP what can be read again: certificate and key.
async fn reload_at_hangup(mut hangup: Signal, tls: Option<Arc<Tls>>) {
    while hangup.recv().await.is_some() {
        match tls.as_ref().map(|tls| tls.reload()) {
            None => print_warning(
                "SIGHUP changes nothing: only the files of --tls-cert and --tls-key are read again, and there are \
                 none; restart the server for other settings",
            ),
            Some(Ok(())) => eprintln!("raceguard: certificate and key were read again"),
            Some(Err(error)) => print_warning(format!("{error}; those from before stay in use")),
        }
    }
}

/// Done at the first SIGTERM or SIGINT.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
    })
}
