//! `for`.

use super::{JumpTarget, Lower, TargetKind, var_of};
use crate::ir::function::{ChannelOp, ChannelOpKind, Condition, How, Loop, Node};
use crate::ir::place::{Index, Place, Root, Step, Value};
use crate::syntax::ast::{BinaryOp, ExprKind, ForStmt, RangeStmt, StmtId, StmtKind};
use crate::syntax::name::Name;
use crate::syntax::span::Span;
use crate::types::{Entity, Type};

impl Lower<'_> {
    pub(super) fn for_loop(&mut self, stmt: &ForStmt, label: Option<Name>, span: Span) {
        let id = self.node_id();
        let per_iteration = self.per_iteration();
        if per_iteration {
            self.loops.push(id);
        }
        if let Some(init) = stmt.init {
            self.stmt(init);
            self.note_covering(init);
        }
        if !per_iteration {
            self.loops.push(id);
        }
        self.targets.push(JumpTarget { id, label, kind: TargetKind::Loop });
        let mut condition = Condition::default();
        let never = stmt.cond.is_some_and(|cond| self.constant_condition(cond) == Some(false));
        let body = self.nested(|lower| {
            if let Some(cond) = stmt.cond {
                condition = lower.condition(cond);
            }
            if never {
                return;
            }
            lower.stmts(&stmt.body.stmts);
            if let Some(post) = stmt.post {
                // Each iteration counts a copy of its own up, which nobody else has yet.
                lower.counting = per_iteration.then_some(id);
                lower.stmt(post);
                lower.counting = None;
            }
        });
        self.targets.pop();
        self.loops.pop();
        let endless = stmt.cond.is_none();
        let at_most_once = never || self.runs_once(stmt);
        self.emit(Node::Loop(Loop { id, body, endless, condition, at_most_once, range_channel: None, span }));
    }

    /// Whether a loop counts from zero to one at most.
    fn runs_once(&self, stmt: &ForStmt) -> bool {
        let Some(cond) = stmt.cond else { return false };
        let ExprKind::Binary(BinaryOp::Less, counter, bound) = self.input.arena[cond].kind else {
            return false;
        };
        let Entity::Local(local) = self.input.info.entity(counter) else { return false };
        self.unit.var(var_of(local)).covers && self.constant(bound).is_some_and(|bound| bound <= 1)
    }

    /// Whether the variables of a loop's head are new in each iteration: since Go 1.22.
    fn per_iteration(&self) -> bool {
        let package = self.input.program.package(self.input.package);
        package.files[self.input.file as usize].language >= (1, 22)
    }

    /// `for i := 0; ...` counts through all indexes, as far as can be told.
    fn note_covering(&mut self, init: StmtId) {
        let StmtKind::Assign(assign) = &self.input.arena[init].kind else { return };
        let shared = !self.per_iteration();
        for (&lhs, &rhs) in assign.lhs.iter().zip(&assign.rhs) {
            let zero = self.literal_number(rhs) == Some(0);
            if let Some(local) = self.input.info.definition(lhs) {
                let var = &mut self.unit.vars[var_of(local).0 as usize];
                var.shared_by_iterations = shared;
                var.covers = zero;
            }
        }
    }

    pub(super) fn range_loop(&mut self, stmt: &RangeStmt, label: Option<Name>, span: Span) {
        let ty = self.underlying(self.type_of(stmt.x));
        let value = self.expr(stmt.x);
        let x_span = self.span(stmt.x);
        let id = self.node_id();
        let per_iteration = self.per_iteration() && stmt.define;
        if !per_iteration {
            self.declare_head(stmt, span);
        }
        self.loops.push(id);
        self.targets.push(JumpTarget { id, label, kind: TargetKind::Loop });
        let mut range_channel = None;
        let body = self.nested(|lower| {
            range_channel = lower.next_element(&ty, &value, stmt.value.is_some(), x_span);
            if per_iteration {
                lower.declare_head(stmt, span);
            } else if stmt.define {
                lower.next_values(stmt);
            } else {
                for lhs in stmt.key.iter().chain(&stmt.value) {
                    lower.assign_element(*lhs, false, x_span);
                }
            }
            lower.stmts(&stmt.body.stmts);
        });
        self.targets.pop();
        self.loops.pop();
        self.emit(Node::Loop(Loop {
            id,
            body,
            endless: false,
            condition: Condition::default(),
            at_most_once: false,
            range_channel,
            span,
        }));
    }

    /// Declares the variables of the head.
    fn declare_head(&mut self, stmt: &RangeStmt, span: Span) {
        if !stmt.define {
            return;
        }
        for (number, lhs) in stmt.key.iter().chain(&stmt.value).enumerate() {
            let Some(local) = self.input.info.definition(*lhs) else { continue };
            self.bind(local, Value::Unknown, None, span);
            self.unit.vars[var_of(local).0 as usize].shared_by_iterations = !self.per_iteration();
            if number == 0 && stmt.key.is_some() {
                self.unit.vars[var_of(local).0 as usize].covers = true;
            }
        }
    }

    /// The next iteration writes variables that all iterations share.
    fn next_values(&mut self, stmt: &RangeStmt) {
        for &lhs in stmt.key.iter().chain(&stmt.value) {
            if let Some(local) = self.input.info.definition(lhs) {
                let span = self.span(lhs);
                self.access(&Place::new(Root::Var(var_of(local))), true, How::Plain, span);
            }
        }
    }

    /// What fetching the next element does; gives the channel that is ranged over.
    fn next_element(&mut self, ty: &Type, value: &Value, elements: bool, span: Span) -> Option<Value> {
        match ty {
            Type::Map(_) => {
                let contents = self.referent(value, Step::Map);
                self.access(&contents, false, How::MapIterate, span);
            }
            Type::Slice(_) if elements => {
                let all = self.referent(value, Step::Element(Index::All));
                self.access(&all, false, How::Plain, span);
            }
            Type::Chan(_, element) => {
                let op = ChannelOp {
                    kind: ChannelOpKind::Range,
                    channel: value.clone(),
                    element: Type::clone(element),
                    value: None,
                    deferred: false,
                    span,
                };
                self.emit(Node::Channel(op));
                return Some(value.clone());
            }
            _ => {}
        }
        None
    }
}
