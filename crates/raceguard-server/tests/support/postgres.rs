//! A PostgreSQL server of the tests' own: one for each test binary, a database for each test.
//!
//! Its programs come with Debian's package `postgresql`. They refuse to run as root, so root runs them as `postgres`.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use raceguard_server::store::Place;
use raceguard_server::store::sql::Database as _;
use raceguard_server::store::sql::postgres::PostgresDatabase;

use super::process::{Supervised, free_port, wait_for};

/// A database that nothing else uses.
pub(crate) fn fresh_database() -> Place {
    Place::Postgres(PostgresDatabase::new(&fresh_address()).expect("it is an address"))
}

/// Ends every connection to the database of this address, as a server that restarts does.
pub(crate) fn cut_connections(address: &str) {
    let (main, name) = address.rsplit_once('/').expect("it has a name");
    let database = PostgresDatabase::new(&format!("{main}/postgres")).expect("it is an address");
    let cut = format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'");
    database.writing().and_then(|mut connection| connection.run_script(&cut)).expect("it can be asked");
}

/// The address of a database that nothing else uses.
pub(crate) fn fresh_address() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    static SERVER: OnceLock<Server> = OnceLock::new();
    let port = SERVER.get_or_init(Server::start).port;
    let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let address = |name: &str| format!("postgres://postgres@127.0.0.1:{port}/{name}");
    // A thread of its own, since asynchronous ones may not block.
    let (main, create) = (address("postgres"), format!("CREATE DATABASE {name}"));
    let made = std::thread::spawn(move || {
        PostgresDatabase::new(&main).and_then(|database| database.writing()?.run_script(&create))
    });
    made.join().expect("it does not panic").expect("a database can be made");
    address(&name)
}

/// A server of its own, ended when dropped or when the process ends.
#[derive(Debug)]
pub(crate) struct Server {
    port: u16,
    process: Supervised,
}

impl Server {
    fn start() -> Self {
        let programs = programs();
        let folder = tempfile::tempdir().expect("there is room").keep();
        let user = unprivileged(&folder);
        let data = folder.join("data");
        let text = |path: &Path| path.to_str().expect("it is text").to_owned();
        let (initdb, server) = (text(&programs.join("initdb")), text(&programs.join("postgres")));
        let (data, port) = (text(&data), free_port());
        let arguments = [&*initdb, "-D", &data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"];
        let command: Vec<&str> = user.iter().copied().chain(arguments).collect();
        let made = Command::new(command[0]).args(&command[1..]).output().expect("it runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let port_text = port.to_string();
        // Nothing here survives the machine, so nothing has to be flushed to its disk.
        let arguments = [
            &*server, "-D", &data, "-p", &port_text, "-h", "127.0.0.1", "-c", "fsync=off", "-c",
            "unix_socket_directories=", "-c", "max_connections=200",
        ];
        let command: Vec<&str> = user.iter().copied().chain(arguments).collect();
        let process = Supervised::start(&folder, &command);
        wait_for(port, &folder.join("log"));
        Self { port, process }
    }
}

/// Where Debian puts the programs: the newest version that is installed.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("initdb").exists());
    found.max().expect("PostgreSQL's programs are needed: sudo apt-get install -y postgresql")
}

/// What a command has to begin with so that it does not run as root. Gives the folder to who it then runs as.
fn unprivileged(folder: &Path) -> &'static [&'static str] {
    if folder.metadata().expect("it is there").uid() != 0 {
        return &[];
    }
    let given = Command::new("chown").arg("postgres").arg(folder).status().expect("it runs");
    assert!(given.success(), "the user postgres comes with the package postgresql");
    &["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
}
