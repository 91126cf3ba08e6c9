//! [`WorkloadProfile`]: what is known of a map's load, as a JSON file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

/// The version of the file format that this library writes, and the newest one that it reads.
pub const SCHEMA: u32 = 1;

/// How far the shares of a complete [`Mix`] may be off 1 in sum, since measured shares are rounded.
pub(crate) const SUM_TOLERANCE: f64 = 1e-3;

/// What is known of a map's load. `None` means not known, and `unknown` says why.
///
/// The file is JSON with the same names. `schema` alone must be there. The version is raised when a known field
/// changes its meaning; a file of a newer version is refused. Fields that this library does not know are kept, written
/// back, have no influence, and are listed in [`Workload::ignored`](crate::advice::Workload::ignored), so that a typing
/// error is not silent.
///
/// ```
/// use raceguard_maps::advice::WorkloadProfile;
///
/// let profile = WorkloadProfile::from_json(
///     r#"{ "schema": 1, "mix": { "reads": 0.99, "overwrites": 0.01 }, "keys": 1000, "threads": 8 }"#,
/// )?;
/// let workload = profile.workload()?;
/// assert_eq!(workload.keys, 1000);
/// assert_eq!(workload.skew, 0.0);
/// assert!(workload.assumed.contains(&"skew"));
/// # Ok::<(), raceguard_maps::advice::ProfileError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkloadProfile {
    /// Version of the format: [`SCHEMA`].
    pub schema: u32,
    /// What the profile is of, for people.
    #[serde(default)]
    pub name: Option<String>,
    /// What the operations on single entries are.
    #[serde(default)]
    pub mix: Mix,
    /// Iterations over the whole map (`for_each`, `retain`, `snapshot`) for each million operations of the mix.
    #[serde(default)]
    pub iterations_per_million: Option<f64>,
    /// Keys in the map while it is used.
    #[serde(default)]
    pub keys: Option<u64>,
    /// Bytes of a key, with what it points to.
    #[serde(default)]
    pub key_bytes: Option<u64>,
    /// Whether the key type is `Copy`.
    #[serde(default)]
    pub key_copy: Option<bool>,
    /// Bytes of a value, with what it points to.
    #[serde(default)]
    pub value_bytes: Option<u64>,
    /// Whether the value type is `Copy`.
    #[serde(default)]
    pub value_copy: Option<bool>,
    /// Zipf exponent of the choice of keys: the key of rank `r` is chosen in proportion to `1 / r^skew`. 0 is uniform.
    #[serde(default)]
    pub skew: Option<f64>,
    /// Threads that use the map at the same time.
    #[serde(default)]
    pub threads: Option<u32>,
    /// How long the caller's closures run inside one operation, in nanoseconds.
    #[serde(default)]
    pub hold_nanos: Option<u64>,
    /// What the map has to promise.
    #[serde(default)]
    pub needs: Needs,
    /// For fields that hold an estimate: what it rests on. Keys are names such as `skew` or `mix.inserts`.
    #[serde(default)]
    pub estimated: BTreeMap<String, String>,
    /// For fields that are `null`: why they are not known.
    #[serde(default)]
    pub unknown: BTreeMap<String, String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// The shares of the operations on single entries, each in 0 to 1. Together they are 1; while some are `None` the others
/// are at most 1.
///
/// ```
/// use raceguard_maps::advice::{Mix, WorkloadProfile};
///
/// let mix = Mix { reads: Some(0.9), inserts: Some(0.1), removes: Some(0.0), ..Mix::default() };
/// let profile = WorkloadProfile { mix, ..WorkloadProfile::default() };
/// assert!(profile.validate().is_ok());
/// let too_much = Mix { reads: Some(0.9), overwrites: Some(0.9), ..Mix::default() };
/// assert!(WorkloadProfile { mix: too_much, ..WorkloadProfile::default() }.validate().is_err());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Mix {
    /// Lookups, of keys that are there or not.
    #[serde(default)]
    pub reads: Option<f64>,
    /// Writes to a key that is there.
    #[serde(default)]
    pub overwrites: Option<f64>,
    /// Writes of a new key.
    #[serde(default)]
    pub inserts: Option<f64>,
    /// Removals.
    #[serde(default)]
    pub removes: Option<f64>,
    /// Reads and writes of one key as one step (`update`, `compute`).
    #[serde(default)]
    pub read_modify_writes: Option<f64>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// What the map has to promise. A field that is missing demands nothing.
