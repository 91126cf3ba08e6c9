//! `raceguard serve`: the server of a fleet's evidence, until it is told to stop.

mod limits;

use std::net::{AddrParseError, IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use raceguard_server::policies::git::GitFolder;
use raceguard_server::server::{GrpcPort, Options, Server};

use self::limits::LimitArgs;
use crate::error::{CommandError, print_warning};

/// Flags of `raceguard serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Folder of everything the server keeps; made if it is not there
    #[arg(long, value_name = "DIR", env = "RACEGUARD_DATA")]
    data: PathBuf,

    /// Address and port; anything but loopback is reachable by others
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7766")]
    listen: SocketAddr,

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
}

/// Serves until SIGTERM or Ctrl-C.
pub fn run(arguments: &ServeArgs) -> Result<u8, CommandError> {
    let system = |action: &str| {
        let action = action.to_owned();
        move |source| CommandError::System { action, source }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(system("start the threads of the server"))?;
    runtime.block_on(async {
        let options = Options {
            data: arguments.data.clone(),
            listen: arguments.listen,
            otlp_grpc: arguments.grpc_port(),
            limits: arguments.limits.limits(),
            external_url: arguments.external_url.clone(),
            policy_git: arguments
                .policy_git
                .clone()
                .map(|folder| GitFolder { folder, branch: arguments.policy_branch.clone() }),
        };
        let server = Server::start(options).await?;
        let address = server.address().map_err(system("say where the server listens"))?;
        if !address.ip().is_loopback() {
            print_warning(format!(
                "{address} is not loopback, and without TLS tokens can be read on the way"
            ));
        }
        eprintln!("raceguard: serving {} on http://{address}", arguments.data.display());
        match server.grpc_address() {
            Some(address) => eprintln!("raceguard: OTLP over gRPC on {address}"),
            None if arguments.otlp_grpc.is_none() => print_warning(format!(
                "{OTLP_GRPC} is taken, so OTLP comes over HTTP alone; --otlp-grpc ADDRESS gives gRPC another port"
            )),
            None => {}
        }
        server.run(stop_signal()).await?;
        eprintln!("raceguard: stopped, everything that was acknowledged is written");
        Ok(0)
    })
}

/// Done at the first SIGTERM or SIGINT.
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without handlers the signals end the process, which loses nothing that was acknowledged.
        return std::future::pending().await;
    };
    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
}
