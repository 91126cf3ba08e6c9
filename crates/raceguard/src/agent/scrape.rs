//! Asks services for profiles, on a schedule, a few at a time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use raceguard_evidence::foreign::{self, Format};
use raceguard_evidence::{Record, Source};
use raceguard_server::origin::Origin;

use super::config::Config;
use super::entry::Class;
use super::follow::give_time;
use super::pause::{chance, share};
use super::spool::{Lines, Spool, Step};
use super::stop::Stop;
use crate::error::print_warning;

/// Formats in which a profile may come.
const FORMATS: [&str; 3] = ["pprof", "pprof-text", "go-output"];

/// All profiles that the configuration names.
#[derive(Debug)]
pub struct Scraper<'a> {
    spool: &'a Spool,
    stop: &'a Stop,
    targets: Mutex<Vec<Target>>,
    counts: Mutex<ScrapeCounts>,
}

/// What became of profiles since the agent began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScrapeCounts {
    /// Those that came.
    pub taken: u64,
    /// Those that had nothing in them.
    pub empty: u64,
    /// Those that did not come, or were no profiles.
    pub failed: u64,
}

#[derive(Debug, Clone)]
struct Target {
    address: String,
    origin: Origin,
    every: Duration,
    timeout: Duration,
    max_size: u64,
    due: Instant,
    is_busy: bool,
    has_failed: bool,
}

impl<'a> Scraper<'a> {
    /// What the configuration asks for; the first time is up to chance, within the period.
    pub fn new(config: &Config, spool: &'a Spool, stop: &'a Stop) -> Self {
        let instance = config.server.instance();
        let now = Instant::now();
        let target = |pprof: &super::config::PprofConfig, profile| Target {
            address: pprof.address(profile),
            origin: pprof.origin(&instance),
            every: pprof.every.0,
            timeout: pprof.timeout.0,
            max_size: pprof.max_size.0,
            due: now + share(pprof.every.0.min(Duration::from_secs(30)), chance()),
            is_busy: false,
            has_failed: false,
        };
        let targets = config
            .pprof
            .iter()
            .flat_map(|pprof| pprof.profiles.iter().map(move |profile| target(pprof, *profile)));
        Self { spool, stop, targets: Mutex::new(targets.collect()), counts: Mutex::default() }
    }

    /// What became of profiles.
    pub fn counts(&self) -> ScrapeCounts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one profile after the other until the agent is to stop; several may run at once.
    pub fn run(&self) {
        while !self.stop.is_set() {
            let Some((index, target)) = self.next() else {
                self.stop.wait(Duration::from_millis(100));
                continue;
            };
            let result = self.take(&target);
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            match &result {
                Ok(true) => counts.taken += 1,
                Ok(false) => counts.empty += 1,
                Err(_) => counts.failed += 1,
            }
            drop(counts);
            self.settle(index, result.err().as_deref());
        }
    }

    /// The one that is due longest.
    fn next(&self) -> Option<(usize, Target)> {
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let due = targets.iter_mut().enumerate().filter(|(_, target)| !target.is_busy && target.due <= now);
        let (index, target) = due.min_by_key(|(_, target)| target.due)?;
        target.is_busy = true;
        Some((index, target.clone()))
    }

    fn settle(&self, index: usize, error: Option<&str>) {
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let target = &mut targets[index];
        // A tenth sooner or later, so that agents that were started together do not stay together.
        target.due = Instant::now() + share(target.every, 0.9 + chance() / 5.0);
        target.is_busy = false;
        if let Some(reason) = error
            && !target.has_failed
        {
            print_warning(format!("no profile from {}: {reason}", target.address));
        }
        target.has_failed = error.is_some();
    }

    /// Takes a profile; returns whether there was anything in it.
    fn take(&self, target: &Target) -> Result<bool, String> {
        let body = fetch(&target.address, target.timeout, target.max_size)?;
        let id = format!("p{}", self.spool.new_source());
        let mut records = Vec::new();
        let source = read(&id, &target.address, &body, &mut records)?;
        records.retain(|record| !matches!(record, Record::Profile(profile) if profile.samples.is_empty()));
        if records.is_empty() {
            return Ok(false);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut text = Vec::new();
        for record in &mut records {
            give_time(record, u64::try_from(now.as_nanos()).unwrap_or_default());
            record.append_line(&mut text);
        }
        Record::from(source).append_line(&mut text);
        let count = records.len() as u64 + 1;
        let lines = Lines { place: None, class: Class::Bulk, origin: target.origin.clone(), text };
        let step = Step { lines: vec![lines], ..Step::default() };
        self.spool.append(step).map(|()| true).map_err(|error| {
            self.spool.count_dropped(count);
            error.to_string()
        })
    }
}

/// What a service answers at an address.
pub fn fetch(address: &str, timeout: Duration, max_size: u64) -> Result<Vec<u8>, String> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(timeout));
    let agent: ureq::Agent = config.build().into();
    let mut response = agent.get(address).call().map_err(|error| error.to_string())?;
    if response.status() != 200 {
        return Err(format!("it answered {}", response.status()));
    }
    let read = response.body_mut().with_config().limit(max_size).read_to_vec();
    read.map_err(|error| match error {
        ureq::Error::BodyExceedsLimit(_) => format!("it is larger than max_size, {max_size} bytes"),
        error => error.to_string(),
    })
}

/// The records of a profile in any of its formats.
pub fn read(id: &str, address: &str, body: &[u8], records: &mut Vec<Record>) -> Result<Source, String> {
    let known = |format: &&Format| FORMATS.contains(&format.name);
    let mut take = |record| {
        records.push(record);
        Ok(())
    };
    let source = foreign::read(id, address, &mut &*body, None, &mut take, &mut |_| ());
    let source = source.map_err(|error| error.to_string())?;
    match foreign::find(&source.format).filter(known) {
        Some(_) => Ok(source),
        None => Err(format!("it is no profile but {}", source.format)),
    }
}
