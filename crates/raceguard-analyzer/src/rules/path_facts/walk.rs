//! The walk through a body.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use super::{Exit, Facts, Held, Mark, Marked, Step, Trace, Walked, What, is_stable, lock_place};
use crate::analysis::models::Effect;
use crate::ir::function::{
    Block, BodyId, Branch, ChannelOp, ChannelOpKind, Jump, Loop, Node, NodeId, Select,
};
use crate::ir::place::{CallId, Place, Step as PathStep};
use crate::syntax::span::Span;

/// Loops nested deeper than this are walked without facts, which bounds the work.
const MAX_LOOPS: u32 = 4;

/// A walk under way.
pub(super) struct Walk<'a> {
    pub(super) walked: Walked<'a>,
    trace: Trace<'a>,
    recording: bool,
    nesting: u32,
    loops: u32,
    /// What holds where statements are left or continued.
    breaks: HashMap<NodeId, Facts>,
    continues: HashMap<NodeId, Facts>,
    /// Locks that were tried: taken if the call gives true.
    pub(super) tried: HashMap<CallId, Held>,
    last: Option<Arc<Facts>>,
}

/// Walks one body.
pub(super) fn trace(walked: Walked<'_>, body: BodyId) -> Trace<'_> {
    let mut walk = Walk {
        walked,
        trace: Trace { body, steps: Vec::new(), exits: Vec::new(), irregular: false },
        recording: true,
        nesting: 0,
        loops: 0,
        breaks: HashMap::new(),
        continues: HashMap::new(),
        tried: HashMap::new(),
        last: None,
    };
    let body = walked.unit.body(body);
    if let Some(end) = walk.block(&body.block, Facts::default()) {
        walk.exit(&end, Span::new(body.span.end.saturating_sub(1), body.span.end));
    }
    walk.trace
}

impl<'a> Walk<'a> {
    /// Walks a block; none: its end is not reached.
    fn block(&mut self, block: &'a Block, mut facts: Facts) -> Option<Facts> {
        for node in block {
            facts = self.node(node, facts)?;
        }
        Some(facts)
    }

    fn node(&mut self, node: &'a Node, mut facts: Facts) -> Option<Facts> {
        match node {
            Node::Access(access) => {
                self.record(What::Access(access), &facts);
                if access.write && !access.how.is_map() {
                    self.written(&access.place, &mut facts);
                }
                Some(facts)
            }
            Node::Assign(assign) => {
                self.record(What::Assign(assign), &facts);
                Some(facts)
            }
            Node::Call(call) => {
                self.record(What::Call(call), &facts);
                self.call(call, &mut facts);
                Some(facts)
            }
            Node::Channel(op) => {
                self.record(What::Channel(op), &facts);
                self.channel(op, &mut facts);
                Some(facts)
            }
            Node::Branch(branch) => self.branch(branch, &facts),
            Node::Select(select) => self.select(select, &facts),
            Node::Loop(inner) => self.a_loop(inner, facts),
            Node::Return(values, span) => {
                self.record(What::Return(values, *span), &facts);
                self.exit(&facts, *span);
                None
            }
            Node::Jump(jump) => self.jump(*jump, facts),
            Node::Stop => None,
        }
    }

    fn record(&mut self, what: What<'a>, facts: &Facts) {
        if !self.recording {
            return;
        }
        let facts = match &self.last {
            Some(last) => Arc::clone(last),
            None => Arc::new(facts.clone()),
        };
        self.last = Some(Arc::clone(&facts));
        self.trace.steps.push(Step { what, facts, nesting: self.nesting, loops: self.loops });
    }

    /// The facts are not those of the last step any more.
    pub(super) fn changed(&mut self) {
        self.last = None;
    }

    /// A place is written: what is reached through it is something else now.
    fn written(&mut self, place: &Place, facts: &mut Facts) {
        facts.forget(place);
        self.changed();
    }

    fn channel(&mut self, op: &ChannelOp, facts: &mut Facts) {
        if op.kind != ChannelOpKind::Close {
            return;
        }
        let Some(place) = op.channel.identity().filter(|place| is_stable(self.walked.unit, place)) else {
            return;
        };
        let mark = if op.deferred { Mark::ClosedAtEnd } else { Mark::Closed };
        facts.marked.push(Marked { mark, place: place.clone(), at: op.span, by_helper: false });
        self.changed();
    }

    fn exit(&mut self, facts: &Facts, span: Span) {
        if !self.recording {
            return;
        }
        let held = facts.held.iter().filter(|lock| !facts.released_at_end.contains(&lock.place)).cloned();
        self.trace.exits.push(Exit { held: held.collect(), nesting: self.nesting, span });
    }

    fn jump(&mut self, jump: Jump, facts: Facts) -> Option<Facts> {
        let Some(target) = jump.target else {
            self.trace.irregular = true;
            return None;
        };
        let left = if jump.again { &mut self.continues } else { &mut self.breaks };
        let met = match left.remove(&target) {
            Some(other) => facts.meet(&other),
            None => facts,
        };
        left.insert(target, met);
        None
    }

    fn branch(&mut self, branch: &'a Branch, facts: &Facts) -> Option<Facts> {
        self.record(What::Branch(branch), facts);
        let arms: Vec<&'a Block> = branch.arms.iter().collect();
        let tried =
            branch.condition.call.and_then(|(call, negated)| Some((self.tried.get(&call)?.clone(), negated)));
        self.arms(branch.id, &arms, facts, |_, facts, number| {
            if let Some((lock, negated)) = &tried
                && (number == 0) != *negated
            {
                facts.held.push(lock.clone());
            }
        })
    }

    fn select(&mut self, select: &'a Select, facts: &Facts) -> Option<Facts> {
        let arms: Vec<&'a Block> = select.arms.iter().map(|(_, arm)| arm).collect();
        self.arms(select.id, &arms, facts, |_, _, _| {})
    }

    fn arms(
        &mut self,
        id: NodeId,
        arms: &[&'a Block],
        facts: &Facts,
        enter: impl Fn(&mut Self, &mut Facts, usize),
    ) -> Option<Facts> {
        let mut joined = None;
        self.nesting += 1;
        for (number, arm) in arms.iter().enumerate() {
            let mut begin = facts.clone();
            enter(self, &mut begin, number);
            self.changed();
            let end = self.block(arm, begin);
            joined = meet(joined, end);
        }
        self.nesting -= 1;
        self.changed();
        meet(joined, self.breaks.remove(&id))
    }

    fn a_loop(&mut self, inner: &'a Loop, facts: Facts) -> Option<Facts> {
        if self.loops >= MAX_LOOPS {
            self.trace.irregular = true;
            return Some(Facts { released_at_end: facts.released_at_end, ..Facts::default() });
        }
        self.nesting += 1;
        self.loops += 1;
        let outer = std::mem::replace(&mut self.recording, false);
        let end = self.block(&inner.body, facts.clone());
        self.breaks.remove(&inner.id);
        let again = meet(end, self.continues.remove(&inner.id));
        let head = meet(Some(facts), again);
        self.recording = outer;
        self.changed();
        let begin = head.clone().unwrap_or_default();
        self.block(&inner.body, begin);
        self.continues.remove(&inner.id);
        self.nesting -= 1;
        self.loops -= 1;
        self.changed();
        let left = self.breaks.remove(&inner.id);
        if inner.endless { left } else { meet(head, left) }
    }

    /// The lock that a call takes or releases.
    pub(super) fn lock_of(
        &self,
        call: &crate::ir::function::Call,
        effect: Effect,
        own: bool,
    ) -> Option<Held> {
        let place = lock_place(call)?;
        if !is_stable(self.walked.unit, &place) {
            return None;
        }
        let exclusive = matches!(effect, Effect::Lock | Effect::Unlock | Effect::TryLock);
        Some(Held { place, field: call.field.clone(), exclusive, at: call.span, own })
    }
}

/// What holds after two ways meet, of which either may not be taken.
fn meet(one: Option<Facts>, other: Option<Facts>) -> Option<Facts> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.meet(&other)),
        (one, other) => one.or(other),
    }
}

/// Whether a place goes through a pointer or begins at a package-level variable: others can change it.
pub(in crate::rules) fn is_shared(place: &Place) -> bool {
    matches!(place.root, crate::ir::place::Root::Global(_))
        || place.steps.iter().any(|step| matches!(step, PathStep::Deref))
}
