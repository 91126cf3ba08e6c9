//! The server that is measured: a process of its own, on a folder or on servers that end with this task.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use raceguard_testbed::postgres::{self, Flush};
use raceguard_testbed::{nats::Nats, process::free_port};

use crate::failure::Failure;
use crate::{process, workspace};

/// How long all that was sent may take to be written.
const WRITE_TIME: Duration = Duration::from_mins(10);

/// How long the server may take to be idle, and for how long at a time it is looked at.
const IDLE_TIME: Duration = Duration::from_mins(1);
const IDLE_STEP: Duration = Duration::from_millis(500);

/// What the server keeps its evidence in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
    /// One replica over three NATS servers and PostgreSQL.
    Cluster,
}

impl Kind {
    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::Cluster => "NATS (3 servers) and PostgreSQL, one replica",
        }
    }
}

/// A server that runs.
pub(crate) struct Subject {
    kind: Kind,
    process: Child,
    base: String,
    write: String,
    read: String,
    admin: String,
    /// The session of the one who reads, for pages.
    cookie: String,
    folder: tempfile::TempDir,
    postgres: Option<postgres::Server>,
    _nats: Option<Nats>,
}

/// What a process has used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) cpu: Duration,
    /// Bytes it holds now.
    pub(crate) memory: u64,
    /// Bytes it held at most.
    pub(crate) peak: u64,
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Subject {
    /// Starts one, with a token to write and one to read.
    pub(crate) fn start(kind: Kind, binary: &Path) -> Result<Self, Failure> {
        let folder = tempfile::tempdir_in(workspace::products("bench-server")?)
            .map_err(|error| Failure::file("create a folder in", &workspace::target(), &error))?;
        let postgres = (kind != Kind::Sqlite).then(|| postgres::Server::start(Flush::On));
        let nats = (kind == Kind::Cluster).then(|| Nats::start(3));
        let place = match &postgres {
            Some(server) => ["--database".to_owned(), server.address("postgres")],
            None => ["--data".to_owned(), folder.path().join("data").display().to_string()],
        };
        let token = |role: &str| {
            let mut command = Command::new(binary);
            command.args(["token", "add", role, "--role", role]).args(&place);
            process::demand(&mut command, "mend what it says").map(|token| token.trim().to_owned())
        };
        let (write, read, admin) = (token("write")?, token("read")?, token("admin")?);
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(binary);
        command.args(["serve", "--otlp-grpc", "none", "--listen", &address]).args(&place);
        // The load is one sender's, and no token may send so much by default.
        command.args([
            "--records-per-second",
            "100000000",
            "--mib-per-second",
            "100000",
            "--max-findings",
            "1000000",
        ]);
        if let Some(nats) = &nats {
            command.args(["--cluster", &nats.addresses()]);
        }
        let mut process = process::spawn(command.stderr(Stdio::piped()))?;
        let base = format!("http://{address}");
        if let Some(stderr) = process.stderr.take() {
            // Read to the end, so that the server never waits for us.
            thread::spawn(move || BufReader::new(stderr).lines().map_while(Result::ok).for_each(drop));
        }
        let cookie = String::new();
        let mut subject =
            Self { kind, process, base, write, read, admin, cookie, folder, postgres, _nats: nats };
        subject.wait_until_ready()?;
        subject.cookie = subject.log_in()?;
        Ok(subject)
    }

    /// What it keeps its evidence in.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// What that is called.
    pub(crate) fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// A folder on the disk that it writes to.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A connection of its own.
    #[expect(clippy::unused_self, reason = "it is one to this server")]
    pub(crate) fn agent(&self) -> ureq::Agent {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        // A page that sends us elsewhere did not answer.
        let config = config.max_redirects(0).max_redirects_will_error(false);
        config.timeout_global(Some(Duration::from_mins(2))).build().into()
    }

    /// Sends a batch; gives the status.
    pub(crate) fn post(
        &self,
        agent: &ureq::Agent,
        stream: &str,
        first: u64,
        body: &[u8],
    ) -> Result<u16, Failure> {
        let answer = agent
            .post(format!("{}/v1/evidence", self.base))
            .header("authorization", format!("Bearer {}", self.write))
            .header("raceguard-stream", stream)
            .header("raceguard-sequence", first.to_string())
            .header("raceguard-service", stream)
            .send(body)
            .and_then(|mut answer| answer.body_mut().read_to_vec().map(|_| answer.status().as_u16()));
        answer.map_err(|error| self.silent(&error))
    }

    /// Asks; gives the status and the answer.
    pub(crate) fn get(&self, agent: &ureq::Agent, path: &str) -> Result<(u16, Vec<u8>), Failure> {
        let request = agent
            .get(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.read))
            .header("cookie", &self.cookie);
        let answer = request.call().and_then(|mut answer| {
            answer.body_mut().read_to_vec().map(|body| (answer.status().as_u16(), body))
        });
        answer.map_err(|error| self.silent(&error))
    }

    /// Puts a file of policies into force.
    pub(crate) fn put_policy(&self, name: &str, text: &str) -> Result<(), Failure> {
        let request = self
            .agent()
            .put(format!("{}/v1/policies/{name}", self.base))
            .header("authorization", format!("Bearer {}", self.admin));
        let mut answer = request.send(text).map_err(|error| self.silent(&error))?;
        if answer.status().is_success() {
            return Ok(());
        }
        let said = answer.body_mut().read_to_string().unwrap_or_default();
        Err(Failure::environment(format!("the policies were not taken: {said}"), "mend them in the task"))
    }

    /// Where it listens, and the token that may read.
    pub(crate) fn reader(&self) -> (&str, &str) {
        (self.base.trim_start_matches("http://"), &self.read)
    }

    /// Waits until so many records are in the database; gives how long that took.
    pub(crate) fn wait_for_records(&self, records: u64) -> Result<Duration, Failure> {
        let (agent, start) = (self.agent(), Instant::now());
        while start.elapsed() < WRITE_TIME {
            let (_, answer) = self.get(&agent, "/v1/findings?limit=1")?;
            let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
            if answer["totals"]["records"].as_u64().is_some_and(|there| there >= records) {
                return Ok(start.elapsed());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err(Failure::environment("the server did not write all that it took", "see its log"))
    }

    /// Waits until the server does next to nothing, for a while at most: what came may still be diagnosed and evaluated.
    pub(crate) fn wait_until_idle(&self) -> Result<(), Failure> {
        let (start, mut idle) = (Instant::now(), 0);
        while idle < 3 && start.elapsed() < IDLE_TIME {
            let before = self.cost()?.cpu;
            thread::sleep(IDLE_STEP);
            let is_idle = self.cost()?.cpu.saturating_sub(before) < IDLE_STEP / 10;
            idle = if is_idle { idle + 1 } else { 0 };
        }
        Ok(())
    }

    /// What the process has used so far.
    pub(crate) fn cost(&self) -> Result<Cost, Failure> {
        let folder = PathBuf::from(format!("/proc/{}", self.process.id()));
        let (stat, status) =
            (workspace::read(&folder.join("stat"))?, workspace::read(&folder.join("status"))?);
        // Behind the name, which is in parentheses: field 14 and 15 of proc(5) are ticks of 10 ms.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        let kilobytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
        };
        Ok(Cost {
            cpu: Duration::from_millis((ticks(11) + ticks(12)) * 10),
            memory: kilobytes("VmRSS:"),
            peak: kilobytes("VmHWM:"),
        })
    }

    /// Bytes of its database.
    pub(crate) fn disk(&self) -> Result<u64, Failure> {
        match &self.postgres {
            Some(server) => {
                let size = server.run("postgres", "SELECT pg_database_size('postgres')");
                Ok(size.parse().unwrap_or(0))
            }
            None => folder_size(&self.folder.path().join("data")),
        }
    }

    /// Stops it in order; gives how long that took.
    pub(crate) fn stop(mut self) -> Result<Duration, Failure> {
        let start = Instant::now();
        process::demand(Command::new("kill").arg(self.process.id().to_string()), "see its log")?;
        let status = self.process.wait().map_err(|error| {
            Failure::environment(format!("cannot wait for the server: {error}"), "run the task again")
        })?;
        if status.success() {
            return Ok(start.elapsed());
        }
        Err(Failure::environment(format!("the server ended with {status}"), "see its log"))
    }

    /// Opens a session; gives its cookie.
    fn log_in(&self) -> Result<String, Failure> {
        let form = [("token", self.read.as_str())];
        let answer = self.agent().post(format!("{}/login", self.base)).send_form(form);
        let answer = answer.map_err(|error| self.silent(&error))?;
        let cookie = answer.headers().get("set-cookie").and_then(|cookie| cookie.to_str().ok());
        let cookie = cookie.and_then(|cookie| cookie.split(';').next());
        cookie.map(str::to_owned).ok_or_else(|| {
            Failure::environment(
                format!("the login answered {} without a cookie", answer.status()),
                "log in by hand",
            )
        })
    }

    fn wait_until_ready(&self) -> Result<(), Failure> {
        let agent = self.agent();
        for _ in 0..600 {
            if self.get(&agent, "/readyz").is_ok_and(|(status, _)| status == 200) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(100));
        }
        Err(Failure::environment(
            "the server was not ready within a minute",
            "start it by hand and see what it says",
        ))
    }

    fn silent(&self, error: &ureq::Error) -> Failure {
        Failure::environment(format!("{} does not answer: {error}", self.base), "see whether the server runs")
    }
}

fn folder_size(folder: &Path) -> Result<u64, Failure> {
    let entries = fs::read_dir(folder).map_err(|error| Failure::file("read", folder, &error))?;
    let sizes = entries.flatten().map(|entry| entry.metadata().map_or(0, |file| file.len()));
    Ok(sizes.sum())
}
