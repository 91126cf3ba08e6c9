//! Profiles of runtime/pprof as text: `debug=1` of heap, allocs, mutex, block, goroutine, threadcreate and of profiles
//! of the program's own.
//!
//! Values are those of the same profile in protobuf: heap samples are scaled up by the sampling rate, cycles are
//! nanoseconds.

mod sample_line;

use std::collections::{BTreeMap, HashMap};

use super::{ForeignError, Format, Input, Recognition, Sink};
use crate::frame::Frame;
use crate::profile::{Profile, ProfileKind, Sample, SampleType};
use crate::record::Extra;

use sample_line::{Numbers, sample_line};

/// A profile in text.
pub(super) const FORMAT: Format =
    Format { name: "pprof-text", title: "profile of runtime/pprof in text (debug=1)", recognise, read };

const MAX_LINE: usize = 1 << 20;
/// Most frames of all samples together.
const MAX_STACKS: usize = 4_000_000;

fn recognise(head: &[u8]) -> Recognition {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(&line[..line.len().min(256)]);
    if Heading::of(line.trim_end()).is_some() { Recognition::Sure } else { Recognition::No }
}

/// What the first line says.
#[derive(Debug, PartialEq)]
enum Heading {
    /// With the average number of bytes between two samples.
    Heap {
        rate: i64,
    },
    Mutex,
    Block,
    /// Of a profile that counts: its name.
    Count(String),
}

impl Heading {
    fn of(line: &str) -> Option<Self> {
        if let Some(rest) = line.strip_prefix("heap profile: ") {
            let (_, rate) = rest.rsplit_once("@ heap/")?;
            // The runtime writes twice the rate.
            return Some(Self::Heap { rate: rate.trim().parse::<i64>().ok()? / 2 });
        }
        match line {
            "--- mutex:" => Some(Self::Mutex),
            "--- contention:" => Some(Self::Block),
            _ => {
                let (name, total) = line.split_once(" profile: total ")?;
                let is_name = !name.is_empty() && name.len() < 128 && !name.contains(' ');
                (is_name && total.parse::<u64>().is_ok()).then(|| Self::Count(name.to_owned()))
            }
        }
    }

    fn profile(&self) -> Profile {
        let sample_type =
            |name: &str, unit: &str| SampleType { name: name.to_owned(), unit: unit.to_owned() };
        let contention = || vec![sample_type("contentions", "count"), sample_type("delay", "nanoseconds")];
        let (kind, sample_types, period_type, period) = match self {
            Self::Heap { rate } => (
                ProfileKind::Heap,
                [
                    ("alloc_objects", "count"),
                    ("alloc_space", "bytes"),
                    ("inuse_objects", "count"),
                    ("inuse_space", "bytes"),
                ]
                .map(|(name, unit)| sample_type(name, unit))
                .to_vec(),
                sample_type("space", "bytes"),
                *rate,
            ),
            Self::Mutex => (ProfileKind::Mutex, contention(), sample_type("contentions", "count"), 1),
            Self::Block => (ProfileKind::Block, contention(), sample_type("contentions", "count"), 1),
            Self::Count(name) => {
                let kind = match name.as_str() {
                    "goroutine" => ProfileKind::Goroutine,
                    "threadcreate" => ProfileKind::ThreadCreate,
                    other => ProfileKind::Other(other.to_owned()),
                };
                (kind, vec![sample_type(name, "count")], sample_type(name, "count"), 1)
            }
        };
        Profile {
            profile: kind,
            time_unix_ns: 0,
            duration_ns: 0,
            sample_types,
            period_type,
            period,
            symbolised: false,
            program: String::new(),
            mappings: Vec::new(),
            comments: Vec::new(),
            frames: Vec::new(),
            samples: Vec::new(),
            extra: Extra::new(),
        }
    }
}

/// A profile that is being read.
struct Reading {
    heading: Heading,
    profile: Profile,
    cycles_per_second: f64,
    places: HashMap<(String, String, u32, String), u32>,
    /// The places of lines that came before, so that each is taken apart once.
    lines: HashMap<String, u32>,
    samples: HashMap<(Vec<u32>, BTreeMap<String, String>), usize>,
    stacks: usize,
    open: Option<OpenSample>,
}

/// A sample whose frames are being read.
#[derive(Debug, Default)]
struct OpenSample {
    values: Vec<i64>,
    addresses: Vec<u64>,
    stack: Vec<u32>,
    labels: BTreeMap<String, String>,
    line: u64,
}

fn read(input: &mut Input<'_>, sink: &mut dyn Sink) -> Result<(), ForeignError> {
    let mut line = Vec::new();
    input.read_line(&mut line, MAX_LINE)?;
    let heading = Heading::of(String::from_utf8_lossy(&line).trim_end())
        .ok_or_else(|| input.malformed("it does not begin with the heading of a profile", "line 1"))?;
    let profile = heading.profile();
    let mut reading = Reading {
        heading,
        profile,
        cycles_per_second: 1e9,
        places: HashMap::new(),
        lines: HashMap::new(),
        samples: HashMap::new(),
        stacks: 0,
        open: None,
    };
    let mut number = 1;
    while input.read_line(&mut line, MAX_LINE)? {
        number += 1;
        reading.line(String::from_utf8_lossy(&line).trim_end(), number, sink);
    }
    reading.end_sample(sink);
    let Reading { mut profile, .. } = reading;
    profile.symbolised = profile.frames.iter().any(|frame| !frame.function.is_empty());
    if !profile.symbolised && !profile.frames.is_empty() {
        sink.warn("the profile has no symbols: functions are known by their addresses only".to_owned());
    }
    if profile.samples.is_empty() {
        sink.warn("the profile has no samples".to_owned());
    }
    sink.record(profile.into())
}

