//! Who runs a function: entries, goroutines, handlers; and which locks all its callers hold.

use std::collections::VecDeque;

use foldhash::{HashMap, HashMapExt as _, HashSet};

use super::facts::{CallTarget, Facts, NodeRef, Start, unit_of};
use super::handlers::serves;
use super::key::{Held, LockKey, MemoryKey};
use crate::analysis::convention::says_locked;
use crate::ir::function::{BodyId, Var};
use crate::rules::ProgramContext;
use crate::source::Header;
use crate::syntax::span::Span;
use crate::types::{LocalKind, ObjectId, ObjectKind, PackageId, Type};

/// Where the goroutine comes from that runs a function.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    /// What it is.
    pub(super) kind: OriginKind,
    /// The function that it begins with.
    pub(super) begins: NodeRef,
    /// The function that starts it, and the statement.
    pub(super) started: Option<(NodeRef, Span)>,
}

/// Kinds of origins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum OriginKind {
    /// Whoever calls the function from outside the analysed packages; true if it is exported.
    Entry(bool),
    /// A goroutine; true if one statement starts many.
    Goroutine(bool),
    /// A handler: many at a time.
    Handler,
    /// A function that was stored, or given to code that is not known: it may run at any time.
    Callback,
}

/// Index of an origin.
pub(super) type OriginId = u32;

/// At most this many origins of one function are kept.
const MAX_ORIGINS: usize = 12;
/// Callers' locks are intersected so often: longer chains of calls are cut.
const MAX_ROUNDS: usize = 40;
/// At most this many functions are reached from one origin.
const MAX_REACHED: usize = 3000;

/// Origins and callers' locks of all nodes.
#[derive(Debug)]
pub(super) struct Contexts {
    /// All origins.
    pub(super) origins: Vec<Origin>,
    of: HashMap<NodeRef, Vec<OriginId>>,
    held: HashMap<NodeRef, Vec<Held>>,
    callers: HashMap<NodeRef, Vec<Caller>>,
    /// Nodes that demand the lock of their callers, by name or comment.
    demanding: HashSet<NodeRef>,
    /// For each lock, the number of nodes that take it, and of those that take it exclusively.
    takers: HashMap<MemoryKey, (usize, usize)>,
    /// For each struct type, the nodes that make objects of it.
    makers: HashMap<ObjectId, Vec<NodeRef>>,
    /// Files that say that they are generated.
    generated: HashSet<(PackageId, u32)>,
}

/// A call of a node.
#[derive(Debug)]
pub(super) struct Caller {
    /// Who calls.
    pub(super) node: NodeRef,
    /// How.
    pub(super) start: Start,
    /// With which locks.
    pub(super) locks: Vec<Held>,
    /// Which locks the caller took and released before.
    pub(super) dropped: Vec<Held>,
    /// Whether by a `sync.Once`.
    pub(super) once: bool,
    /// Whether it is a method of an object that is not shared yet.
    pub(super) owned: bool,
    /// Whether it is dispatched by an interface.
    pub(super) dispatched: bool,
    /// Where.
    pub(super) span: Span,
}

impl Contexts {
    /// Finds the origins and spreads them along calls.
    pub(super) fn new(context: &ProgramContext<'_>, facts: &Facts) -> Self {
        let callers = callers(context, facts);
        let mut contexts = Self {
            origins: Vec::new(),
            of: HashMap::new(),
            held: HashMap::new(),
            callers: HashMap::new(),
            demanding: demanding(context, facts),
            takers: takers(facts),
            makers: makers(context, facts),
            generated: generated(context),
        };
        contexts.find_origins(context, facts, &callers);
        // Goroutines and handlers first: they say more than entries, and the number kept of each function is bounded.
        contexts.origins.sort_by_key(|origin| match origin.kind {
            OriginKind::Goroutine(_) | OriginKind::Handler => 0,
            OriginKind::Callback => 1,
            OriginKind::Entry(exported) => 3 - u8::from(exported),
        });
        for id in 0..contexts.origins.len() {
            contexts.spread(context, facts, id);
        }
        contexts.find_held(&callers);
        contexts.callers = callers;
        contexts
    }

