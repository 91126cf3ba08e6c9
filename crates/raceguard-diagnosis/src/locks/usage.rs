//! Waiting for locks, out of mutex profiles, block profiles and execution traces.

use std::collections::BTreeMap;

use raceguard_evidence::{ExecutionTrace, Frame, ModulePaths, Profile, ProfileKind, Record};

use super::{Known, LockSite, LockUse, advise};
use crate::evidence::Evidence;
use crate::naming::{LockCall, lock_of_call};
use crate::source_text::SourceText;
use crate::statement::short_function;

/// The locks that any profile saw waiting for, most waiting first.
pub(crate) fn locks(evidence: &Evidence, paths: &ModulePaths, sources: &SourceText<'_>) -> Vec<LockUse> {
    let mut gathered = Gathered { paths, sources, locks: BTreeMap::new() };
    for run in &evidence.runs {
        for record in &run.evidence.foreign {
            match record {
                Record::Profile(profile)
                    if matches!(profile.profile, ProfileKind::Mutex | ProfileKind::Block) =>
                {
                    gathered.add_profile(profile);
                }
                Record::ExecutionTrace(trace) => gathered.add_trace(trace),
                _ => {}
            }
        }
    }
    let mut locks: Vec<LockUse> = gathered.locks.into_iter().map(|(name, lock)| lock.finish(name)).collect();
    locks.sort_by(|a, b| b.total_wait_ns.cmp(&a.total_wait_ns).then_with(|| a.lock.cmp(&b.lock)));
    locks
}

struct Gathered<'a> {
    paths: &'a ModulePaths,
    sources: &'a SourceText<'a>,
    locks: BTreeMap<String, Lock>,
}

#[derive(Default)]
struct Lock {
    kind: &'static str,
    /// By source, for the same wait may be in several.
    sites: BTreeMap<(&'static str, String, u32, LockCall, String), Waits>,
    /// How long waits were: bounds and counts.
    lengths: BTreeMap<u64, u64>,
    profiled_ns: u64,
    sources: Vec<&'static str>,
}

#[derive(Default)]
struct Waits {
    count: u64,
    total_ns: u64,
    max_ns: Option<u64>,
    lengths: Vec<(u64, u64)>,
}

impl Gathered<'_> {
    fn add_profile(&mut self, profile: &Profile) {
        let (Some(count), Some(delay)) = (profile.value_index("contentions"), profile.value_index("delay"))
        else {
            return;
        };
        let name = if profile.profile == ProfileKind::Mutex { "mutex profile" } else { "block profile" };
        for sample in &profile.samples {
            let stack: Vec<&Frame> = profile.stack(sample).collect();
            let value = |index: usize| {
                sample.values.get(index).and_then(|value| u64::try_from(*value).ok()).unwrap_or(0)
            };
            let waits =
                Waits { count: value(count), total_ns: value(delay), max_ns: None, lengths: Vec::new() };
            self.add(&stack, &waits, name, profile.duration_ns);
        }
    }

    fn add_trace(&mut self, trace: &ExecutionTrace) {
        for blocked in &trace.blocked {
            let stack: Vec<&Frame> = blocked.stack.iter().collect();
            let waits = Waits {
                count: blocked.count,
                total_ns: blocked.total_ns,
                max_ns: Some(blocked.max_ns),
                lengths: blocked.lengths.clone(),
            };
            self.add(&stack, &waits, "execution trace", trace.duration_ns);
        }
    }

