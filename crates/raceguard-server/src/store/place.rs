//! Where a store is: in a folder of this machine, or in a PostgreSQL database.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::StoreError;
use super::sql::Database;
use super::sql::postgres::PostgresDatabase;
use super::sql::sqlite::SqliteDatabase;

/// Where a store is.
#[derive(Debug, Clone)]
pub enum Place {
    /// In a folder, for one process.
    Folder(PathBuf),
    /// In PostgreSQL, for any number of processes.
    Postgres(PostgresDatabase),
    /// In a database that whoever starts the server brings along, who also keeps others away from it: one with faults put
    /// between it and the disk, for tests.
    Given(Arc<dyn Database>),
}

impl<P: AsRef<Path>> From<P> for Place {
    fn from(folder: P) -> Self {
        Self::Folder(folder.as_ref().to_owned())
    }
}

impl From<&Place> for Place {
    fn from(place: &Place) -> Self {
        place.clone()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            // Its address holds a password.
            Self::Postgres(_) => f.write_str("a PostgreSQL database"),
            Self::Given(_) => f.write_str("a given database"),
        }
    }
}

impl Place {
    /// The database; its folder is made if it is not there.
    pub fn database(&self) -> Result<Arc<dyn Database>, StoreError> {
        Ok(match self {
            Self::Folder(folder) => {
                make(folder)?;
                Arc::new(SqliteDatabase::new(folder.join("server.db")))
            }
            Self::Postgres(database) => Arc::new(database.clone()),
            Self::Given(database) => Arc::clone(database),
        })
    }

    /// Keeps other servers away, where only one may be.
    pub(super) fn lock(&self) -> Result<super::Lock, StoreError> {
        match self {
            Self::Folder(folder) => {
                make(folder)?;
                Ok(super::Lock(Some(lock(folder)?)))
            }
            Self::Postgres(_) | Self::Given(_) => Ok(super::Lock(None)),
        }
    }
}

fn make(folder: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(folder).map_err(|source| StoreError::Folder { folder: folder.to_owned(), source })
}

fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join("lock");
    let refused = |source| StoreError::Folder { folder: folder.to_owned(), source };
    let mut file =
        OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(refused)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = fs::read_to_string(&path).ok().filter(|pid| !pid.is_empty());
            let pid = pid.map_or_else(|| "unknown".to_owned(), |pid| pid.trim().to_owned());
            return Err(StoreError::InUse { folder: folder.to_owned(), pid });
        }
        Err(TryLockError::Error(source)) => return Err(refused(source)),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(refused)?;
    Ok(file)
}