    /// The calls of a node.
    pub(super) fn callers(&self, node: NodeRef) -> &[Caller] {
        self.callers.get(&node).map_or(&[], Vec::as_slice)
    }

    /// Whether the node says, by its name or comment, that its caller holds the lock.
    pub(super) fn demands_lock(&self, node: NodeRef) -> bool {
        self.demanding.contains(&node)
    }

    /// The number of functions that take a lock.
    pub(super) fn takers(&self, lock: &MemoryKey) -> usize {
        self.takers.get(lock).map_or(0, |(all, _)| *all)
    }

    /// Whether some function takes the lock so that it excludes readers too.
    pub(super) fn is_taken_exclusively(&self, lock: &MemoryKey) -> bool {
        self.takers.get(lock).is_some_and(|(_, exclusively)| *exclusively > 0)
    }

    /// Whether objects of a type are made only where no handler and no group of goroutines gets to: those share them.
    pub(super) fn is_made_once(&self, ty: ObjectId) -> bool {
        let serves = |node: &NodeRef| {
            self.of(*node).iter().any(|&origin| {
                matches!(self.origin(origin).kind, OriginKind::Handler | OriginKind::Goroutine(true))
            })
        };
        self.makers.get(&ty).is_some_and(|makers| !makers.is_empty() && !makers.iter().any(serves))
    }

    /// Whether a node stands in a generated file: that knows nothing of the program's locks.
    pub(super) fn is_generated(&self, context: &ProgramContext<'_>, node: NodeRef) -> bool {
        let unit = unit_of(context, node);
        self.generated.contains(&(unit.package, unit.file))
    }

    /// Whether someone outside the analysed packages may call the node.
    pub(super) fn is_entered(&self, node: NodeRef) -> bool {
        self.of(node).iter().any(|&origin| {
            let origin = self.origin(origin);
            origin.begins == node
        })
    }

    /// The origins of a node.
    pub(super) fn of(&self, node: NodeRef) -> &[OriginId] {
        self.of.get(&node).map_or(&[], Vec::as_slice)
    }

    /// An origin.
    pub(super) fn origin(&self, id: OriginId) -> &Origin {
        &self.origins[id as usize]
    }

    /// Locks that are held whenever the node is called.
    pub(super) fn held(&self, node: NodeRef) -> &[Held] {
        self.held.get(&node).map_or(&[], Vec::as_slice)
    }

    fn find_origins(
        &mut self,
        context: &ProgramContext<'_>,
        facts: &Facts,
        callers: &HashMap<NodeRef, Vec<Caller>>,
    ) {
        for (node, known) in facts.nodes() {
            if node.node == 0 && is_entry(context, node, callers) {
                let exported = is_exported(context, node);
                self.origins.push(Origin { kind: OriginKind::Entry(exported), begins: node, started: None });
            }
            for call in &known.calls {
                let kind = match call.start {
                    Start::Now => continue,
                    Start::Goroutine(many) => OriginKind::Goroutine(many),
                    Start::Handler => OriginKind::Handler,
                    Start::Later => OriginKind::Callback,
                };
                if let Some(begins) = callee(context, node, call.target) {
                    self.origins.push(Origin { kind, begins, started: Some((node, call.span)) });
                }
            }
            if serves(context, unit_of(context, node), known.body) {
                self.origins.push(Origin { kind: OriginKind::Handler, begins: node, started: None });
            }
        }
    }