///
/// ```
/// use raceguard_maps::advice::{Needs, WorkloadProfile, advise};
///
/// let needs = Needs { durable: true, wait_free_reads: true, ..Needs::default() };
/// let advice = advise(&WorkloadProfile { needs, ..WorkloadProfile::default() })?;
/// assert!(advice.durable && advice.strategy.reads_never_wait());
/// assert!(advice.unsuited.iter().any(|one| one.reason.contains("read")), "{:?}", advice.unsuited);
/// # Ok::<(), raceguard_maps::advice::ProfileError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent needs, each a field of the file")]
pub struct Needs {
    /// Entries outlive the process.
    #[serde(default)]
    pub durable: bool,
    /// A snapshot shows all entries at one instant, and is at least as new as each snapshot taken before it.
    #[serde(default)]
    pub ordered_snapshots: bool,
    /// Writes are applied in one order for the whole map, and each writer learns that its write is applied.
    #[serde(default)]
    pub acknowledged: bool,
    /// Reads never wait for a writer, whatever the writer does.
    #[serde(default)]
    pub wait_free_reads: bool,
    /// How old an answer to a read may be, in microseconds. `None`: a read sees every write that ended before it.
    #[serde(default)]
    pub staleness_micros: Option<u64>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// Why a profile cannot be used.
///
/// ```
/// use raceguard_maps::advice::{ProfileError, WorkloadProfile};
///
/// let newer = WorkloadProfile::from_json(r#"{ "schema": 99, "mix": {} }"#).unwrap_err();
/// assert!(matches!(newer, ProfileError::Schema { found: 99 }), "{newer}");
/// let no_profile = WorkloadProfile::from_json("[]").unwrap_err();
/// assert!(matches!(no_profile, ProfileError::Format(_)), "{no_profile}");
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// It is not JSON, or a field has another type.
    #[error("not a workload profile: {0}")]
    Format(#[from] serde_json::Error),
    /// It was written by a newer version of this library.
    #[error(
        "the profile has schema {found}, and this version reads up to {SCHEMA}: use a newer raceguard, or write the profile again with this one"
    )]
    Schema {
        /// The version in the file.
        found: u32,
    },
    /// A figure is out of its range.
    #[error("{field} = {given} is not possible: {allowed}")]
    Field {
        /// The name as in the file.
        field: &'static str,
        /// What the file says.
        given: String,
        /// What would be accepted.
        allowed: &'static str,
    },
    /// The shares do not add up.
    #[error("the shares in mix add up to {sum}: {allowed}")]
    Mix {
        /// What they add up to.
        sum: f64,
        /// What would be accepted.
        allowed: &'static str,
    },
}

impl Default for WorkloadProfile {
    /// Nothing known, nothing demanded.
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            name: None,
            mix: Mix::default(),
            iterations_per_million: None,
            keys: None,
            key_bytes: None,
            key_copy: None,
            value_bytes: None,
            value_copy: None,
            skew: None,
            threads: None,
            hold_nanos: None,
            needs: Needs::default(),
            estimated: BTreeMap::new(),
            unknown: BTreeMap::new(),
            other: BTreeMap::new(),
        }
    }
}

impl WorkloadProfile {
    /// Reads and validates a profile.
    pub fn from_json(text: &str) -> Result<Self, ProfileError> {
        let profile: Self = serde_json::from_str(text)?;
        profile.validate()?;
        Ok(profile)
    }

