//! What the server asks of this agent: for now, how much of a service's goroutines to sample.
//!
//! The race runtime reads its options when a process starts, so a rate is put into a file that a service's unit reads:
//! `sampling/SERVICE.env` with `RACEGUARD=sample=0.01` in it, for `EnvironmentFile=-` of systemd or a shell. When its time
//! is over the file is removed.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use super::pause::{chance, share};
use super::state::replace;
use super::stop::Stop;
use crate::error::print_warning;
use crate::fleet::connection::Connection;

/// How long a server that has no instructions is not asked.
const UNSUPPORTED: Duration = Duration::from_mins(10);
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
    /// Share of all accesses, above 0 and at most 1.
    rate: f64,
    /// Until when, in milliseconds since the Unix epoch.
    until_ms: u64,
}

/// Follows the server's instructions.
#[derive(Debug)]
pub struct Instructed<'a> {
    connection: &'a Connection,
    folder: PathBuf,
    services: Vec<String>,
    every: Duration,
    active: HashMap<String, Sampling>,
}

impl<'a> Instructed<'a> {
    /// For the services that this agent sends evidence of.
    pub fn new(connection: &'a Connection, folder: &Path, services: &[&str], every: Duration) -> Self {
        let services = services.iter().map(|service| (*service).to_owned()).collect();
        Self { connection, folder: folder.join("sampling"), services, every, active: HashMap::new() }
    }

    /// Asks again and again until the agent is to stop.
    pub fn run(&mut self, stop: &Stop) {
        // Files of an agent that was killed: what still holds is said again.
        self.remove_all();
        loop {
            let pause = self.ask();
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
        let answer = match self.connection.get(&self.path()) {
            Ok(answer) if answer.status == 200 => answer,
            // It is too old for this.
            Ok(answer) if matches!(answer.status, 404 | 405) => return UNSUPPORTED,
            // The sender says so when the server can't be reached.
            _ => return self.every,
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
        self.every
    }

    fn path(&self) -> String {
        let encoded = |service: &String| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            let byte =
                |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
            format!("service={}", service.bytes().map(byte).collect::<String>())
        };
        let query = self.services.iter().map(encoded).collect::<Vec<_>>().join("&");
        format!("/v1/agent/instructions?{query}")
    }

    fn follow(&mut self, instructions: Instructions, now_ms: u64) {
        let wanted = match instructions.sampling {
            OneOrMany::None(()) => Vec::new(),
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        };
        let is_ours = |sampling: &Sampling| self.services.contains(&sampling.service);
        let makes_sense = |sampling: &Sampling| sampling.rate > 0.0 && sampling.rate <= 1.0;
        let wanted: HashMap<_, _> = wanted
            .into_iter()
            .filter(|sampling| is_ours(sampling) && makes_sense(sampling) && sampling.until_ms > now_ms)
            .map(|mut sampling| {
                sampling.until_ms = sampling.until_ms.min(now_ms + MAX_HOLD_MS);
                (sampling.service.clone(), sampling)
            })
            .collect();
        let ended: Vec<_> =
            self.active.keys().filter(|service| !wanted.contains_key(*service)).cloned().collect();
        let result = ended.iter().try_for_each(|service| self.end(service));
        let result = result.and_then(|()| wanted.into_values().try_for_each(|sampling| self.begin(sampling)));
        if let Err(error) = result {
            print_warning(format!(
                "cannot write the rate of sampling into {}: {error}",
                self.folder.display()
            ));
        }
    }

    fn begin(&mut self, sampling: Sampling) -> io::Result<()> {
        let known = self.active.get(&sampling.service).map(|known| known.rate);
        if known != Some(sampling.rate) {
            fs::create_dir_all(&self.folder)?;
            let text = format!("RACEGUARD=sample={}\n", sampling.rate);
            replace(&self.file(&sampling.service), text.as_bytes())?;
            eprintln!("raceguard: {} is to be sampled at {}", sampling.service, sampling.rate);
        }
        self.active.insert(sampling.service.clone(), sampling);
        Ok(())
    }

    fn end(&mut self, service: &str) -> io::Result<()> {
        self.active.remove(service);
        fs::remove_file(self.file(service))?;
        eprintln!("raceguard: {service} is no longer to be sampled");
        Ok(())
    }

    fn expire(&mut self, now_ms: u64) -> io::Result<()> {
        let over: Vec<_> =
            self.active.values().filter(|sampling| sampling.until_ms <= now_ms).cloned().collect();
        over.iter().try_for_each(|sampling| self.end(&sampling.service))
    }

    fn remove_all(&mut self) {
        self.active.clear();
        for service in &self.services {
            let _ = fs::remove_file(self.file(service));
        }
    }

    fn file(&self, service: &str) -> PathBuf {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let name: String = service.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        self.folder.join(format!("{name}.env"))
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(instructed: &mut Instructed<'_>, text: &str, now: u64) {
        instructed.follow(serde_json::from_str(text).expect("it is right"), now);
    }

    #[test]
    fn a_rate_is_in_its_file_until_its_time_is_over() {
        let folder = tempfile::tempdir().expect("there is room");
        let connection = Connection::new("http://127.0.0.1:1", "t", None).expect("it is right");
        let mut instructed =
            Instructed::new(&connection, folder.path(), &["pay", "a b"], Duration::from_secs(1));
        assert_eq!(instructed.path(), "/v1/agent/instructions?service=pay&service=a%20b");
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
