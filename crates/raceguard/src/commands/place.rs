//! Where a server keeps what it takes: the flags of every command that opens a store.

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use raceguard_server::store::sql::postgres::PostgresDatabase;
use raceguard_server::store::{Place, StoreError};

/// One of the two places.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct PlaceArgs {
    /// Folder of everything the server keeps; made if it is not there
    #[arg(long, value_name = "DIR", env = "RACEGUARD_DATA")]
    data: Option<PathBuf>,

    /// PostgreSQL database of everything the server keeps, postgres://USER:PASSWORD@HOST:5432/NAME
    #[arg(long, value_name = "URL", env = "RACEGUARD_DATABASE", hide_env_values = true)]
    database: Option<String>,
}

impl PlaceArgs {
    /// The place.
    pub fn place(&self) -> Result<Place, StoreError> {
        match (&self.database, &self.data) {
            (Some(address), _) => Ok(Place::Postgres(PostgresDatabase::new(address)?)),
            (None, Some(folder)) => Ok(Place::Folder(folder.clone())),
            (None, None) => Err(StoreError::Address("neither --data nor --database is given".to_owned())),
        }
    }
}

impl fmt::Display for PlaceArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.data {
            Some(folder) => write!(f, "{}", folder.display()),
            // The address holds a password.
            None => f.write_str("a PostgreSQL database"),
        }
    }
}
