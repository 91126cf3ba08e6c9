//! The message `perftools.profiles.Profile`: its tables, and its samples as they lie in the file.

use std::borrow::Cow;
use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::foreign::Sink;
use crate::foreign::protobuf::{Damaged, Fields, Value, for_each_number};
use crate::profile::Mapping;

/// How many entries of each table are read. Beyond them lies no profile of a real program.
pub(super) const MOST_ENTRIES: usize = 4_000_000;

/// A profile, its strings and samples still in the bytes of the file.
#[derive(Debug, Default)]
pub(super) struct Message<'a> {
    pub(super) strings: Vec<&'a [u8]>,
    /// Name and unit, as places in `strings`.
    pub(super) sample_types: Vec<(u64, u64)>,
    pub(super) period_type: (u64, u64),
    pub(super) period: i64,
    pub(super) time_nanos: i64,
    pub(super) duration_nanos: i64,
    /// Name of the sample type to show, as a place in `strings`.
    pub(super) default_sample_type: u64,
    pub(super) comments: Vec<u64>,
    pub(super) samples: Vec<&'a [u8]>,
    locations: HashMap<u64, &'a [u8], RandomState>,
    functions: HashMap<u64, Function, RandomState>,
    mappings: Vec<&'a [u8]>,
}

/// A function of a profile, by places in the table of strings.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Function {
    pub(super) name: u64,
    pub(super) file: u64,
}

/// One call at a location.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Line {
    pub(super) function: Option<Function>,
    pub(super) line: u32,
}

impl<'a> Message<'a> {
    /// Reads what is whole. What is not is counted.
    pub(super) fn parse(content: &'a [u8], sink: &mut dyn Sink) -> Self {
        let mut message = Self::default();
        let mut fields = Fields::of(content);
        while let Some(field) = fields.next() {
            match field {
                Ok((number, value)) => {
                    let at = fields.at() as u64;
                    if let Err(what) = message.take(number, value) {
                        sink.skip(what, at);
                    }
                }
                Err(Damaged { at }) => {
                    sink.warn(format!(
                        "the profile is cut off or damaged at byte {at}: what came before was read, without the \
                         names that were to come"
                    ));
                }
            }
        }
        message
    }

    /// The error says what the field is that was not taken.
    fn take(&mut self, number: u32, value: Value<'a>) -> Result<(), &'static str> {
        match number {
            1 => push(&mut self.sample_types, value_type(value.bytes()), "sample types")?,
            2 => push(&mut self.samples, value.bytes(), "samples beyond the first 4,000,000")?,
            3 => push(&mut self.mappings, value.bytes(), "mappings beyond the first 4,000,000")?,
            4 if self.locations.len() < MOST_ENTRIES => {
                let id = number_of(value.bytes(), 1);
                self.locations.insert(id, value.bytes());
            }
            4 => return Err("locations beyond the first 4,000,000"),
            5 if self.functions.len() < MOST_ENTRIES => {
                let (id, function) = function(value.bytes());
                self.functions.insert(id, function);
            }
            5 => return Err("functions beyond the first 4,000,000"),
            6 => push(&mut self.strings, value.bytes(), "strings beyond the first 4,000,000")?,
            9 => self.time_nanos = value.signed(),
            10 => self.duration_nanos = value.signed(),
            11 => self.period_type = value_type(value.bytes()),
            12 => self.period = value.signed(),
            13 => {
                let comments = &mut self.comments;
                for_each_number(value, |number| {
                    if comments.len() < 100 {
                        comments.push(number);
                    }
                });
            }
            14 => self.default_sample_type = value.number(),
            // Expressions for the display of frames, and the address of a page on the profile.
            7 | 8 | 15 => {}
            _ => return Err("fields of a profile that this version does not know"),
        }
        Ok(())
    }

    /// A string of the table; empty when it is not there.
    pub(super) fn string(&self, place: u64) -> Cow<'a, str> {
        let bytes = usize::try_from(place).ok().and_then(|place| self.strings.get(place));
        String::from_utf8_lossy(bytes.copied().unwrap_or_default())
    }

    /// The address of a location and its calls, innermost first; `None` when the location is not in the table.
    pub(super) fn location(&self, id: u64) -> Option<(u64, Vec<Line>)> {
        let mut address = 0;
        let mut lines = Vec::new();
        for (number, value) in Fields::of(self.locations.get(&id)?).flatten() {
            match number {
                3 => address = value.number(),
                4 => lines.push(self.line(value.bytes())),
                _ => {}
            }
        }
        Some((address, lines))
    }

    fn line(&self, message: &[u8]) -> Line {
        let mut line = Line::default();
        for (number, value) in Fields::of(message).flatten() {
            match number {
                1 => line.function = self.functions.get(&value.number()).copied(),
                2 => line.line = u32::try_from(value.signed()).unwrap_or(0),
                _ => {}
            }
        }
        line
    }

    /// The mappings, at most a thousand.
    pub(super) fn mappings(&self) -> Vec<Mapping> {
        let read = |message: &&[u8]| {
            let mut mapping = Mapping::default();
            for (number, value) in Fields::of(message).flatten() {
                match number {
                    2 => mapping.start = format!("{:#x}", value.number()),
                    3 => mapping.end = format!("{:#x}", value.number()),
                    4 => mapping.file_offset = value.number(),
                    5 => mapping.file = self.string(value.number()).into_owned(),
                    6 => mapping.build_id = self.string(value.number()).into_owned(),
                    _ => {}
                }
            }
            mapping
        };
        self.mappings.iter().take(1000).map(read).collect()
    }
}

fn push<T>(table: &mut Vec<T>, entry: T, what: &'static str) -> Result<(), &'static str> {
    if table.len() >= MOST_ENTRIES {
        return Err(what);
    }
    table.push(entry);
    Ok(())
}

fn value_type(message: &[u8]) -> (u64, u64) {
    (number_of(message, 1), number_of(message, 2))
}

fn number_of(message: &[u8], wanted: u32) -> u64 {
    Fields::of(message).flatten().find(|&(number, _)| number == wanted).map_or(0, |(_, value)| value.number())
}

fn function(message: &[u8]) -> (u64, Function) {
    let (mut id, mut system_name, mut function) = (0, 0, Function::default());
    for (number, value) in Fields::of(message).flatten() {
        match number {
            1 => id = value.number(),
            2 => function.name = value.number(),
            3 => system_name = value.number(),
            4 => function.file = value.number(),
            _ => {}
        }
    }
    if function.name == 0 {
        function.name = system_name;
    }
    (id, function)
}
