//! A profile of pprof: samples of stacks with values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::frame::Frame;
use crate::record::Extra;

/// One profile. Its frames are kept once and named by their place in `frames`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// What was profiled.
    pub profile: ProfileKind,
    /// When it was taken, in nanoseconds since the Unix epoch; 0 when unknown.
    #[serde(default)]
    pub time_unix_ns: u64,
    /// Over how long; 0 for a snapshot or when unknown.
    #[serde(default)]
    pub duration_ns: u64,
    /// The values that each sample has, in their order.
    #[serde(default)]
    pub sample_types: Vec<SampleType>,
    /// What a sample stands for, `contentions`, and how many of it there are between two samples.
    #[serde(default)]
    pub period_type: SampleType,
    /// See `period_type`; 0 when unknown.
    #[serde(default)]
    pub period: i64,
    /// Whether functions are known by name; also said of a profile without any stack.
    #[serde(default)]
    pub symbolised: bool,
    /// Path and build id of the program, when the profile has them.
    #[serde(default)]
    pub program: String,
    /// The parts of the program's memory that code was loaded to, by which frames without a name can be symbolised.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mappings: Vec<Mapping>,
    /// What the producer remarked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub comments: Vec<String>,
    /// All frames of all samples. Those with a name have no `pc`, so that one statement is one frame.
    #[serde(default)]
    pub frames: Vec<Frame>,
    /// The samples, equal ones joined.
    #[serde(default)]
    pub samples: Vec<Sample>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What a profile is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ProfileKind {
    /// Waiting for locks, at the place that held them: stacks of `Unlock`.
    Mutex,
    /// Waiting for anything, at the place that waited.
    Block,
    /// The goroutines at one moment.
    Goroutine,
    /// Live memory and all allocations since the start.
    Heap,
    /// As `heap`, with allocations in front.
    Allocs,
    /// Time on the processor.
    Cpu,
    /// Threads created.
    ThreadCreate,
    /// A profile of the program's own or of a later version of Go.
    #[serde(untagged)]
    Other(String),
}

/// Name and unit of a value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SampleType {
    /// `contentions`, `delay`, `inuse_space`, …
    #[serde(default, rename = "type")]
    pub name: String,
    /// `count`, `nanoseconds`, `bytes`.
    #[serde(default)]
    pub unit: String,
}

/// A file of code in the program's memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// First address as `0x…`.
    #[serde(default)]
    pub start: String,
    /// The address behind the last one.
    #[serde(default)]
    pub end: String,
    /// What of the file lies at `start`.
    #[serde(default)]
    pub file_offset: u64,
    /// The program or library.
    #[serde(default)]
    pub file: String,
    /// Its build id, empty when unknown.
    #[serde(default)]
    pub build_id: String,
}

/// A stack and its values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Places in [`Profile::frames`], innermost first.
    #[serde(default)]
    pub stack: Vec<u32>,
    /// As many as [`Profile::sample_types`].
    #[serde(default)]
    pub values: Vec<i64>,
    /// Labels set by the program (`pprof.Do`), and numeric ones with their unit (`bytes`: `48 bytes`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Profile {
    /// The place of the value named `name` in each sample.
    pub fn value_index(&self, name: &str) -> Option<usize> {
        self.sample_types.iter().position(|sample_type| sample_type.name == name)
    }

    /// The frames of a sample, innermost first. Places outside `frames` are left out.
    pub fn stack<'a>(&'a self, sample: &'a Sample) -> impl Iterator<Item = &'a Frame> {
        sample.stack.iter().filter_map(|&place| self.frames.get(place as usize))
    }
}
