//! Strings and stacks of all generations, each kept once: the tables of a generation give them other numbers than
//! those of the next one.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::generation::Generation;
use super::id_table::IdTable;
use crate::frame::Frame;

/// How many bytes of strings, and how many frames of stacks are kept.
const MOST_BYTES: usize = 64 << 20;
const MOST_FRAMES: usize = 8_000_000;

/// Number of a string that is kept; 0 is the empty one.
pub(super) type Name = u32;

/// Number of a stack that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(super) struct Stack(u32);

impl Stack {
    /// No stack.
    pub(super) const NONE: Self = Self(0);
    /// Stacks for which there was no room.
    pub(super) const OTHER: Self = Self(u32::MAX);
}

/// The strings and stacks.
#[derive(Debug, Default)]
pub(super) struct Names {
    texts: Vec<Box<str>>,
    text_places: HashMap<Box<str>, Name, RandomState>,
    text_bytes: usize,
    stacks: Vec<Box<[u64]>>,
    stack_places: HashMap<Box<[u64]>, u32, RandomState>,
    stack_frames: usize,
    frames: HashMap<u64, (Name, Name, u32), RandomState>,
    /// What the numbers of the present generation stand for.
    texts_now: IdTable<Option<Name>>,
    stacks_now: IdTable<Stack>,
}

impl Names {
    /// The next generation has numbers of its own.
    pub(super) fn begin(&mut self) {
        self.texts_now.clear();
        self.stacks_now.clear();
    }

    /// A string of the generation; `None` when there is no room for it.
    pub(super) fn text(&mut self, generation: &Generation, id: u64) -> Option<Name> {
        if id == 0 {
            return Some(0);
        }
        if let Some(known) = self.texts_now.get(id) {
            return known;
        }
        let name = self.keep_text(&generation.string(id));
        self.texts_now.insert(id, name);
        name
    }

    /// Keeps a string.
    pub(super) fn keep_text(&mut self, text: &str) -> Option<Name> {
        if self.texts.is_empty() {
            self.texts.push("".into());
        }
        if text.is_empty() {
            return Some(0);
        }
        if let Some(&known) = self.text_places.get(text) {
            return Some(known);
        }
        // A string costs its table entries too.
        self.text_bytes += text.len() + 64;
        if self.text_bytes > MOST_BYTES {
            return None;
        }
        let place = Name::try_from(self.texts.len()).ok()?;
        self.texts.push(text.into());
        self.text_places.insert(text.into(), place);
        Some(place)
    }

    /// The string of a name.
    pub(super) fn shown(&self, name: Name) -> &str {
        self.texts.get(name as usize).map_or("", |text| text)
    }

    /// A stack of the generation.
    pub(super) fn stack(&mut self, generation: &Generation, id: u64) -> Stack {
        if id == 0 {
            return Stack::NONE;
        }
        if let Some(known) = self.stacks_now.get(id) {
            return known;
        }
        let stack = self.keep_stack(generation, generation.stack(id));
        self.stacks_now.insert(id, stack);
        stack
    }

    fn keep_stack(&mut self, generation: &Generation, pcs: &[u64]) -> Stack {
        if pcs.is_empty() {
            return Stack::NONE;
        }
        if let Some(&known) = self.stack_places.get(pcs) {
            return Stack(known);
        }
        self.stack_frames += pcs.len() + 8;
        let Ok(place) = u32::try_from(self.stacks.len() + 1) else { return Stack::OTHER };
        if self.stack_frames > MOST_FRAMES {
            return Stack::OTHER;
        }
        for &pc in pcs {
            if !self.frames.contains_key(&pc)
                && let Some(frame) = generation.frame(pc)
            {
                let function = self.keep_text(&generation.string(frame.function)).unwrap_or(0);
                let file = self.keep_text(&generation.string(frame.file)).unwrap_or(0);
                self.frames.insert(pc, (function, file, u32::try_from(frame.line).unwrap_or(0)));
            }
        }
        self.stacks.push(pcs.into());
        self.stack_places.insert(pcs.into(), place);
        Stack(place)
    }

    /// The frames of a stack, innermost first.
    pub(super) fn frames(&self, stack: Stack) -> Vec<Frame> {
        let place = (stack.0 as usize).wrapping_sub(1);
        let pcs = self.stacks.get(place).map_or(&[][..], |pcs| pcs);
        let frame = |pc: &u64| {
            let (function, file, line) = self.frames.get(pc).copied().unwrap_or_default();
            let mut frame = Frame::new(self.shown(function), self.shown(file), line);
            if function == 0 {
                frame.pc = Some(format!("{pc:#x}"));
            }
            frame
        };
        pcs.iter().map(frame).collect()
    }
}