impl Reading {
    fn line(&mut self, line: &str, number: u64, sink: &mut dyn Sink) {
        if line.is_empty() {
            self.end_sample(sink);
        } else if let Some(comment) = line.strip_prefix('#') {
            self.comment(comment);
        } else if let Some(cycles) = line.strip_prefix("cycles/second=") {
            self.cycles_per_second = cycles.trim().parse().ok().filter(|cycles| *cycles > 0.0).unwrap_or(1e9);
        } else if let Some(period) = line.strip_prefix("sampling period=") {
            self.profile.period = period.trim().parse().unwrap_or(1);
        } else if let Some((numbers, addresses)) = sample_line(line) {
            self.end_sample(sink);
            match self.values(&numbers) {
                Some(values) => {
                    let addresses = addresses.collect();
                    self.open = Some(OpenSample { values, addresses, line: number, ..OpenSample::default() });
                }
                None => sink.skip("samples with other values than the profile has", number),
            }
        } else {
            sink.skip("lines that are no part of a profile", number);
        }
    }

    /// A frame, or ` labels: {"k":"v"}`.
    fn comment(&mut self, comment: &str) {
        let Some(open) = &mut self.open else { return };
        if let Some(labels) = comment.strip_prefix(" labels: ") {
            open.labels = serde_json::from_str(labels).unwrap_or_default();
            return;
        }
        // A sample beyond the limit is not kept, so its further frames aren't either.
        if self.stacks + open.stack.len() > MAX_STACKS {
            return;
        }
        if let Some(place) = self.lines.get(comment) {
            open.stack.push(*place);
            return;
        }
        let Some(frame) = frame(comment) else { return };
        let place = self.place(frame);
        self.lines.insert(comment.to_owned(), place);
        self.open.iter_mut().for_each(|open| open.stack.push(place));
    }

    fn values(&self, numbers: &Numbers) -> Option<Vec<i64>> {
        Some(match (&self.heading, numbers) {
            (Heading::Heap { rate }, Numbers::Heap { in_use, allocated }) => {
                let (alloc, live) = (scaled(*allocated, *rate), scaled(*in_use, *rate));
                vec![alloc.0, alloc.1, live.0, live.1]
            }
            (Heading::Mutex | Heading::Block, Numbers::Contention { cycles, count }) => {
                vec![*count, truncated(*cycles * 1e9 / self.cycles_per_second)]
            }
            (Heading::Count(_), Numbers::Count(count)) => vec![*count],
            _ => return None,
        })
    }

    fn end_sample(&mut self, sink: &mut dyn Sink) {
        let Some(open) = self.open.take() else { return };
        let known: Vec<u64> = open.addresses.into_iter().filter(|address| *address != 0).collect();
        let length = if open.stack.is_empty() { known.len() } else { open.stack.len() };
        if self.stacks + length > MAX_STACKS {
            sink.skip("samples beyond the first 4,000,000 frames", open.line);
            return;
        }
        let stack: Vec<u32> = if open.stack.is_empty() {
            let frames =
                known.into_iter().map(|pc| Frame { pc: Some(format!("{pc:#x}")), ..Frame::default() });
            frames.map(|frame| self.place(frame)).collect()
        } else {
            open.stack
        };
        self.stacks += stack.len();
        let samples = &mut self.profile.samples;
        let key = (stack, open.labels);
        if let Some(&known) = self.samples.get(&key) {
            let values = samples[known].values.iter_mut().zip(open.values);
            values.for_each(|(sum, value)| *sum = sum.saturating_add(value));
            return;
        }
        samples.push(Sample { stack: key.0.clone(), values: open.values, labels: key.1.clone() });
        self.samples.insert(key, samples.len() - 1);
    }

    fn place(&mut self, frame: Frame) -> u32 {
        let pc = frame.pc.clone().unwrap_or_default();
        let key = (frame.function.clone(), frame.file.clone(), frame.line, pc);
        let frames = &mut self.profile.frames;
        *self.places.entry(key).or_insert_with(|| {
            frames.push(frame);
            u32::try_from(frames.len() - 1).unwrap_or(u32::MAX)
        })
    }
}

/// ` 0x4e2451 sync.(*Mutex).Unlock+0x91 /go/mutex.go:65`, with tabs between.
fn frame(comment: &str) -> Option<Frame> {
    let mut columns = comment.split('\t').filter(|column| !column.is_empty());
    let pc = columns.next().filter(|pc| pc.starts_with("0x"))?;
    let function = columns.next()?;
    let (function, offset) = function.rsplit_once("+0x").map_or((function, None), |(function, offset)| {
        (function, u64::from_str_radix(offset.trim_end(), 16).ok())
    });
    let place = columns.next().and_then(|place| place.rsplit_once(':'));
    let (file, line) = place.map_or(("", 0), |(file, line)| (file, line.trim().parse().unwrap_or(0)));
    Some(Frame { pc: Some(pc.to_owned()), offset, ..Frame::new(function, file, line) })
}

/// Scales a heap sample up as runtime/pprof does for protobuf: a larger object is sampled more probably.
#[expect(clippy::cast_precision_loss, reason = "as Go computes it")]
fn scaled((count, size): (i64, i64), rate: i64) -> (i64, i64) {
    if count == 0 || size == 0 {
        return (0, 0);
    }
    if rate <= 1 {
        return (count, size);
    }
    let average = size as f64 / count as f64;
    let scale = 1.0 / (1.0 - (-average / rate as f64).exp());
    (truncated(count as f64 * scale), truncated(size as f64 * scale))
}

#[expect(clippy::cast_possible_truncation, reason = "as Go computes it; a cast saturates")]
fn truncated(value: f64) -> i64 {
    value as i64
}
