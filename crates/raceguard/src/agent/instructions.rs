//! What the server asks of this agent: for now, how much of a service's goroutines to sample.
//!
//! The race runtime reads its options when a process starts, so a rate is put into a file that a service's unit reads:
//! `sampling/SERVICE.env` with `RACEGUARD=sample=0.01` in it, for `EnvironmentFile=-` of systemd or a shell. When its time
//! is over the file is removed.
//!
//! While a rate holds, the agent measures what the race runtime costs the service ([`overhead`]) and tells the server, which
//! lowers the rate where that is above its limit.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::json;

use super::config::{Config, Deployment};
use super::overhead;
use super::pause::{chance, share};
use super::state::replace;
use super::stop::Stop;
use crate::error::print_warning;
use crate::fleet::api::path_part;
use crate::fleet::connection::Connection;

/// How long a server that has no instructions is not asked.
const UNSUPPORTED: Duration = Duration::from_mins(10);
/// How often a service whose rate was raised is asked what that costs it.
const OVERHEAD_EVERY: Duration = Duration::from_mins(1);
/// Longest time that a rate holds without being said again.
const MAX_HOLD_MS: u64 = 24 * 3600 * 1000;

/// What the server answers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Instructions {
    sampling: OneOrMany,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    None(()),
    One(Sampling),
    Many(Vec<Sampling>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::None(())
    }
}

/// How much of a service to sample.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Sampling {
    service: String,
    /// Where it runs; empty for everywhere.
    #[serde(default)]
    environment: String,
    /// Share of all accesses, above 0 and at most 1.
    rate: f64,
    /// Until when, in milliseconds since the Unix epoch.
    until_ms: u64,
}

impl Sampling {
    fn is_for(&self, deployment: &Deployment) -> bool {
        self.service == deployment.service
            && (self.environment.is_empty() || self.environment == deployment.environment)
    }
}

/// What a server says to the overhead of a service.
#[derive(Debug, Default, Deserialize)]
struct Lowered {
    #[serde(default)]
    lowered: Vec<serde::de::IgnoredAny>,
}

/// Follows the server's instructions.
#[derive(Debug)]
pub struct Instructed<'a> {
    connection: &'a Connection,
    config: &'a Config,
    folder: PathBuf,
    deployments: Vec<Deployment>,
    active: HashMap<Deployment, Sampling>,
    /// When the overhead of each was told last.
    told: HashMap<Deployment, Instant>,
}

impl<'a> Instructed<'a> {
    /// For the services that this agent sends evidence of.
    pub fn new(connection: &'a Connection, config: &'a Config) -> Self {
        Self {
            connection,
            config,
            folder: config.state.join("sampling"),
            deployments: config.deployments(),
            active: HashMap::new(),
            told: HashMap::new(),
        }
    }

    /// Asks again and again until the agent is to stop.
    pub fn run(&mut self, stop: &Stop) {
        // Files of an agent that was killed: what still holds is said again.
        self.remove_all();
        loop {
            let mut pause = self.ask();
            if !stop.is_set() && self.tell_overhead() {
                pause = self.ask();
            }
            if let Err(error) = self.expire(now_ms()) {
                print_warning(format!("cannot remove a file in {}: {error}", self.folder.display()));
            }
            if stop.wait(share(pause, 0.9 + chance() / 5.0)) {
                self.remove_all();
                return;
            }
        }
    }

    /// Asks once; returns how long to wait until the next time.
    fn ask(&mut self) -> Duration {
        let every = self.config.server.instructions.0;
        let answer = match self.connection.get(&self.path()) {
            Ok(answer) if answer.status == 200 => answer,
            // It is too old for this.
            Ok(answer) if matches!(answer.status, 404 | 405) => return UNSUPPORTED,
            // The sender says so when the server can't be reached.
            _ => return every,
        };
        match serde_json::from_str::<Instructions>(&answer.text) {
            Ok(instructions) => self.follow(instructions, now_ms()),
            Err(error) => {
                print_warning(format!(
                    "{} gave instructions that make no sense: {error}",
                    self.connection.server()
                ));
            }
        }
        every
    }