    fn add(&mut self, stack: &[&Frame], waits: &Waits, source: &'static str, duration_ns: u64) {
        // The outermost frame of package sync is the call that the program made.
        let call_at = stack.iter().rposition(|frame| LockCall::of_frame(&frame.function).is_some());
        let Some(call_at) = call_at else { return };
        let Some((kind, call)) = LockCall::of_frame(&stack[call_at].function) else { return };
        let caller = stack[call_at + 1..].iter().find(|frame| !frame.is_runtime_internal());
        let Some(caller) = caller.copied() else { return };
        let name = lock_of_call(caller, call, self.sources)
            .unwrap_or_else(|| format!("a lock of {}", short_function(&caller.function)));
        let lock = self.locks.entry(name).or_default();
        if kind == "RWMutex" || lock.kind.is_empty() {
            lock.kind = kind;
        }
        lock.profiled_ns = lock.profiled_ns.max(duration_ns);
        if !lock.sources.contains(&source) {
            lock.sources.push(source);
        }
        let file = self.paths.relative(&caller.file).to_owned();
        let site = lock.sites.entry((source, file, caller.line, call, caller.function.clone())).or_default();
        site.count += waits.count;
        site.total_ns += waits.total_ns;
        site.max_ns = site.max_ns.max(waits.max_ns);
        for &(bound, count) in &waits.lengths {
            *lock.lengths.entry(bound).or_default() += count;
        }
    }
}

impl Lock {
    /// Of the sources that saw the waiting end, the one that saw most of it.
    fn waiting_source(&self) -> Option<&'static str> {
        let mut totals: BTreeMap<&'static str, u64> = BTreeMap::new();
        for ((source, _, _, call, _), waits) in &self.sites {
            if call.acquires() {
                *totals.entry(source).or_default() += waits.total_ns;
            }
        }
        totals.into_iter().max_by_key(|(_, total)| *total).map(|(source, _)| source)
    }

    fn finish(self, lock: String) -> LockUse {
        let waiting_source = self.waiting_source();
        let mut sites: Vec<LockSite> = self
            .sites
            .into_iter()
            .filter(|((source, _, _, call, _), _)| !call.acquires() || Some(*source) == waiting_source)
            .map(|((_, file, line, call, function), waits)| LockSite {
                function,
                file,
                line,
                call,
                contentions: waits.count,
                total_wait_ns: waits.total_ns,
                max_wait_ns: waits.max_ns,
            })
            .collect();
        sites.sort_by_key(|site| std::cmp::Reverse(site.total_wait_ns));
        let waiting_end = sites.iter().any(|site| site.call.acquires());
        let counted = || sites.iter().filter(|site| site.call.acquires() == waiting_end);
        let contentions: u64 = counted().map(|site| site.contentions).sum();
        let total_wait_ns: u64 = counted().map(|site| site.total_wait_ns).sum();
        let readers: u64 = counted().filter(|site| site.call.is_read()).map(|site| site.contentions).sum();
        let reader_share =
            (self.kind == "RWMutex" && waiting_end && contentions > 0).then(|| share(readers, contentions));
        let mut lock = LockUse {
            lock,
            kind: self.kind.to_owned(),
            contentions,
            total_wait_ns,
            mean_wait_ns: total_wait_ns.checked_div(contentions).unwrap_or(0),
            max_wait_ns: counted().filter_map(|site| site.max_wait_ns).max(),
            p99_wait_ns: quantile(&self.lengths, 99),
            reader_share,
            profiled_ns: self.profiled_ns,
            sites,
            sources: self.sources.into_iter().map(str::to_owned).collect(),
            advice: super::LockAdvice::default(),
        };
        lock.advice = advise(&Known::of_lock(&lock));
        lock
    }
}

/// The length that `percent` of 100 waits do not exceed.
fn quantile(lengths: &BTreeMap<u64, u64>, percent: u64) -> Option<u64> {
    let wanted = (lengths.values().sum::<u64>() * percent).div_ceil(100);
    let mut seen = 0;
    lengths.iter().find_map(|(&bound, &count)| {
        seen += count;
        (seen >= wanted && wanted > 0).then_some(bound)
    })
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_bounds_of_lengths() {
        let lengths = BTreeMap::from([(10, 98), (100, 1), (1_000, 1)]);
        assert_eq!(quantile(&lengths, 99), Some(100));
        assert_eq!(quantile(&lengths, 50), Some(10));
        assert_eq!(quantile(&BTreeMap::new(), 99), None);
    }
}
