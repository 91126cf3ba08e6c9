//! `raceguard-server.toml`: the flags of `raceguard serve` in a file. A flag that is given goes before its line in the file.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::CommandError;

/// What the file may say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServeConfig {
    pub(super) data: Option<PathBuf>,
    pub(super) listen: Option<SocketAddr>,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    #[serde(default)]
    pub(super) insecure: bool,
    pub(super) keep_days: Option<u32>,
    pub(super) external_url: Option<String>,
}

impl ServeConfig {
    /// Reads the file; without one nothing is said.
    pub(super) fn load(path: Option<&Path>) -> Result<Self, CommandError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let wrong = |what: String| CommandError::ServeConfig { path: path.to_owned(), what };
        let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        toml::from_str(&text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))
    }
}
