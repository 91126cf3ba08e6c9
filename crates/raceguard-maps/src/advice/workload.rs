//! [`Workload`]: a profile with every gap filled, ready to be replayed or looked up.

use crate::advice::profile::{Mix, Needs, ProfileError, WorkloadProfile};

/// A load with a figure for everything. Made by [`WorkloadProfile::workload`].
///
/// ```
/// use raceguard_maps::advice::WorkloadProfile;
///
/// let load = WorkloadProfile { keys: Some(10), ..WorkloadProfile::default() }.workload()?;
/// assert_eq!((load.keys, load.key_bytes), (10, 8));
/// assert!(load.assumed.contains(&"key_bytes") && !load.assumed.contains(&"keys"));
/// # Ok::<(), raceguard_maps::advice::ProfileError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// Shares of the operations on single entries; they add up to 1.
    pub shares: Shares,
    /// Iterations for each million operations. Assumed: 0.
    pub iterations_per_million: f64,
    /// Keys in the map. Assumed: 1,000.
    pub keys: u64,
    /// Bytes of a key. Assumed: 8.
    pub key_bytes: u64,
    /// Whether keys are `Copy`. Assumed: no, since maps for any type serve both.
    pub key_copy: bool,
    /// Bytes of a value. Assumed: 8.
    pub value_bytes: u64,
    /// Whether values are `Copy`. Assumed: no.
    pub value_copy: bool,
    /// Zipf exponent. Assumed: 0, uniform.
    pub skew: f64,
    /// Threads. Assumed: as many as the machine runs in parallel.
    pub threads: u32,
    /// Time in closures, in nanoseconds. Assumed: 0.
    pub hold_nanos: u64,
    /// What the map has to promise.
    pub needs: Needs,
    /// Names of the fields that the profile did not know and that hold an assumption here.
    pub assumed: Vec<&'static str>,
    /// Names of the profile's fields that this version does not know.
    pub ignored: Vec<String>,
}

/// What the operations on single entries are; the shares add up to 1.
///
/// ```
/// use raceguard_maps::advice::{Mix, WorkloadProfile};
///
/// let mix = Mix { reads: Some(0.75), ..Mix::default() };
/// let shares = WorkloadProfile { mix, ..WorkloadProfile::default() }.workload()?.shares;
/// assert_eq!((shares.reads, shares.overwrites, shares.writes()), (0.75, 0.25, 0.25));
/// # Ok::<(), raceguard_maps::advice::ProfileError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    /// Lookups.
    pub reads: f64,
    /// Writes to a key that is there.
    pub overwrites: f64,
    /// Writes of a new key.
    pub inserts: f64,
    /// Removals.
    pub removes: f64,
    /// Reads and writes of one key as one step.
    pub read_modify_writes: f64,
}

impl Shares {
    /// The share of operations that change the map.
    pub fn writes(&self) -> f64 {
        self.overwrites + self.inserts + self.removes + self.read_modify_writes
    }

    /// Fills the gaps of a valid mix. The rest that the known shares leave goes to one unknown share, the first of
    /// overwrites, reads, read-modify-writes, inserts, removes; the other unknown ones are 0. Only when reads and
    /// overwrites are both unknown, reads get nine tenths of the rest.
    fn filled(mix: &Mix) -> Self {
        let rest = (1.0 - mix.known_sum()).max(0.0);
        let mut filled = Self {
            reads: mix.reads.unwrap_or(0.0),
            overwrites: mix.overwrites.unwrap_or(0.0),
            inserts: mix.inserts.unwrap_or(0.0),
            removes: mix.removes.unwrap_or(0.0),
            read_modify_writes: mix.read_modify_writes.unwrap_or(0.0),
        };
        match mix {
            Mix { reads: None, overwrites: None, .. } => {
                filled.reads = rest * 0.9;
                filled.overwrites = rest * 0.1;
            }
            Mix { overwrites: None, .. } => filled.overwrites = rest,
            Mix { reads: None, .. } => filled.reads = rest,
            Mix { read_modify_writes: None, .. } => filled.read_modify_writes = rest,
            Mix { inserts: None, .. } => filled.inserts = rest,
            _ => filled.removes += rest,
        }
        filled.scaled()
    }

    /// The same proportions with the sum 1: measured shares are rounded.
    fn scaled(self) -> Self {
        let sum = self.reads + self.writes();
        Self {
            reads: self.reads / sum,
            overwrites: self.overwrites / sum,
            inserts: self.inserts / sum,
            removes: self.removes / sum,
            read_modify_writes: self.read_modify_writes / sum,
        }
    }
}

impl WorkloadProfile {
    /// The profile with every gap filled by the assumption that [`Workload`] states at the field.
    pub fn workload(&self) -> Result<Workload, ProfileError> {
        self.validate()?;
        let mut assumed: Vec<&'static str> =
            self.mix.shares().iter().filter(|(_, share)| share.is_none()).map(|(name, _)| *name).collect();
        let mut gaps = Gaps(&mut assumed);
        Ok(Workload {
            shares: Shares::filled(&self.mix),
            iterations_per_million: gaps.fill("iterations_per_million", self.iterations_per_million, || 0.0),
            keys: gaps.fill("keys", self.keys, || 1000),
            key_bytes: gaps.fill("key_bytes", self.key_bytes, || 8),
            key_copy: gaps.fill("key_copy", self.key_copy, || false),
            value_bytes: gaps.fill("value_bytes", self.value_bytes, || 8),
            value_copy: gaps.fill("value_copy", self.value_copy, || false),
            skew: gaps.fill("skew", self.skew, || 0.0),
            threads: gaps.fill("threads", self.threads, parallelism),
            hold_nanos: gaps.fill("hold_nanos", self.hold_nanos, || 0),
            needs: self.needs.clone(),
            assumed,
            ignored: self.ignored(),
        })
    }
}

struct Gaps<'a>(&'a mut Vec<&'static str>);

impl Gaps<'_> {
    fn fill<T>(&mut self, field: &'static str, known: Option<T>, assume: impl FnOnce() -> T) -> T {
        known.unwrap_or_else(|| {
            self.0.push(field);
            assume()
        })
    }
}

fn parallelism() -> u32 {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(threads).unwrap_or(u32::MAX).min(1 << 16)
}
