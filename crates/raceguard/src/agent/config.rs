//! The agent's configuration file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use raceguard_server::origin::Origin;
use serde::Deserialize;

use super::error::AgentError;
use super::quantity::{Address, ByteSize, Name, PathPattern, Period, Secret};

/// What `--config` names.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Folder of everything that the agent keeps.
    pub state: PathBuf,
    /// Where evidence goes.
    pub server: ServerConfig,
    /// What waits to be sent.
    #[serde(default)]
    pub spool: SpoolConfig,
    /// Files that are followed.
    #[serde(default)]
    pub tail: Vec<TailConfig>,
    /// How often they are looked at.
    #[serde(default = "second")]
    pub poll: Period,
    /// How long a file must be silent for a report at its end to be taken as it is.
    #[serde(default = "three_seconds")]
    pub settle: Period,
    /// Endpoints that are asked for profiles.
    #[serde(default)]
    pub pprof: Vec<PprofConfig>,
    /// Most profiles that are asked for at once.
    #[serde(default = "four")]
    pub pprof_at_once: usize,
    /// How often a line of status is printed.
    #[serde(default = "minute")]
    pub status: Period,
}

/// `[server]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Its base address.
    pub url: Address,
    /// A token that may write.
    #[serde(default)]
    token: Option<Secret>,
    /// A file with that token in it.
    #[serde(default)]
    token_file: Option<PathBuf>,
    /// Certificates of who signs the server's; without it those of the public authorities.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Name of this instance; without it that of the machine.
    #[serde(default)]
    pub instance: Option<Name>,
    /// How often the server is asked for instructions.
    #[serde(default = "half_minute")]
    pub instructions: Period,
}

/// `[spool]`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpoolConfig {
    /// Most bytes on the disk.
    pub max_size: ByteSize,
}

/// What a followed file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TailFormat {
    /// What Go programs print: crash logs, `log_path` files of GORACE, collectors' logs.
    Log,
    /// Evidence of runs: `.raceguard/**/evidence.jsonl`.
    Evidence,
}

/// `[[tail]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TailConfig {
    /// Which files.
    pub paths: Vec<PathPattern>,
    /// What they hold.
    #[serde(default = "log")]
    pub format: TailFormat,
    /// Whether findings of evidence bring along the lines of source around their frames.
    #[serde(default = "yes")]
    pub source: bool,
    /// Name of the service.
    #[serde(default)]
    service: Name,
    /// Its version.
    #[serde(default)]
    version: Name,
    /// Where it runs.
    #[serde(default)]
    environment: Name,
}

/// `[[pprof]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PprofConfig {
    /// Base address of the service, or that of its `/debug/pprof`.
    pub url: Address,
    /// Which profiles.
    #[serde(default = "usual_profiles")]
    pub profiles: Vec<ProfileName>,
    /// How often.
    #[serde(default = "minute")]
    pub every: Period,
    /// Over how long; without it since the program began.
    #[serde(default)]
    pub seconds: Option<u32>,
    /// How long one may take.
    #[serde(default = "twenty_seconds")]
    pub timeout: Period,
    /// How large one may be.
    #[serde(default = "sixteen_mib")]
    pub max_size: ByteSize,
    /// Name of the service.
    #[serde(default)]
    service: Name,
    /// Its version.
    #[serde(default)]
    version: Name,
    /// Where it runs.
    #[serde(default)]
    environment: Name,
}

/// A profile of `net/http/pprof`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProfileName {
    /// Contention of mutexes.
    Mutex,
    /// Blocking.
    Block,
    /// All goroutines.
    Goroutine,
    /// Memory.
    Heap,
}

impl ProfileName {
    /// As in the path.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mutex => "mutex",
            Self::Block => "block",
            Self::Goroutine => "goroutine",
            Self::Heap => "heap",
        }
    }
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self { max_size: ByteSize(256 << 20) }
    }
}

fn four() -> usize {
    4
}
fn yes() -> bool {
    true
}
fn log() -> TailFormat {
    TailFormat::Log
}
fn usual_profiles() -> Vec<ProfileName> {
    vec![ProfileName::Mutex, ProfileName::Block, ProfileName::Goroutine]
}
fn sixteen_mib() -> ByteSize {
    ByteSize(16 << 20)
}
fn second() -> Period {
    Period(Duration::from_secs(1))
}
fn three_seconds() -> Period {
    Period(Duration::from_secs(3))
}
fn twenty_seconds() -> Period {
    Period(Duration::from_secs(20))
}
fn half_minute() -> Period {
    Period(Duration::from_secs(30))
}
fn minute() -> Period {
    Period(Duration::from_mins(1))
}

