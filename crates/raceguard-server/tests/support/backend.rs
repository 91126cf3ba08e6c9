//! The two places that a store can be in, and tests on each of them.

use std::path::Path;

use raceguard_server::store::Place;
use raceguard_server::store::sql::postgres::PostgresDatabase;

/// The back ends that the store has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Backend {
    /// A folder of its own.
    Sqlite,
    /// A database of its own, in a PostgreSQL server that the tests of this binary share.
    Postgres,
}

/// A store that nothing else uses; gone when dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: tempfile::TempDir,
    place: Place,
}

impl Scratch {
    /// A new one.
    pub(crate) fn new(backend: Backend) -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        let place = match backend {
            Backend::Sqlite => Place::from(folder.path()),
            Backend::Postgres => {
                let database = PostgresDatabase::new(&raceguard_testbed::postgres::fresh_address());
                Place::Postgres(database.expect("it is an address"))
            }
        };
        Self { folder, place }
    }

    /// Where it is.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// A folder for whatever else the test needs.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Makes of each asynchronous function that takes a [`Backend`] one test for each back end.
#[macro_export]
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::support::Backend::Sqlite).await; })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::support::Backend::Postgres).await; })*
        }
    };
}