    fn path(&self) -> String {
        let query = |name: &'static str, values: BTreeSet<&str>| {
            let named = values.into_iter().filter(|value| !value.is_empty());
            named.map(|value| format!("{name}={}", path_part(value))).collect::<Vec<_>>()
        };
        let services = query("service", self.deployments.iter().map(|it| &*it.service).collect());
        let environments = query("environment", self.deployments.iter().map(|it| &*it.environment).collect());
        let query = [services, environments].concat().join("&");
        format!("/v1/agent/instructions?{query}")
    }

    fn follow(&mut self, instructions: Instructions, now_ms: u64) {
        let said = match instructions.sampling {
            OneOrMany::None(()) => Vec::new(),
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        };
        let makes_sense = |sampling: &Sampling| sampling.rate > 0.0 && sampling.rate <= 1.0;
        let holds = |sampling: &&Sampling| makes_sense(sampling) && sampling.until_ms > now_ms;
        let wanted: HashMap<Deployment, Sampling> = self
            .deployments
            .iter()
            .filter_map(|deployment| {
                let fitting = said.iter().filter(|sampling| sampling.is_for(deployment)).filter(holds);
                // What is said of an environment goes before what is said of all.
                let mut sampling = fitting.max_by_key(|sampling| !sampling.environment.is_empty())?.clone();
                sampling.until_ms = sampling.until_ms.min(now_ms + MAX_HOLD_MS);
                Some((deployment.clone(), sampling))
            })
            .collect();
        let ended: Vec<_> =
            self.active.keys().filter(|deployment| !wanted.contains_key(*deployment)).cloned().collect();
        let result = ended.iter().try_for_each(|deployment| self.end(deployment));
        let result = result.and_then(|()| {
            wanted.into_iter().try_for_each(|(deployment, sampling)| self.begin(deployment, sampling))
        });
        if let Err(error) = result {
            print_warning(format!(
                "cannot write the rate of sampling into {}: {error}",
                self.folder.display()
            ));
        }
    }

    fn begin(&mut self, deployment: Deployment, sampling: Sampling) -> io::Result<()> {
        let known = self.active.get(&deployment).map(|known| known.rate);
        if known != Some(sampling.rate) {
            fs::create_dir_all(&self.folder)?;
            let text = format!("RACEGUARD=sample={}\n", sampling.rate);
            replace(&self.file(&deployment), text.as_bytes())?;
            eprintln!("raceguard: {deployment} is to be sampled at {}", sampling.rate);
        }
        self.active.insert(deployment, sampling);
        Ok(())
    }

    fn end(&mut self, deployment: &Deployment) -> io::Result<()> {
        self.active.remove(deployment);
        self.told.remove(deployment);
        fs::remove_file(self.file(deployment))?;
        eprintln!("raceguard: {deployment} is no longer to be sampled");
        Ok(())
    }

    /// Measures what the race runtime costs the service whose rate was raised and that was measured longest ago, and tells the
    /// server. Whether the server lowered the rate.
    fn tell_overhead(&mut self) -> bool {
        let is_due = |deployment: &&Deployment| {
            self.told.get(*deployment).is_none_or(|told| told.elapsed() >= OVERHEAD_EVERY)
        };
        let due = self.active.keys().filter(is_due).filter_map(|deployment| {
            let pprof = self.config.pprof.iter().find(|pprof| pprof.is_of(deployment))?;
            Some((deployment.clone(), pprof))
        });
        let Some((deployment, pprof)) = due.min_by_key(|(deployment, _)| self.told.get(deployment)) else {
            return false;
        };
        // Without an answer it is tried again the next time; the scraper says when a service gives no profiles.
        let Ok(measured) = overhead::measure(pprof) else { return false };
        self.told.insert(deployment.clone(), Instant::now());
        let Some(overhead) = measured else { return false };
        let Deployment { service, environment } = &deployment;
        let body = json!({"service": service, "environment": environment, "overhead": overhead});
        let lowered = match self.connection.post_json("/v1/agent/overhead", &body) {
            Ok(answer) if answer.status == 200 => {
                serde_json::from_str::<Lowered>(&answer.text).is_ok_and(|answer| !answer.lowered.is_empty())
            }
            _ => false,
        };
        eprintln!("raceguard: the race runtime takes {:.1} % of the time of {deployment}", overhead * 100.0);
        lowered
    }

    fn expire(&mut self, now_ms: u64) -> io::Result<()> {
        let over = self.active.iter().filter(|(_, sampling)| sampling.until_ms <= now_ms);
        let over: Vec<_> = over.map(|(deployment, _)| deployment.clone()).collect();
        over.iter().try_for_each(|deployment| self.end(deployment))
    }

    fn remove_all(&mut self) {
        self.active.clear();
        for deployment in &self.deployments {
            let _ = fs::remove_file(self.file(deployment));
        }
    }

    /// `SERVICE.env`, or `SERVICE@ENVIRONMENT.env` where the service runs in several of this machine.
    fn file(&self, deployment: &Deployment) -> PathBuf {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let plain = |name: &str| name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect::<String>();
        let same = self.deployments.iter().filter(|other| other.service == deployment.service);
        let name = match same.count() {
            0 | 1 => plain(&deployment.service),
            _ => format!("{}@{}", plain(&deployment.service), plain(&deployment.environment)),
        };
        self.folder.join(format!("{name}.env"))
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;

    fn follow(instructed: &mut Instructed<'_>, text: &str, now: u64) {
        instructed.follow(serde_json::from_str(text).expect("it is right"), now);
    }

    fn config(state: &Path, deployments: &[(&str, &str)]) -> Config {
        let mut text = format!("state = {state:?}\n[server]\nurl = \"http://127.0.0.1:1\"\ntoken = \"t\"\n");
        for (service, environment) in deployments {
            let _ = write!(
                text,
                "[[tail]]\npaths = [\"/none\"]\nservice = \"{service}\"\nenvironment = \"{environment}\"\n"
            );
        }
        let path = state.join("agent.toml");
        fs::write(&path, text).expect("it is written");
        Config::load(&path).expect("it is right")
    }

    #[test]
    fn a_rate_of_an_environment_is_for_the_service_there() {
        let folder = tempfile::tempdir().expect("there is room");
        let connection = Connection::new("http://127.0.0.1:1", "t", None).expect("it is right");
        let config = config(folder.path(), &[("pay", "canary"), ("pay", "production"), ("chat", "canary")]);
        let mut instructed = Instructed::new(&connection, &config);
        assert_eq!(
            instructed.path(),
            "/v1/agent/instructions?service=chat&service=pay&environment=canary&environment=production"
        );
        let read = |name: &str| fs::read_to_string(folder.path().join("sampling").join(name)).ok();
        let of_pay = r#"{"service":"pay","environment":"canary","rate":0.5,"until_ms":2000}"#;
        follow(&mut instructed, &format!("{{\"sampling\":[{of_pay}]}}"), 1000);
        assert_eq!(read("pay@canary.env").as_deref(), Some("RACEGUARD=sample=0.5\n"));
        assert_eq!((read("pay@production.env"), read("chat.env")), (None, None));
        let of_all = r#"{"service":"pay","rate":0.1,"until_ms":2000}"#;
        follow(&mut instructed, &format!("{{\"sampling\":[{of_pay},{of_all}]}}"), 1000);
        assert_eq!(read("pay@canary.env").as_deref(), Some("RACEGUARD=sample=0.5\n"));
        assert_eq!(read("pay@production.env").as_deref(), Some("RACEGUARD=sample=0.1\n"));
        follow(&mut instructed, "{}", 1000);
        assert_eq!((read("pay@canary.env"), read("pay@production.env")), (None, None));
    }

    #[test]
    fn a_rate_is_in_its_file_until_its_time_is_over() {
        let folder = tempfile::tempdir().expect("there is room");
        let connection = Connection::new("http://127.0.0.1:1", "t", None).expect("it is right");
        let config = config(folder.path(), &[("pay", ""), ("a b", "")]);
        let mut instructed = Instructed::new(&connection, &config);
        assert_eq!(instructed.path(), "/v1/agent/instructions?service=a%20b&service=pay");
        let file = folder.path().join("sampling/pay.env");
        follow(&mut instructed, r#"{"sampling":{"service":"pay","rate":0.01,"until_ms":2000}}"#, 1000);
        assert_eq!(fs::read_to_string(&file).expect("it is there"), "RACEGUARD=sample=0.01\n");
        instructed.expire(1999).expect("it works");
        assert!(file.exists());
        instructed.expire(2000).expect("it works");
        assert!(!file.exists());
        for nonsense in [
            r#"{"sampling":{"service":"other","rate":0.5,"until_ms":2000}}"#,
            r#"{"sampling":{"service":"pay","rate":7,"until_ms":2000}}"#,
            r#"{"sampling":null}"#,
            "{}",
        ] {
            follow(&mut instructed, nonsense, 1000);
            assert!(!file.exists(), "{nonsense}");
        }
        follow(&mut instructed, r#"{"sampling":[{"service":"pay","rate":1,"until_ms":2000}]}"#, 1000);
        assert!(file.exists());
        follow(&mut instructed, "{}", 1000);
        assert!(!file.exists(), "what the server no longer says no longer holds");
    }
}
