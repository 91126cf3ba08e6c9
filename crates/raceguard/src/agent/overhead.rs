//! What the race runtime costs a service: the share of its processor time that was spent in it, from a CPU profile.
//!
//! Go's profiler can't walk a stack that begins in the race runtime, since that is no Go code: it books such a sample under
//! `runtime._System` or `runtime._ExternalCode`. The stubs that lead there are called `runtime.race…`. C code that a program
//! calls itself, through cgo, is booked in the same way and counts too.

use std::time::Duration;

use raceguard_evidence::{Profile, ProfileKind, Record};

use super::config::PprofConfig;
use super::scrape::{fetch, read};

/// How long a profile runs.
const SECONDS: u64 = 3;

/// Fewer samples say nothing. Go takes a hundred in a second of processor time.
const LEAST_SAMPLES: i64 = 10;

/// Takes a profile and gives the share; nothing when the service did too little for one.
pub fn measure(service: &PprofConfig) -> Result<Option<f64>, String> {
    let address = service.cpu_address(SECONDS);
    let timeout = service.timeout.0.max(Duration::from_secs(SECONDS * 2));
    let body = fetch(&address, timeout, service.max_size.0)?;
    let mut records = Vec::new();
    read("cpu", &address, &body, &mut records)?;
    let profile = records.into_iter().find_map(|record| match record {
        Record::Profile(profile) if profile.profile == ProfileKind::Cpu => Some(profile),
        _ => None,
    });
    Ok(share(&*profile.ok_or("it is no profile of processor time")?))
}

/// The share of samples that were taken in the race runtime.
fn share(profile: &Profile) -> Option<f64> {
    let count = profile.value_index("samples").unwrap_or(0);
    let (mut all, mut inside) = (0_i64, 0_i64);
    for sample in &profile.samples {
        let value = sample.values.get(count).copied().unwrap_or(0).max(0);
        all = all.saturating_add(value);
        let functions = sample.stack.iter().filter_map(|frame| {
            let frame = profile.frames.get(usize::try_from(*frame).ok()?)?;
            Some(frame.function.as_str())
        });
        if is_inside(functions) {
            inside = inside.saturating_add(value);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "samples are far fewer than 2^52")]
    (all >= LEAST_SAMPLES).then(|| inside as f64 / all as f64)
}

/// Whether the sample with these functions, the innermost first, was taken in the race runtime.
fn is_inside<'a>(mut functions: impl Iterator<Item = &'a str>) -> bool {
    let Some(innermost) = functions.next() else { return false };
    let is_booked = |function: &str| matches!(function, "runtime._System" | "runtime._ExternalCode");
    innermost.strip_prefix("runtime.race").is_some_and(|rest| !rest.starts_with("init"))
        || is_booked(innermost)
        || functions.any(is_booked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_in_the_race_runtime_are_known_by_how_go_books_them() {
        let inside = |functions: &[&str]| is_inside(functions.iter().copied());
        assert!(inside(&["", "runtime._System"]));
        assert!(inside(&["runtime._ExternalCode", "runtime._System"]));
        assert!(inside(&["runtime.racecall", "runtime.raceread", "main.work"]));
        assert!(!inside(&["main.work", "main.main", "runtime.main"]));
        assert!(!inside(&["runtime.mallocgc", "runtime._GC"]));
        assert!(!inside(&[]));
    }
}