/// Smallest spool that is of use.
const LEAST_SPOOL: u64 = 256 << 10;

impl Config {
    /// Reads the file.
    pub fn load(path: &Path) -> Result<Self, AgentError> {
        let text = fs::read_to_string(path)
            .map_err(|source| AgentError::ReadConfig { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, AgentError> {
        let wrong = |what: String| AgentError::Config { path: path.to_owned(), what };
        let config: Self =
            toml::from_str(text).map_err(|error| wrong(without_tokens(error.to_string().trim_end())))?;
        if config.tail.is_empty() && config.pprof.is_empty() {
            return Err(wrong("it has neither [[tail]] nor [[pprof]], so there is nothing to do".to_owned()));
        }
        if let Some(number) = config.tail.iter().position(|tail| tail.paths.is_empty()) {
            return Err(wrong(format!("paths of [[tail]] number {} is empty", number + 1)));
        }
        if config.server.token.is_some() && config.server.token_file.is_some() {
            return Err(wrong("[server] has both token and token_file; leave one out".to_owned()));
        }
        if config.spool.max_size.0 < LEAST_SPOOL {
            return Err(wrong(format!("max_size of [spool] is less than {} KiB", LEAST_SPOOL >> 10)));
        }
        if config.pprof_at_once == 0 {
            return Err(wrong("pprof_at_once is 0, so no profile would ever be asked for".to_owned()));
        }
        let slow = |pprof: &PprofConfig| {
            pprof.seconds.is_some_and(|seconds| Duration::from_secs(seconds.into()) >= pprof.timeout.0)
        };
        if let Some(number) = config.pprof.iter().position(slow) {
            let number = number + 1;
            return Err(wrong(format!("seconds of [[pprof]] number {number} is not below its timeout")));
        }
        Ok(config)
    }

    /// The services that evidence is from, with where they run, each pair once.
    pub fn deployments(&self) -> Vec<Deployment> {
        let tails = self.tail.iter().map(|tail| (&tail.service, &tail.environment));
        let profiles = self.pprof.iter().map(|pprof| (&pprof.service, &pprof.environment));
        let all = tails.chain(profiles);
        let mut all: Vec<_> = all
            .map(|(service, environment)| Deployment {
                service: service.0.clone(),
                environment: environment.0.clone(),
            })
            .filter(|deployment| !deployment.service.is_empty())
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// A service where it runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deployment {
    /// Name of the service.
    pub service: String,
    /// Where, such as `canary`; empty when the configuration does not say.
    pub environment: String,
}

impl std::fmt::Display for Deployment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.environment {
            "" => f.write_str(&self.service),
            environment => write!(f, "{} in {environment}", self.service),
        }
    }
}

impl ServerConfig {
    /// The token, from where the configuration says, or from `RACEGUARD_TOKEN`.
    pub fn token(&self) -> Result<String, AgentError> {
        let token = match (&self.token, &self.token_file) {
            (Some(token), _) => token.0.clone(),
            (None, Some(path)) => fs::read_to_string(path)
                .map_err(|source| AgentError::ReadConfig { path: path.clone(), source })?,
            (None, None) => std::env::var("RACEGUARD_TOKEN").unwrap_or_default(),
        };
        let token = token.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AgentError::NoToken);
        }
        Ok(token.to_owned())
    }

    /// The name of this instance.
    pub fn instance(&self) -> String {
        self.instance.as_ref().map_or_else(host_name, |name| name.0.clone())
    }
}

/// An error shows the line that is wrong, which may be the one with the token.
fn without_tokens(text: &str) -> String {
    let mut parts = text.split("rgt_");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str("rgt_…");
        shown.push_str(part.trim_start_matches(|c: char| c.is_ascii_alphanumeric()));
    }
    shown
}

/// The machine's name.
fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    name.chars().filter(char::is_ascii_graphic).take(100).collect()
}

impl TailConfig {
    /// The program that the evidence is from.
    pub fn origin(&self, instance: &str) -> Origin {
        origin(&self.service, &self.version, &self.environment, instance)
    }
}

