//! What may run while a lock is held.

use foldhash::{HashSet, HashSetExt as _};

use super::function_tree::FunctionTree;
use crate::analysis::models::Effect;
use crate::ir::function::{
    Call, CallMode, ChannelOpKind, FieldKey, Node, Target, for_each_call, for_each_node,
};
use crate::ir::place::{Root, Value};
use crate::syntax::ast::StmtKind;
use crate::syntax::span::Span;
use crate::types::{FuncId, ObjectId};

/// A lock, whatever the instance.
#[derive(Debug, Clone)]
pub(super) enum LockIdentity {
    /// A field of a type.
    Field(FieldKey),
    /// A package-level variable, or in one.
    Global(ObjectId),
}

impl LockIdentity {
    /// The lock of a call of one of its methods.
    pub(super) fn of(call: &Call) -> Option<Self> {
        if let Some(field) = &call.field {
            return Some(Self::Field(field.clone()));
        }
        match call.receiver.as_ref().and_then(Value::identity)?.root {
            Root::Global(object) => Some(Self::Global(object)),
            _ => None,
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Field(a), Self::Field(b)) => a.owner == b.owner && a.fields == b.fields,
            (Self::Global(a), Self::Global(b)) => a == b,
            _ => false,
        }
    }
}

/// The lock of a call that stands in a function.
pub(super) fn identity_of(tree: &FunctionTree<'_>, call: Span) -> Option<LockIdentity> {
    let mut identity = None;
    for body in &tree.unit.bodies {
        for_each_call(&body.block, &mut |known| {
            if known.span == call {
                identity = LockIdentity::of(known);
            }
        });
    }
    identity
}

/// Packages whose functions neither block nor call back anything that may take a lock, as far as one can tell.
const PURE: &[&str] = &[
    "bytes",
    "cmp",
    "encoding/base64",
    "encoding/binary",
    "encoding/hex",
    "errors",
    "fmt",
    "hash/fnv",
    "maps",
    "math",
    "math/bits",
    "math/rand",
    "math/rand/v2",
    "path",
    "path/filepath",
    "reflect",
    "regexp",
    "slices",
    "sort",
    "strconv",
    "strings",
    "sync/atomic",
    "time",
    "unicode",
    "unicode/utf8",
    "unsafe",
];

/// Functions of these packages that do block, or write somewhere.
const NOT_PURE: &[&str] = &[
    "Sleep",
    "Print",
    "Println",
    "Printf",
    "Fprint",
    "Fprintln",
    "Fprintf",
    "Scan",
    "Scanln",
    "Scanf",
    "Fscan",
    "Fscanln",
    "Fscanf",
    "Glob",
    "Walk",
    "WalkDir",
    "EvalSymlinks",
    "Call",
    "Recv",
    "Send",
    "Select",
];

/// So many calls deep is looked for what a call does.
const MAX_DEPTH: usize = 4;

/// How little may be done under the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    /// Nothing that could block or take a lock, however unlikely.
    Strict,
    /// Nothing that is known to block.
    Lenient,
}

/// Whether a stretch of a function may run under a lock that it did not hold.
pub(super) fn may_run(tree: &FunctionTree<'_>, stretch: Span, strictness: Strictness) -> bool {
    let search = Search { tree, wanted: None, strictness };
    search.stretch_is_fine(stretch)
}

/// Whether a stretch of a function takes a lock, itself or through what it calls, or calls what releases it.
pub(super) fn takes(tree: &FunctionTree<'_>, stretch: Span, lock: &LockIdentity) -> bool {
    let search = Search { tree, wanted: Some(lock), strictness: Strictness::Lenient };
    !search.stretch_is_fine(stretch)
}

struct Search<'s, 'a> {
    tree: &'s FunctionTree<'a>,
    /// If there is one, only calls that take this lock are not fine.
    wanted: Option<&'s LockIdentity>,
    strictness: Strictness,
}

impl Search<'_, '_> {
    fn stretch_is_fine(&self, stretch: Span) -> bool {
        // What another goroutine does is not done under the lock.
        let elsewhere: Vec<Span> = self
            .tree
            .stmts_in(stretch)
            .filter(|(_, stmt)| matches!(stmt.kind, StmtKind::Go(_)))
            .map(|(_, stmt)| stmt.span)
            .collect();
        let inside = |span: Span| {
            stretch.start <= span.start
                && span.end <= stretch.end
                && !elsewhere.iter().any(|other| other.contains(span.start))
        };
        let mut seen = HashSet::new();
        let mut fine = true;
        for body in &self.tree.unit.bodies {
            for_each_node(&body.block, &mut |node| {
                fine &= !span_of(node).is_some_and(inside) || self.node_is_fine(node, &mut seen, 0);
            });
        }
        fine
    }