    /// The profile as indented JSON with a line end.
    pub fn to_json(&self) -> Result<String, ProfileError> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Whether every figure is possible.
    pub fn validate(&self) -> Result<(), ProfileError> {
        if self.schema > SCHEMA {
            return Err(ProfileError::Schema { found: self.schema });
        }
        whole(
            "schema",
            Some(u64::from(self.schema)),
            1,
            u64::from(SCHEMA),
            "a version of the format, from 1",
        )?;
        self.mix.validate()?;
        real("iterations_per_million", self.iterations_per_million, 1e6, "0 to 1000000")?;
        whole("keys", self.keys, 1, 1 << 40, "1 to 2^40")?;
        whole("key_bytes", self.key_bytes, 0, 1 << 30, "0 to 2^30 bytes")?;
        whole("value_bytes", self.value_bytes, 0, 1 << 40, "0 to 2^40 bytes")?;
        real("skew", self.skew, 10.0, "a Zipf exponent of 0 (uniform) to 10")?;
        whole("threads", self.threads.map(u64::from), 1, 1 << 16, "1 to 65536")?;
        whole("hold_nanos", self.hold_nanos, 0, HOUR_IN_NANOS, "0 to one hour")?;
        whole("needs.staleness_micros", self.needs.staleness_micros, 0, HOUR_IN_NANOS / 1000, "0 to one hour")
    }

    /// Says what the estimate in a field rests on: its name as in the file, and the reason.
    pub fn mark_estimated(&mut self, field: &str, reason: &str) {
        self.estimated.insert(field.to_owned(), reason.to_owned());
    }

    /// Says why a field is not known: its name as in the file, and the reason.
    pub fn mark_unknown(&mut self, field: &str, reason: &str) {
        self.unknown.insert(field.to_owned(), reason.to_owned());
    }

    /// Names of the fields that this version does not know.
    pub(crate) fn ignored(&self) -> Vec<String> {
        let groups = [("", &self.other), ("mix.", &self.mix.other), ("needs.", &self.needs.other)];
        groups
            .iter()
            .flat_map(|(group, fields)| fields.keys().map(move |name| format!("{group}{name}")))
            .collect()
    }
}

impl Mix {
    /// The named shares, for validation and for filling gaps.
    pub(crate) fn shares(&self) -> [(&'static str, Option<f64>); 5] {
        [
            ("mix.reads", self.reads),
            ("mix.overwrites", self.overwrites),
            ("mix.inserts", self.inserts),
            ("mix.removes", self.removes),
            ("mix.read_modify_writes", self.read_modify_writes),
        ]
    }

    /// The sum of the shares that are known.
    pub(crate) fn known_sum(&self) -> f64 {
        self.shares().iter().filter_map(|(_, share)| *share).sum()
    }

    fn validate(&self) -> Result<(), ProfileError> {
        for (name, share) in self.shares() {
            real(name, share, 1.0, "a share of 0 to 1")?;
        }
        let sum = self.known_sum();
        if sum > 1.0 + SUM_TOLERANCE {
            return Err(ProfileError::Mix { sum, allowed: "together they are at most 1" });
        }
        let complete = self.shares().iter().all(|(_, share)| share.is_some());
        if complete && sum < 1.0 - SUM_TOLERANCE {
            return Err(ProfileError::Mix {
                sum,
                allowed: "all five are given, so together they have to be 1; leave out the one that is not known",
            });
        }
        Ok(())
    }
}

const HOUR_IN_NANOS: u64 = 3_600_000_000_000;

fn real(
    field: &'static str,
    given: Option<f64>,
    most: f64,
    allowed: &'static str,
) -> Result<(), ProfileError> {
    match given {
        Some(figure) if !(0.0..=most).contains(&figure) => {
            Err(ProfileError::Field { field, given: figure.to_string(), allowed })
        }
        _ => Ok(()),
    }
}

fn whole(
    field: &'static str,
    given: Option<u64>,
    least: u64,
    most: u64,
    allowed: &'static str,
) -> Result<(), ProfileError> {
    match given {
        Some(figure) if !(least..=most).contains(&figure) => {
            Err(ProfileError::Field { field, given: figure.to_string(), allowed })
        }
        _ => Ok(()),
    }
}
