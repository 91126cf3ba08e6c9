//! A function played through, with all goroutines it starts.
//!
//! Functions that are called are played in place, up to a budget. A loop that starts goroutines or uses channels is
//! played twice: two iterations show all that any number would, and each has its own variables, goroutines and
//! counts of sends and receives. What comes out is a list of [`Event`]s with, for each, the goroutine, the conditions
//! under which it happens, and the locks held.

mod calls;
mod effects;
mod frames;
mod goroutines;
mod handler_objects;
mod locks;
mod walk;

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use super::models::Models;
use super::units::Units;
use crate::ir::function::{BodyId, FieldKey, How, NodeId};
use crate::ir::place::{CallId, Place, Root, SiteId, Step, Value, VarId};
use crate::syntax::span::Span;
use crate::types::{Program, Type};

/// A goroutine of a scope: index of [`Scope::threads`]. The first is the one that the function runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadId(pub u32);

/// A call of a function in a scope: index of [`Scope::frames`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(pub u32);

/// Conditions on the way to an event: a branch, and the set of its arms that lead there.
pub type Path = Arc<[(u32, u64)]>;

/// Locks held: which, and whether for writing.
pub type Locks = Arc<[HeldLock]>;

/// A lock that is held.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HeldLock {
    /// Which.
    pub place: Place,
    /// Whether it excludes readers too.
    pub exclusive: bool,
    /// Whether it was locked by a method that takes arguments, such as the name of what is locked: it excludes only those
    /// who give the same.
    pub keyed: bool,
}

/// A goroutine.
#[derive(Debug, Clone)]
pub struct Thread {
    /// The event that starts it; none for the first.
    pub spawn: Option<usize>,
    /// The goroutine that starts it.
    pub parent: Option<ThreadId>,
    /// Why it runs beside others, for reports.
    pub origin: Origin,
    /// The outermost frame.
    pub frame: FrameId,
}

/// How a goroutine comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// It runs the function that the scope is about.
    Root,
    /// `go`
    Go,
    /// `wg.Go(f)`
    Group,
    /// A timer, finalizer or the like.
    Callback,
    /// A handler, which runs once for each request.
    Handler,
    /// A parallel subtest.
    Subtest,
    /// A function that was sent to another goroutine.
    Sent,
}

/// Something that happens.
#[derive(Debug, Clone)]
pub struct Event<'a> {
    /// In which goroutine.
    pub thread: ThreadId,
    /// In which call.
    pub frame: FrameId,
    /// Under which conditions.
    pub path: Path,
    /// With which locks.
    pub locks: Locks,
    /// What.
    pub kind: EventKind<'a>,
    /// Where in the source of the frame's function.
    pub span: Span,
}

/// What happens.
#[derive(Debug, Clone)]
pub enum EventKind<'a> {
    /// Memory is accessed.
    Access(Touch<'a>),
    /// A goroutine starts.
    Spawn(ThreadId),
    /// Something that others may wait for.
    Release(Object, ReleaseKind),
    /// A wait that ended.
    Acquire(Object, AcquireKind),
    /// The end of a branch each of whose arms waited for something.
    Join(Join),
}

/// The end of a branch: the acquires of each arm.
#[derive(Debug, Clone)]
pub struct Join {
    /// Indexes of events, by arm.
    pub arms: Vec<Vec<usize>>,
}

/// An access.
#[derive(Debug, Clone)]
pub struct Touch<'a> {
    /// The memory.
    pub place: Place,
    /// Whether it writes.
    pub write: bool,
    /// How.
    pub how: How,
    /// The field.
    pub field: Option<&'a FieldKey>,
    /// The `sync.Once` under which it runs.
    pub once: Option<Place>,
}

/// What goroutines wait for each other at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Object {
    /// A `sync.WaitGroup` or errgroup.
    Group(Place),
    /// A channel.
    Channel(Place),
    /// A `sync.Once`.
    Once(Place),
    /// Memory used by sync/atomic.
    Atomic(Place),
    /// A `sync.Cond`.
    Cond(Place),
    /// A variable that conditions look at and that is written under a lock.
    Flag(Place),
    /// A mutex that is unlocked by another goroutine than the one that locked it.
    Mutex(Place),
    /// All goroutines of a testing/synctest bubble.
    Bubble,
}

/// The kinds of releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ReleaseKind {
    Add,
    Done,
    Send,
    /// A receive, which a send on an unbuffered channel waits for.
    Receive,
    Close,
    Once,
    Store,
    Signal,
    Unlock,
}

