//! What a flush costs on the disk that the server writes to, without any server: no acknowledgement can be quicker.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::failure::Failure;

use super::figures::{ms, percentile};

/// Flushes that are timed.
const TIMES: usize = 500;

/// Bytes written before each: about what the commit of a batch writes.
const BYTES: usize = 64 << 10;

/// How long flushes took, the quickest first.
#[derive(Debug)]
pub(crate) struct Flushes {
    /// Of a file that grows.
    grown: Vec<Duration>,
    /// Of one that is written over, as a log that has begun anew.
    over: Vec<Duration>,
}

impl Flushes {
    /// Times them in a folder.
    pub(crate) fn measure(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join("flushes");
        let flushes = Self { grown: time(&path, true)?, over: time(&path, false)? };
        fs::remove_file(&path).map_err(|error| Failure::file("remove", &path, &error))?;
        Ok(flushes)
    }
}

impl std::fmt::Display for Flushes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [grown, over] = [&self.grown, &self.over]
            .map(|times| format!("{} and {} ms", ms(percentile(times, 500)), ms(percentile(times, 990))));
        write!(f, "{grown} when the file grows, {over} when it is written over")
    }
}

fn time(path: &Path, grows: bool) -> Result<Vec<Duration>, Failure> {
    let failed = |error: std::io::Error| Failure::file("write", path, &error);
    let open = if grows { File::create(path) } else { File::options().write(true).open(path) };
    let (mut file, bytes) = (open.map_err(failed)?, vec![0xa5; BYTES]);
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        file.write_all(&bytes).map_err(failed)?;
        let start = Instant::now();
        file.sync_data().map_err(failed)?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}
