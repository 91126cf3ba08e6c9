//! `raceguard agent`: sends the evidence of a machine's services to a server as it comes.

use std::path::PathBuf;

use clap::Args;

use crate::agent::config::Config;
use crate::agent::run;
use crate::error::CommandError;
use crate::fleet::connection::Connection;

/// Flags of `raceguard agent`.
#[derive(Debug, Args)]
pub struct AgentArgs {
    /// What to follow, and where to send it
    #[arg(long, value_name = "FILE", default_value = "raceguard-agent.toml")]
    config: PathBuf,

    /// Check the configuration and say what it means, and do nothing else
    #[arg(long)]
    check: bool,
}

/// Runs until SIGTERM or Ctrl-C.
pub fn run(arguments: &AgentArgs) -> Result<u8, CommandError> {
    let config = Config::load(&arguments.config)?;
    let token = config.server.token()?;
    let connection = Connection::new(&config.server.url.0, &token, config.server.ca.as_deref())?;
    if arguments.check {
        print!("{}", summary(&config));
        return Ok(0);
    }
    run::run(&config, &connection)?;
    Ok(0)
}

/// What the configuration means.
fn summary(config: &Config) -> String {
    use std::fmt::Write as _;
    let mut text = format!(
        "server {}, as instance {}\nstate {}, at most {} KiB wait\n",
        config.server.url.0,
        config.server.instance(),
        config.state.display(),
        config.spool.max_size.0 >> 10
    );
    for tail in &config.tail {
        for pattern in &tail.paths {
            let files =
                glob::glob(&pattern.0).into_iter().flatten().flatten().filter(|path| path.is_file()).count();
            let _ = writeln!(text, "tail {} ({files} files now)", pattern.0);
        }
    }
    for pprof in &config.pprof {
        for profile in &pprof.profiles {
            let _ = writeln!(text, "pprof {} every {:?}", pprof.address(*profile), pprof.every.0);
        }
    }
    text
}