impl PprofConfig {
    /// The program that the evidence is from.
    pub fn origin(&self, instance: &str) -> Origin {
        origin(&self.service, &self.version, &self.environment, instance)
    }

    /// Where a profile is.
    pub fn address(&self, profile: ProfileName) -> String {
        let seconds = self.seconds.map_or_else(String::new, |seconds| format!("?seconds={seconds}"));
        format!("{}/{}{seconds}", self.base(), profile.as_str())
    }

    /// Where the profile of the processor's time over some seconds is.
    pub fn cpu_address(&self, seconds: u64) -> String {
        format!("{}/profile?seconds={seconds}", self.base())
    }

    fn base(&self) -> String {
        let path = if self.url.0.ends_with("/debug/pprof") { "" } else { "/debug/pprof" };
        format!("{}{path}", self.url.0)
    }

    /// Whether it is of this service where it runs.
    pub fn is_of(&self, deployment: &Deployment) -> bool {
        (&self.service.0, &self.environment.0) == (&deployment.service, &deployment.environment)
    }
}

fn origin(service: &Name, version: &Name, environment: &Name, instance: &str) -> Origin {
    Origin {
        service: service.0.clone(),
        version: version.0.clone(),
        instance: instance.to_owned(),
        environment: environment.0.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "state = \"/s\"\n[server]\nurl = \"http://127.0.0.1:7766\"\ntoken = \"rgt_1\"\n";

    fn error(text: &str) -> String {
        Config::parse(Path::new("agent.toml"), text).expect_err(text).to_string()
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (rest, line) in [
            ("[[tail]]\npaths = [\"/a/[\"]\n", "line 6"),
            ("[[tail]]\npaths = [\"/a\"]\nfollow = true\n", "line 7"),
            ("[spool]\nmax_size = \"much\"\n", "line 6"),
            ("[[pprof]]\nurl = \"localhost\"\n", "line 6"),
            ("[[pprof]]\nurl = \"http://a\"\nprofiles = [\"cpu\"]\n", "line 7"),
        ] {
            let error = error(&format!("{GOOD}{rest}"));
            assert!(error.contains(line), "{rest}: {error}");
            assert!(error.starts_with("agent.toml: "), "{error}");
        }
    }

    #[test]
    fn no_error_shows_a_token() {
        let error = error("state = \"/s\"\n[server]\nurl = \"http://a\"\ntoken = rgt_5ec3e7\n");
        assert!(error.contains("line 4") && error.contains("rgt_…") && !error.contains("5ec3e7"), "{error}");
        let config = Config::parse(Path::new("a"), &format!("{GOOD}[[tail]]\npaths = [\"/a\"]\n"));
        assert!(!format!("{config:?}").contains("rgt_1"));
    }

    #[test]
    fn what_can_not_work_is_refused() {
        assert!(error(GOOD).contains("nothing to do"));
        let text = format!("{GOOD}[[pprof]]\nurl = \"http://a\"\nseconds = 30\ntimeout = \"5s\"\n");
        assert!(error(&text).contains("not below its timeout"));
        assert!(error(&format!("pprof_at_once = 0\n{GOOD}[[pprof]]\nurl = \"http://a\"\n")).contains("is 0"));
        assert!(
            error(&format!("{GOOD}[spool]\nmax_size = \"1KiB\"\n[[tail]]\npaths=[\"a\"]\n"))
                .contains("256 KiB")
        );
    }

    #[test]
    fn profiles_are_asked_for_below_the_base_address() {
        let text = format!("{GOOD}[[pprof]]\nurl = \"http://a:6060/\"\nseconds = 5\nservice = \"pay\"\n");
        let config = Config::parse(Path::new("agent.toml"), &text).expect("it is right");
        let pprof = &config.pprof[0];
        assert_eq!(pprof.address(ProfileName::Mutex), "http://a:6060/debug/pprof/mutex?seconds=5");
        let pay = Deployment { service: "pay".to_owned(), environment: String::new() };
        assert!(pprof.is_of(&pay));
        assert_eq!(config.deployments(), [pay]);
        assert_eq!(pprof.cpu_address(3), "http://a:6060/debug/pprof/profile?seconds=3");
        assert_eq!(pprof.origin("i-1").instance, "i-1");
    }
}
