//! The samples of a profile: stacks made of its frames, equal ones joined, the heaviest first.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use super::message::Message;
use crate::foreign::Sink;
use crate::foreign::protobuf::{Fields, Value, for_each_number};
use crate::frame::Frame;
use crate::profile::{Profile, Sample};

/// How long a record may become, in bytes of JSON. The reader of evidence takes lines of 64 MiB.
const LONGEST_RECORD: usize = 48 << 20;

/// How many calls of a stack are read. Go's runtime writes at most 128, and as many inlined ones as there are.
const DEEPEST: usize = 4096;

/// Adds the samples of `message` and their frames to `profile`.
pub(super) fn add(message: &Message<'_>, profile: &mut Profile, sink: &mut dyn Sink) {
    let mut table = Table::new(message);
    for (place, sample) in message.samples.iter().enumerate() {
        if let Err(what) = table.add(sample, profile.sample_types.len()) {
            sink.skip(what, place as u64 + 1);
        }
    }
    let Table { frames, samples, unknown_locations, calls_left_out, .. } = table;
    if calls_left_out > 0 {
        sink.warn(format!("{calls_left_out} calls were left out of stacks deeper than {DEEPEST}"));
    }
    if unknown_locations > 0 {
        sink.warn(format!(
            "{unknown_locations} calls in stacks are at locations that the profile does not describe"
        ));
    }
    let mut samples: Vec<Sample> = samples
        .into_iter()
        .map(|(key, values)| Sample { stack: key.stack, values, labels: key.labels })
        .collect();
    let weight =
        |sample: &Sample| sample.values.iter().rev().map(|value| value.unsigned_abs()).find(|&v| v > 0);
    samples.sort_unstable_by(|a, b| {
        weight(b).cmp(&weight(a)).then_with(|| a.stack.cmp(&b.stack)).then_with(|| a.labels.cmp(&b.labels))
    });
    profile.symbolised = frames.is_empty() || frames.iter().any(|frame| !frame.function.is_empty());
    keep_what_fits(profile, frames, samples, sink);
}

/// Keeps the first samples, as many as fit into a record, and the frames that they name.
fn keep_what_fits(profile: &mut Profile, frames: Vec<Frame>, samples: Vec<Sample>, sink: &mut dyn Sink) {
    let mut kept = vec![u32::MAX; frames.len()];
    let mut frames: Vec<Option<Frame>> = frames.into_iter().map(Some).collect();
    let (mut size, mut left_out) = (0, 0_u64);
    for mut sample in samples {
        let labels: usize = sample.labels.iter().map(|(name, text)| name.len() + text.len() + 8).sum();
        size += 60 + 12 * sample.values.len() + 8 * sample.stack.len() + labels;
        if size > LONGEST_RECORD {
            left_out += 1;
            sink.skip("lighter samples of a profile too large for one record", 0);
            continue;
        }
        for place in &mut sample.stack {
            let old = *place as usize;
            if let Some(frame) = frames[old].take() {
                size += 60 + frame.function.len() + frame.file.len();
                kept[old] = u32::try_from(profile.frames.len()).unwrap_or(u32::MAX);
                profile.frames.push(frame);
            }
            *place = kept[old];
        }
        profile.samples.push(sample);
    }
    if left_out > 0 {
        sink.warn(format!("{left_out} of the lightest samples were left out: the profile is too large"));
    }
}

/// By what samples are equal.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    stack: Vec<u32>,
    labels: BTreeMap<String, String>,
}

/// Frames and samples so far.
struct Table<'m, 'a> {
    message: &'m Message<'a>,
    frames: Vec<Frame>,
    /// Places in `frames` by name, file, line, address, and whether the call was inlined.
    known_frames: HashMap<(u64, u64, u32, u64, bool), u32, RandomState>,
    /// Places in `frames` of each location, by its id.
    locations: HashMap<u64, Vec<u32>, RandomState>,
    samples: HashMap<Key, Vec<i64>, RandomState>,
    unknown_locations: u64,
    calls_left_out: u64,
}