/// The kinds of acquires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum AcquireKind {
    Wait,
    Receive,
    /// The end of `range` over a channel.
    Closed,
    /// A send, which waits for a receive.
    Send,
    Once,
    Load,
    Cond,
    Lock,
}

/// A function being played.
#[derive(Debug)]
pub struct Frame<'a> {
    /// The function's unit.
    pub unit: usize,
    /// The body.
    pub body: BodyId,
    /// The frame that called it, in the same goroutine or the one that started this.
    pub caller: Option<FrameId>,
    /// The call in the caller.
    pub call: Span,
    /// For a function literal: the frame it was made in, and the iterations there.
    lexical: Option<(FrameId, Iterations)>,
    /// The loops around the current place, with a number for the iteration.
    iterations: Vec<(NodeId, u32)>,
    deferred: Vec<frames::Deferred<'a>>,
    pending: Vec<frames::Pending>,
    returns: Vec<Vec<Value>>,
    /// How many calls lie between the beginning of the goroutine and this one.
    pub distance: u32,
    /// Whether it is the function of a test or subtest, after which what `t.Cleanup` was given runs.
    test: bool,
    /// The number of events when it began.
    first: usize,
    /// The waits that lie before each end of the body.
    exits: Vec<Vec<usize>>,
    /// The waits that lie before each jump out of a statement.
    breaks: Vec<(NodeId, Vec<usize>)>,
    depth: u32,
}

type Iterations = Arc<[(NodeId, u32)]>;

/// A function literal's value: the frame and iterations it was made in.
#[derive(Debug, Clone)]
struct ClosureObject {
    frame: FrameId,
    iterations: Iterations,
    body: BodyId,
}

/// A goroutine's state while it is played.
#[derive(Debug, Clone)]
struct Cursor {
    thread: ThreadId,
    path: Vec<(u32, u64)>,
    locks: Vec<HeldLock>,
    once: Option<Place>,
}

/// After this many events or steps, calls are not followed any more; after twice as many, all ends.
const MAX_EVENTS: usize = 4_000;
const MAX_STEPS: usize = 20_000;
/// Calls are followed to this depth.
const MAX_DEPTH: u32 = 6;
/// Accesses as many calls away from the beginning of their goroutine are too far for a report, see
/// [`confidence`](super::races): only what synchronises is of interest there.
pub const FAR: u32 = 4;

/// A function played through.
#[derive(Debug)]
pub struct Scope<'a> {
    program: &'a Program,
    units: &'a Units,
    models: &'a Models,
    /// All goroutines.
    pub threads: Vec<Thread>,
    /// All calls.
    pub frames: Vec<Frame<'a>>,
    /// All events; those of one goroutine in the order in which they happen.
    pub events: Vec<Event<'a>>,
    /// Capacities of channels made in the scope.
    pub capacities: HashMap<Place, i64>,
    /// Types of the elements of channels.
    elements: HashMap<Place, Type>,
    vars: HashMap<(FrameId, VarId, u32), VarId>,
    /// For each variable of the scope: frame, and variable of the frame's unit.
    var_origins: Vec<(FrameId, VarId)>,
    sites: HashMap<(FrameId, SiteId, u32), SiteId>,
    /// For each object of the scope: frame, and site of the frame's unit.
    site_origins: Vec<(FrameId, SiteId)>,
    bindings: HashMap<VarId, Value>,
    results: HashMap<(FrameId, CallId), (CallId, Vec<Value>)>,
    closures: Vec<ClosureObject>,
    atomics: HashMap<(FrameId, CallId), Place>,
    try_locks: HashMap<(FrameId, CallId), HeldLock>,
    unrolled: HashMap<(usize, NodeId), bool>,
    /// Calls whose result is a channel of a clock or context.
    clocks: HashSet<CallId>,
    /// The events that wait for others than a lock.
    waits: Vec<usize>,
    next_call: u32,
    next_node: u32,
    next_iteration: u32,
    next_opaque: u32,
    steps: usize,
    loop_depth: u32,
}