    /// Marks all that an origin's goroutine reaches.
    fn spread(&mut self, context: &ProgramContext<'_>, facts: &Facts, id: usize) {
        let Ok(number) = OriginId::try_from(id) else { return };
        let mut queue = VecDeque::from([self.origins[id].begins]);
        let mut reached = 0;
        while let Some(node) = queue.pop_front() {
            let known = self.of.entry(node).or_default();
            if known.len() >= MAX_ORIGINS || known.contains(&number) || reached >= MAX_REACHED {
                continue;
            }
            known.push(number);
            reached += 1;
            for call in &facts.node(node).calls {
                if call.start == Start::Now
                    && !call.fresh
                    && let Some(next) = callee(context, node, call.target)
                {
                    queue.push_back(next);
                }
            }
        }
    }

    /// Intersects what callers hold, until nothing changes.
    fn find_held(&mut self, callers: &HashMap<NodeRef, Vec<Caller>>) {
        let by_name: Vec<(NodeRef, Vec<Held>)> = self
            .demanding
            .iter()
            .map(|&node| (node, vec![Held { key: LockKey::Unknown, exclusive: true }]))
            .collect();
        let mut held = held_by_callers(callers);
        // A stored function literal is called by whoever it was made for; a method that is stored serves anybody.
        for (node, calls) in callers.iter().filter(|(node, _)| node.node != 0) {
            if calls.iter().all(|caller| caller.start == Start::Later) {
                held.insert(*node, vec![Held { key: LockKey::Unknown, exclusive: true }]);
            }
        }
        held.extend(by_name);
        self.held = held;
    }
}