impl<'m, 'a> Table<'m, 'a> {
    fn new(message: &'m Message<'a>) -> Self {
        Self {
            message,
            frames: Vec::new(),
            known_frames: HashMap::default(),
            locations: HashMap::default(),
            samples: HashMap::default(),
            unknown_locations: 0,
            calls_left_out: 0,
        }
    }

    /// The error says what kind of sample it is that was not taken.
    fn add(&mut self, sample: &[u8], types: usize) -> Result<(), &'static str> {
        let mut stack = Vec::new();
        let mut values = Vec::with_capacity(types);
        let mut labels = BTreeMap::new();
        for field in Fields::of(sample) {
            let Ok((number, value)) = field else { return Err("damaged samples") };
            match number {
                1 => for_each_number(value, |location| self.push_location(location, &mut stack)),
                2 => for_each_number(value, |number| values.push(number.cast_signed())),
                3 => self.add_label(value, &mut labels),
                _ => {}
            }
        }
        if values.len() != types {
            return Err("samples with another number of values than the profile has types");
        }
        match self.samples.entry(Key { stack, labels }) {
            Entry::Vacant(entry) => drop(entry.insert(values)),
            Entry::Occupied(mut entry) => {
                for (sum, value) in entry.get_mut().iter_mut().zip(values) {
                    *sum = sum.saturating_add(value);
                }
            }
        }
        Ok(())
    }

    fn push_location(&mut self, id: u64, stack: &mut Vec<u32>) {
        if stack.len() >= DEEPEST {
            self.calls_left_out += 1;
            return;
        }
        if let Some(known) = self.locations.get(&id) {
            stack.extend(known);
            return;
        }
        let Some((address, lines)) = self.message.location(id) else {
            self.unknown_locations += 1;
            return;
        };
        let mut places = Vec::with_capacity(lines.len());
        // A thread has no stack: Go's runtime writes calls at 0, of which it takes the address before.
        let is_empty =
            address == u64::MAX && lines.iter().all(|line| line.function.is_none_or(|f| f.name == 0));
        let lines = if is_empty { Vec::new() } else { lines };
        if lines.is_empty() && !is_empty {
            places.push(self.frame(0, 0, 0, address, false));
        }
        for (index, line) in lines.iter().enumerate() {
            let function = line.function.unwrap_or_default();
            let inlined = index + 1 < lines.len();
            // A statement is one frame wherever the compiler put its code.
            let address = if function.name == 0 { address } else { 0 };
            places.push(self.frame(function.name, function.file, line.line, address, inlined));
        }
        stack.extend(&places);
        self.locations.insert(id, places);
    }

    fn frame(&mut self, name: u64, file: u64, line: u32, address: u64, inlined: bool) -> u32 {
        let next = u32::try_from(self.frames.len()).unwrap_or(u32::MAX);
        let place = *self.known_frames.entry((name, file, line, address, inlined)).or_insert(next);
        if place == next {
            let mut frame = Frame::new(self.message.string(name), self.message.string(file), line);
            frame.inlined = inlined;
            frame.pc = (address != 0).then(|| format!("{address:#x}"));
            self.frames.push(frame);
        }
        place
    }

    fn add_label(&self, label: Value<'_>, labels: &mut BTreeMap<String, String>) {
        let (mut key, mut text, mut number, mut unit) = (0, 0, 0, 0);
        for (field, value) in Fields::of(label.bytes()).flatten() {
            match field {
                1 => key = value.number(),
                2 => text = value.number(),
                3 => number = value.signed(),
                4 => unit = value.number(),
                _ => {}
            }
        }
        let key = self.message.string(key).into_owned();
        let text = if text != 0 {
            self.message.string(text).into_owned()
        } else if unit != 0 {
            format!("{number} {}", self.message.string(unit))
        } else if key == "bytes" {
            // The one numeric label of Go's own profiles has its unit as its name.
            format!("{number} bytes")
        } else {
            number.to_string()
        };
        match labels.get_mut(&key) {
            // A label may have several values.
            Some(known) => {
                known.push_str(", ");
                known.push_str(&text);
            }
            None => drop(labels.insert(key, text)),
        }
    }
}
