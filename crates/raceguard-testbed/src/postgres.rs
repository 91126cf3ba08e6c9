//! PostgreSQL servers: one that the tests of a process share, with a database for each test, or one of its own.
//!
//! The programs refuse to run as root, so root runs them as `postgres`.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use crate::process::{Supervised, free_port, wait_for};

/// Between two tries to reach a server that is starting.
const PAUSE: Duration = Duration::from_millis(100);

/// The address of a database that nothing else uses, in the server that this process shares. It does not flush to disk.
pub fn fresh_address() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    static SERVER: OnceLock<Server> = OnceLock::new();
    let server = SERVER.get_or_init(|| Server::start(Flush::Off));
    let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    server.run("postgres", &format!("CREATE DATABASE {name}"));
    server.address(&name)
}

/// Ends every connection to the database of this address, as a server that restarts does.
pub fn cut_connections(address: &str) {
    let (main, name) = address.rsplit_once('/').expect("it has a name");
    psql(
        &format!("{main}/postgres"),
        &format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'"),
    );
}

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// As PostgreSQL does by default.
    On,
    /// Nothing has to survive the machine.
    Off,
}

/// A server of its own, ended when dropped or when the process ends.
#[derive(Debug)]
pub struct Server {
    port: u16,
    data: PathBuf,
    _process: Supervised,
}

impl Server {
    /// Makes and starts one.
    pub fn start(flush: Flush) -> Self {
        Self::begin(flush, None)
    }

    /// One that encrypts for whoever wants that, with this certificate and its key (PEM).
    pub fn start_with_tls(certificate: &str, key: &str) -> Self {
        Self::begin(Flush::Off, Some([("server.crt", certificate), ("server.key", key)]))
    }

    fn begin(flush: Flush, tls: Option<[(&str, &str); 2]>) -> Self {
        let programs = programs().expect("PostgreSQL is needed: sudo apt-get install -y postgresql");
        let folder = tempfile::tempdir().expect("there is room").keep();
        let user = unprivileged(&folder);
        let data = folder.join("data");
        let text = |path: &Path| path.to_str().expect("it is text").to_owned();
        let (initdb, server) = (text(&programs.join("initdb")), text(&programs.join("postgres")));
        let (data_text, port) = (text(&data), free_port());
        let arguments =
            [&*initdb, "-D", &data_text, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"];
        let command: Vec<&str> = user.iter().copied().chain(arguments).collect();
        let made = Command::new(command[0]).args(&command[1..]).output().expect("it runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let (port_text, fsync) =
            (port.to_string(), if flush == Flush::On { "fsync=on" } else { "fsync=off" });
        let arguments = [
            &*server,
            "-D",
            &data_text,
            "-p",
            &port_text,
            "-h",
            "127.0.0.1",
            "-c",
            fsync,
            "-c",
            "unix_socket_directories=",
            "-c",
            "max_connections=200",
            "-c",
            if tls.is_some() { "ssl=on" } else { "ssl=off" },
        ];
        for (name, text) in tls.into_iter().flatten() {
            private_file(&data.join(name), text);
        }
        let command: Vec<&str> = user.iter().copied().chain(arguments).collect();
        let process = Supervised::start(&folder, &command);
        wait_for(port, &folder.join("log"));
        let server = Self { port, data, _process: process };
        // It listens a moment before it answers.
        let answers = (0..300).any(|_| {
            try_psql(&server.address("postgres"), "SELECT 1").is_ok() || {
                thread::sleep(PAUSE);
                false
            }
        });
        assert!(
            answers,
            "PostgreSQL does not answer: {}",
            fs::read_to_string(folder.join("log")).unwrap_or_default()
        );
        server
    }

    /// The address of one of its databases; `postgres` is always there.
    pub fn address(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs a statement in one of its databases; gives what it answers.
    pub fn run(&self, database: &str, statement: &str) -> String {
        psql(&self.address(database), statement)
    }

    /// Where its data is.
    pub fn data(&self) -> &Path {
        &self.data
    }
}

/// A file that only the server may read: it refuses other keys.
fn private_file(path: &Path, text: &str) {
    fs::write(path, text).expect("there is room");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let owner = path.parent().expect("it is in a folder").metadata().expect("it is there").uid();
    std::os::unix::fs::chown(path, Some(owner), None).expect("root may");
}

fn psql(address: &str, statement: &str) -> String {
    try_psql(address, statement).unwrap_or_else(|error| panic!("{statement}: {error}"))
}

fn try_psql(address: &str, statement: &str) -> Result<String, String> {
    let program = programs().map_or_else(|| PathBuf::from("psql"), |programs| programs.join("psql"));
    let output = Command::new(program)
        .args(["--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "-c", statement, address])
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Where Debian puts the programs: the newest version that is installed.
pub fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("initdb").exists()).max()
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