    fn node_is_fine(&self, node: &Node, seen: &mut HashSet<FuncId>, depth: usize) -> bool {
        if let Node::Call(call) = node {
            return call.mode == CallMode::Go || self.call_is_fine(call, seen, depth);
        }
        if self.wanted.is_some() {
            return true;
        }
        match node {
            Node::Channel(op) => op.kind == ChannelOpKind::Close,
            Node::Select(select) => select.arms.iter().any(|(operation, _)| operation.is_none()),
            Node::Loop(inner) => !inner.endless && inner.range_channel.is_none(),
            _ => true,
        }
    }

    fn call_is_fine(&self, call: &Call, seen: &mut HashSet<FuncId>, depth: usize) -> bool {
        let effect = self.tree.context.models.effect(&call.target);
        if let Some(wanted) = self.wanted {
            let counts = match effect {
                Some(Effect::Lock | Effect::ReadLock | Effect::TryLock | Effect::TryReadLock) => true,
                Some(Effect::Unlock | Effect::ReadUnlock) => depth > 0,
                _ => false,
            };
            if counts {
                return !LockIdentity::of(call).is_some_and(|lock| lock.is(wanted));
            }
        } else if effect.is_some_and(|effect| self.is_forbidden(effect)) {
            return false;
        }
        let lenient = self.strictness == Strictness::Lenient;
        match &call.target {
            Target::Function(func) | Target::Value(Value::Function(func) | Value::Method(func, _)) => {
                self.function_is_fine(*func, seen, depth)
            }
            // Literals that stand in the stretch are looked at with it.
            Target::Value(Value::Closure(_)) => true,
            Target::Interface(_, name, _) => lenient || matches!(name.as_str(), "Error" | "Err"),
            Target::Value(_) | Target::Missing(..) | Target::Unknown => lenient,
        }
    }

    fn is_forbidden(&self, effect: Effect) -> bool {
        let may_block = matches!(
            effect,
            Effect::Lock
                | Effect::ReadLock
                | Effect::TryLock
                | Effect::TryReadLock
                | Effect::Unlock
                | Effect::ReadUnlock
                | Effect::OnceDo
                | Effect::HandlerObject(_)
        );
        let blocks = matches!(
            effect,
            Effect::GroupWait
                | Effect::CondWait
                | Effect::BubbleWait
                | Effect::Subtest(_)
                | Effect::Parallel
                | Effect::RunParallel(_)
        );
        blocks || may_block && self.strictness == Strictness::Strict
    }

    fn function_is_fine(&self, func: FuncId, seen: &mut HashSet<FuncId>, depth: usize) -> bool {
        let context = &self.tree.context;
        let Some(index) = context.units.get(func) else {
            let object = context.program.function(func);
            let path = context.program.package(object.package).path.as_str();
            let name = context.program.object(object).name.as_str();
            return self.strictness == Strictness::Lenient && name != "Sleep"
                || PURE.contains(&path) && !NOT_PURE.contains(&name)
                || path == "sync" && context.models.of(func).is_some();
        };
        if !seen.insert(func) {
            return true;
        }
        if depth >= MAX_DEPTH {
            return self.strictness == Strictness::Lenient;
        }
        let mut fine = true;
        for body in &context.units.units[index].bodies {
            for_each_node(&body.block, &mut |node| {
                fine = fine && self.node_is_fine(node, seen, depth + 1);
            });
        }
        fine
    }
}

fn span_of(node: &Node) -> Option<Span> {
    match node {
        Node::Access(access) => Some(access.span),
        Node::Assign(assign) => Some(assign.span),
        Node::Call(call) => Some(call.span),
        Node::Channel(op) => Some(op.span),
        Node::Branch(branch) => Some(branch.span),
        Node::Select(select) => Some(select.span),
        Node::Loop(inner) => Some(inner.span),
        Node::Return(_, span) => Some(*span),
        Node::Jump(_) | Node::Stop => None,
    }
}