/// What all callers of each node hold, as far as they call it now: the greatest solution. A node that is not in the map
/// yet is as good as one that holds everything; at the end those that only call each other hold what they take.
fn held_by_callers(callers: &HashMap<NodeRef, Vec<Caller>>) -> HashMap<NodeRef, Vec<Held>> {
    // Whoever calls a stored function holds what it may, and an object that is not shared needs no lock: that says
    // nothing of others.
    let counts = |caller: &&Caller| caller.start != Start::Later && !caller.owned;
    let mut held: HashMap<NodeRef, Vec<Held>> = HashMap::new();
    for (node, calls) in callers {
        if !calls.iter().any(|caller| counts(&caller)) {
            held.insert(*node, Vec::new());
        }
    }
    for unknown_counts in [false, true] {
        for _ in 0..MAX_ROUNDS {
            let mut changed = false;
            for (node, calls) in callers {
                let mut common: Option<Vec<Held>> = None;
                for caller in calls.iter().filter(counts) {
                    let theirs = match (caller.start, held.get(&caller.node)) {
                        (Start::Now, Some(outer)) => caller.locks.iter().chain(outer).cloned().collect(),
                        (Start::Now, None) if !unknown_counts && callers.contains_key(&caller.node) => {
                            continue;
                        }
                        (Start::Now, None) => caller.locks.clone(),
                        _ => Vec::new(),
                    };
                    common = Some(match common {
                        None => theirs,
                        Some(known) => known.into_iter().filter(|lock| theirs.contains(lock)).collect(),
                    });
                }
                if let Some(common) = common
                    && held.get(node) != Some(&common)
                {
                    held.insert(*node, common);
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
    }
    held
}

/// Whether one of the first lines is the marker of generated files, though it stands behind the package clause.
fn marked(source: &[u8]) -> bool {
    source.split(|&byte| byte == b'\n').take(12).any(|line| line.starts_with(b"// Code generated "))
}

/// The node that a call calls.
fn callee(context: &ProgramContext<'_>, from: NodeRef, target: CallTarget) -> Option<NodeRef> {
    match target {
        CallTarget::Function(func) => {
            let unit = context.units.get(func)?;
            (!context.units.units[unit].test).then_some(NodeRef { unit, node: 0 })
        }
        CallTarget::Literal(node) => Some(NodeRef { unit: from.unit, node }),
    }
}

fn callers(context: &ProgramContext<'_>, facts: &Facts) -> HashMap<NodeRef, Vec<Caller>> {
    let mut callers: HashMap<NodeRef, Vec<Caller>> = HashMap::new();
    for (node, known) in facts.nodes() {
        for call in known.calls.iter().filter(|call| !call.fresh) {
            if let Some(target) = callee(context, node, call.target) {
                let caller = Caller {
                    node,
                    start: call.start,
                    locks: call.locks.clone(),
                    dropped: call.dropped.clone(),
                    once: call.once,
                    owned: call.owned,
                    dispatched: call.dispatched,
                    span: call.span,
                };
                callers.entry(target).or_default().push(caller);
            }
        }
    }
    callers
}

/// Whether a function is called from outside, or by nobody that is seen.
fn is_entry(context: &ProgramContext<'_>, node: NodeRef, callers: &HashMap<NodeRef, Vec<Caller>>) -> bool {
    let unit = unit_of(context, node);
    let Some(func) = unit.func else { return false };
    let object = context.program.object(context.program.function(func));
    if object.name.as_str() == "init" {
        return false;
    }
    // A method of a type that other packages can't name is called by whoever is seen, or through an interface.
    let hidden = match object.kind {
        ObjectKind::Method { receiver: Some(receiver), .. } => {
            !context.program.object(receiver).name.is_exported()
        }
        _ => false,
    };
    let Some(callers) = callers.get(&node) else { return true };
    object.name.is_exported() && (!hidden || callers.iter().any(|caller| caller.dispatched))
}

fn demanding(context: &ProgramContext<'_>, facts: &Facts) -> HashSet<NodeRef> {
    let first = facts.nodes().map(|(node, _)| node).filter(|node| node.node == 0);
    first.filter(|node| says_locked(context.program, unit_of(context, *node).func)).collect()
}

fn makers(context: &ProgramContext<'_>, facts: &Facts) -> HashMap<ObjectId, Vec<NodeRef>> {
    let mut makers: HashMap<ObjectId, Vec<NodeRef>> = HashMap::new();
    for (node, known) in facts.nodes() {
        let unit = unit_of(context, node);
        let here = |body: BodyId| node.node == 0 || body == known.body;
        let sites = unit.sites.iter().filter(|site| here(site.body)).map(|site| &site.ty);
        let parameter = |var: &&Var| matches!(var.kind, LocalKind::Param | LocalKind::Receiver);
        let vars = unit.vars.iter().filter(|var| here(var.body) && !parameter(var)).map(|var| &var.ty);
        for ty in sites.chain(vars).filter_map(Type::named) {
            makers.entry(ty).or_default().push(node);
        }
    }
    makers
}

fn takers(facts: &Facts) -> HashMap<MemoryKey, (usize, usize)> {
    let mut takers: HashMap<MemoryKey, (usize, usize)> = HashMap::new();
    for (_, known) in facts.nodes() {
        let mut seen: Vec<(&MemoryKey, bool)> = Vec::new();
        for held in &known.takes {
            let LockKey::Known(lock) = &held.key else { continue };
            let counts = takers.entry(lock.clone()).or_default();
            counts.0 += usize::from(!seen.iter().any(|(known, _)| *known == lock));
            counts.1 += usize::from(held.exclusive && !seen.contains(&(lock, true)));
            seen.push((lock, held.exclusive));
        }
    }
    takers
}

fn generated(context: &ProgramContext<'_>) -> HashSet<(PackageId, u32)> {
    let mut places: Vec<(PackageId, u32)> =
        context.units.units.iter().map(|unit| (unit.package, unit.file)).collect();
    places.sort_unstable();
    places.dedup();
    let says = |place: &(PackageId, u32)| {
        let file = &context.program.package(place.0).files[place.1 as usize];
        Header::scan(&file.source).generated || marked(&file.source)
    };
    places.into_iter().filter(says).collect()
}

fn is_exported(context: &ProgramContext<'_>, node: NodeRef) -> bool {
    let func = unit_of(context, node).func;
    func.is_some_and(|func| context.program.object(context.program.function(func)).name.is_exported())
}
