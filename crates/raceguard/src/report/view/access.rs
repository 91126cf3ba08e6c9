//! One access of a race in words.

use std::ops::Range;

use raceguard_evidence::{Access, AccessOp, GoroutineState, MapOp, ModulePaths, Race};

use super::{FrameView, anchor_index, who};
use crate::report::source::{Excerpt, Sources};

/// One of the two accesses of a race.
pub(in crate::report) struct AccessView<'a> {
    pub(in crate::report) access: &'a Access,
    /// `main goroutine`, `goroutine 7`.
    pub(in crate::report) who: String,
    /// `running`, `finished`; empty when unknown.
    pub(in crate::report) state: String,
    /// E.g. `goroutine 7 inserts into the map here`.
    pub(in crate::report) label: String,
    /// E.g. `goroutine 7, earlier`.
    pub(in crate::report) short_label: String,
    /// The frame to look at.
    pub(in crate::report) place: Option<FrameView<'a>>,
    /// Position of that frame in the stack.
    pub(in crate::report) place_index: usize,
    /// Whether that frame made the access itself, not something it called.
    pub(in crate::report) place_is_statement: bool,
    pub(in crate::report) excerpt: Option<Excerpt>,
    pub(in crate::report) stack: Vec<FrameView<'a>>,
    /// From the goroutine to its farthest known ancestor: where each was created, and by whom.
    pub(in crate::report) creations: Vec<Creation<'a>>,
}

/// How a goroutine came to be.
pub(in crate::report) struct Creation<'a> {
    /// The statement that started it, as far as it is known.
    pub(in crate::report) site: Option<FrameView<'a>>,
    /// The goroutine that ran the statement.
    pub(in crate::report) by: Option<String>,
}

impl<'a> AccessView<'a> {
    pub(super) fn new(race: &'a Race, index: usize, paths: &ModulePaths, sources: &Sources<'_>) -> Self {
        let access = &race.accesses[index];
        let place_index = anchor_index(&access.stack, paths).unwrap_or(0);
        let place = access.stack.get(place_index).map(|frame| FrameView::new(frame, paths));
        let place_is_statement = place_index == access.statement_index();
        let who = who(race, access.goroutine);
        let verb = verb(access, index == 0);
        let label = match access.statement().filter(|_| !place_is_statement) {
            Some(statement) => format!("{who} {verb} in {}, called here", statement.name().short()),
            None if index == 0 => format!("{who} {verb} here"),
            None => format!("{who} {verb} here earlier"),
        };
        Self {
            access,
            state: race.goroutine(access.goroutine).map_or("", |g| g.state.as_str()).to_owned(),
            label,
            short_label: format!("{who}, {}", if index == 0 { "later" } else { "earlier" }),
            excerpt: place.as_ref().and_then(|place| place.excerpt(paths, sources)),
            place,
            place_index,
            place_is_statement,
            stack: FrameView::stack(&access.stack, paths),
            creations: creations(race, access.goroutine, paths),
            who,
        }
    }

    /// `map insert`, `write`.
    pub(in crate::report) fn noun(&self) -> String {
        match &self.access.map_op {
            Some(MapOp::Iterate) => "map iteration".to_owned(),
            Some(op) => format!("map {}", op.as_str()),
            None => self.access.op.as_str().to_owned(),
        }
    }

    /// `goroutine 7 (finished)`.
    pub(in crate::report) fn who_and_state(&self) -> String {
        if self.state.is_empty() || self.state == GoroutineState::Running.as_str() {
            self.who.clone()
        } else {
            format!("{} ({})", self.who, self.state)
        }
    }

    /// Text of the marked line in `range`.
    pub(super) fn text_at(&self, range: Range<usize>) -> Option<String> {
        self.excerpt.as_ref().map(|excerpt| excerpt.marked_line()[range].to_owned())
    }
}

/// What the access did, in the present for the later one and in the past for the earlier one.
fn verb(access: &Access, later: bool) -> String {
    let (present, past) = match (&access.map_op, &access.op) {
        (Some(MapOp::Insert), _) => ("inserts into the map", "inserted into the map"),
        (Some(MapOp::Delete), _) => ("deletes from the map", "deleted from the map"),
        (Some(MapOp::Lookup), _) => ("looks up a key in the map", "looked up a key in the map"),
        (Some(MapOp::Iterate), _) => ("iterates over the map", "iterated over the map"),
        (Some(MapOp::Clear), _) => ("clears the map", "cleared the map"),
        (None, AccessOp::Read) => ("reads", "read"),
        (None, AccessOp::Write) => ("writes", "wrote"),
        (None, AccessOp::AtomicRead) => ("reads atomically", "read atomically"),
        (None, AccessOp::AtomicWrite) => ("writes atomically", "wrote atomically"),
        (Some(other), _) => return format!("does \"{}\" on the map", other.as_str()),
        (None, other) => return format!("does \"{}\"", other.as_str()),
    };
    (if later { present } else { past }).to_owned()
}

fn creations<'a>(race: &'a Race, goroutine: Option<u64>, paths: &ModulePaths) -> Vec<Creation<'a>> {
    let ancestry = race.ancestry(goroutine);
    let known = ancestry.iter().map(|goroutine| (goroutine.go_statement(), goroutine.parent));
    // Of ancestors beyond those only the statements are recorded.
    let beyond = ancestry.last().into_iter().flat_map(|farthest| farthest.ancestor_go_statements());
    known
        .chain(beyond.map(|stack| (Some(stack), None)))
        .filter(|(stack, parent)| stack.is_some() || parent.is_some())
        .map(|(stack, parent)| Creation {
            site: stack.and_then(|stack| FrameView::anchor(stack, paths)),
            by: parent.map(|parent| who(race, Some(parent))),
        })
        .collect()
}
