//! `raceguard serve`: the server of a fleet's evidence, until it is told to stop.

use std::net::SocketAddr;

use clap::Args;
use raceguard_server::cluster::ClusterOptions;
use raceguard_server::limits::Limits;
use raceguard_server::server::{Options, Server};

use crate::commands::place::PlaceArgs;
use crate::error::{CommandError, print_warning};

/// Flags of `raceguard serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    place: PlaceArgs,

    /// NATS servers with JetStream, nats://A,B,C: this is one of several replicas, over one --database
    #[arg(
        long,
        value_name = "URLS",
        env = "RACEGUARD_CLUSTER",
        requires = "database",
        hide_env_values = true
    )]
    cluster: Option<String>,

    /// Mebibytes of evidence that may wait in the cluster's queue; set when the queue is made
    #[arg(long, value_name = "MIB", default_value_t = 4096, requires = "cluster")]
    queue_size: u32,

    /// Address and port; anything but loopback is reachable by others
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7766")]
    listen: SocketAddr,

    /// Where people reach the server, for links in alerts, as https://raceguard.example
    #[arg(long, value_name = "URL")]
    external_url: Option<String>,
}

impl ServeArgs {
    fn cluster(&self) -> Option<ClusterOptions> {
        let options = ClusterOptions::new(self.cluster.clone()?);
        Some(ClusterOptions { queue_bytes: i64::from(self.queue_size) << 20, ..options })
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
            data: arguments.place.place()?,
            listen: arguments.listen,
            limits: Limits::default(),
            cluster: arguments.cluster(),
            external_url: arguments.external_url.clone(),
        };
        let server = Server::start(options).await?;
        let address = server.address().map_err(system("say where the server listens"))?;
        if !address.ip().is_loopback() {
            print_warning(format!(
                "{address} is not loopback, and without TLS tokens can be read on the way"
            ));
        }
        eprintln!("raceguard: serving {} on http://{address}", arguments.place);
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