impl<'a> Scope<'a> {
    /// Plays the function of a unit.
    pub fn play(program: &'a Program, units: &'a Units, models: &'a Models, unit: usize) -> Self {
        let mut scope = Self {
            program,
            units,
            models,
            threads: Vec::new(),
            frames: Vec::new(),
            events: Vec::new(),
            capacities: HashMap::new(),
            elements: HashMap::new(),
            vars: HashMap::new(),
            var_origins: Vec::new(),
            sites: HashMap::new(),
            site_origins: Vec::new(),
            bindings: HashMap::new(),
            results: HashMap::new(),
            closures: Vec::new(),
            atomics: HashMap::new(),
            try_locks: HashMap::new(),
            unrolled: HashMap::new(),
            clocks: HashSet::new(),
            waits: Vec::new(),
            next_call: 0,
            next_node: 0,
            next_iteration: 0,
            next_opaque: 0,
            steps: 0,
            loop_depth: 0,
        };
        let frame = scope.new_frame(unit, BodyId(0), None, Span::default(), None);
        scope.threads.push(Thread { spawn: None, parent: None, origin: Origin::Root, frame });
        let mut cursor = Cursor { thread: ThreadId(0), path: Vec::new(), locks: Vec::new(), once: None };
        scope.run_body(frame, &mut cursor);
        scope
    }

    /// The program.
    pub fn program(&self) -> &'a Program {
        self.program
    }

    /// All functions.
    pub fn units(&self) -> &'a Units {
        self.units
    }

    /// The variable of a unit that a variable of the scope is: the unit's index, and its number there.
    pub fn variable(&self, var: VarId) -> (usize, VarId) {
        let (frame, own) = self.var_origins[var.0 as usize];
        (self.frame(frame).unit, own)
    }

    /// The name of the variable or field that an object was made for, as the source around it shows.
    pub fn site_name(&self, site: SiteId) -> Option<String> {
        let (frame, own) = *self.site_origins.get(site.0 as usize)?;
        let unit = &self.units.units[self.frame(frame).unit];
        unit.site(own).name.map(|name| name.to_string())
    }

    /// A call.
    pub fn frame(&self, id: FrameId) -> &Frame<'a> {
        &self.frames[id.0 as usize]
    }

    fn frame_mut(&mut self, id: FrameId) -> &mut Frame<'a> {
        &mut self.frames[id.0 as usize]
    }

    fn event(&mut self, frame: FrameId, cursor: &Cursor, kind: EventKind<'a>, span: Span) {
        // What the first goroutine accesses before it starts others happens before all that they do.
        let early = self.threads.len() == 1 && matches!(kind, EventKind::Access(_));
        let unseen = matches!(kind, EventKind::Access(_))
            && (self.frame(frame).distance >= FAR || self.events.len() >= MAX_EVENTS);
        if early || unseen || self.events.len() >= 2 * MAX_EVENTS {
            return;
        }
        // Paths and locks change seldom: most events share those of the one before.
        let last = self.events.last();
        let path = match last {
            Some(last) if *last.path == *cursor.path => Arc::clone(&last.path),
            _ => cursor.path.as_slice().into(),
        };
        let locks = match last {
            Some(last) if *last.locks == *cursor.locks => Arc::clone(&last.locks),
            _ => cursor.locks.as_slice().into(),
        };
        if matches!(&kind, EventKind::Acquire(object, _) if !matches!(object, Object::Mutex(_) | Object::Flag(_)))
            || matches!(kind, EventKind::Join(_))
        {
            self.waits.push(self.events.len());
        }
        self.events.push(Event { thread: cursor.thread, frame, path, locks, kind, span });
    }

    /// Whether two channels, known by different names, may be one as far as their types and fields say.
    pub fn may_be_one(&self, a: &Place, b: &Place) -> bool {
        let field = |place: &Place| match place.steps.last() {
            Some(Step::Field(name)) => Some(*name),
            _ => None,
        };
        let other_field = matches!((field(a), field(b)), (Some(a), Some(b)) if a != b);
        let other_type = match (self.elements.get(a), self.elements.get(b)) {
            (Some(Type::Unknown), _) | (_, Some(Type::Unknown)) => false,
            (Some(a), Some(b)) => !self.program.identical(a, b),
            _ => false,
        };
        !other_field && !other_type
    }

    /// Whether a channel is that of a timer, ticker or context: nothing that the program does ends a wait for it but time.
    pub fn is_clock(&self, channel: &Place) -> bool {
        matches!(channel.steps.last(), Some(Step::Field(name)) if name.as_str() == "C")
            || matches!(channel.root, Root::Result(call, _) if self.clocks.contains(&call))
    }

    /// Whether no more calls are followed and goroutines started. What is being played is played to its end without
    /// them: what it releases there may order what it did before.
    fn exhausted(&self) -> bool {
        self.events.len() >= MAX_EVENTS || self.steps >= MAX_STEPS
    }

    fn must_stop(&self) -> bool {
        self.events.len() >= 2 * MAX_EVENTS || self.steps >= 2 * MAX_STEPS
    }

    fn node(&mut self) -> u32 {
        self.next_node += 1;
        self.next_node
    }
}
