//! Where a server keeps what it takes: the flags of commands that work on that, beside the server.

use std::path::PathBuf;

use clap::Args;
use raceguard_server::store::sql::postgres::PostgresDatabase;
use raceguard_server::store::{Place, StoreError};

use crate::error::CommandError;

/// One of the two places.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct PlaceArgs {
    /// The data folder of the server, which may be running
    #[arg(long, value_name = "DIR", env = "RACEGUARD_DATA")]
    data: Option<PathBuf>,

    /// The PostgreSQL database of the servers, postgres://USER:PASSWORD@HOST:5432/NAME
    #[arg(long, value_name = "URL", env = "RACEGUARD_DATABASE", hide_env_values = true)]
    database: Option<String>,
}

impl PlaceArgs {
    /// The place, if it has a database already: a folder's would be made by asking it.
    pub fn existing(&self) -> Result<Place, CommandError> {
        if let (None, Some(folder)) = (&self.database, &self.data) {
            super::existing_database(folder)?;
        }
        Ok(self.place()?)
    }

    /// The place.
    pub fn place(&self) -> Result<Place, StoreError> {
        match (&self.database, &self.data) {
            (Some(address), _) => Ok(Place::Postgres(PostgresDatabase::new(address)?)),
            (None, Some(folder)) => Ok(Place::Folder(folder.clone())),
            (None, None) => Err(StoreError::Address("neither --data nor --database is given".to_owned())),
        }
    }
}
