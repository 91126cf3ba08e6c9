//! Statements.

use super::{JumpTarget, Lower, TargetKind, var_of};
use crate::ir::function::{
    Block, Branch, CallMode, ChannelOp, ChannelOpKind, Condition, How, Jump, Node, NodeId, Select,
    for_each_node,
};
use crate::ir::place::{CallId, Place, Root, Value};
use crate::syntax::ast::{
    self, BranchKind, CaseClause, Decl, ExprId, ExprKind, IfStmt, StmtId, StmtKind, SwitchStmt,
    TypeSwitchStmt, UnaryOp,
};
use crate::syntax::name::Name;
use crate::syntax::span::Span;
use crate::types::{Entity, Type};

impl Lower<'_> {
    pub(super) fn block(&mut self, block: &ast::Block) -> Block {
        self.nested(|lower| lower.stmts(&block.stmts))
    }

    pub(super) fn stmts(&mut self, stmts: &[StmtId]) {
        for &stmt in stmts {
            self.stmt(stmt);
        }
    }

    pub(super) fn stmt(&mut self, id: StmtId) {
        let arena = self.input.arena;
        let span = arena[id].span;
        let label = self.label.take();
        match &arena[id].kind {
            StmtKind::Bad | StmtKind::Empty => {}
            StmtKind::Decl(decl) => {
                if let Decl::Var(specs) = &**decl {
                    self.declare_vars(specs);
                }
            }
            StmtKind::Labeled(name, inner) => {
                self.label = Some(name.name);
                self.stmt(*inner);
                self.label = None;
            }
            StmtKind::Expr(expr) => {
                self.expr(*expr);
            }
            StmtKind::Send(channel, value) => {
                let op = self.send(*channel, *value, span);
                self.emit(Node::Channel(op));
            }
            StmtKind::IncDec(operand, _) => self.inc_dec(*operand, span),
            StmtKind::Assign(assign) => self.assign(assign, span),
            StmtKind::Go(call) => {
                self.call(*call, CallMode::Go);
            }
            StmtKind::Defer(call) => {
                self.call(*call, CallMode::Defer);
            }
            StmtKind::Return(values) => self.return_values(values, span),
            StmtKind::Branch(kind, label) => self.jump(*kind, label.map(|label| label.name)),
            StmtKind::Block(block) => self.plain_block(block, label, span),
            StmtKind::If(stmt) => self.if_stmt(stmt, span),
            StmtKind::Switch(stmt) => self.switch(stmt, label, span),
            StmtKind::TypeSwitch(stmt) => self.type_switch(id, stmt, label, span),
            StmtKind::Select(clauses) => self.select(clauses, label, span),
            StmtKind::For(stmt) => self.for_loop(stmt, label, span),
            StmtKind::Range(stmt) => self.range_loop(stmt, label, span),
        }
    }

    /// A block; one with a label may be left by `break`, and is then a branch with one arm.
    fn plain_block(&mut self, block: &ast::Block, label: Option<Name>, span: Span) {
        if label.is_none() {
            self.stmts(&block.stmts);
            return;
        }
        let id = self.node_id();
        self.targets.push(JumpTarget { id, label, kind: TargetKind::Block });
        let arm = self.block(block);
        self.targets.pop();
        self.emit(Node::Branch(Branch { id, arms: vec![arm], condition: Condition::default(), span }));
    }

    fn send(&mut self, channel: ExprId, value: ExprId, span: Span) -> ChannelOp {
        let element = self.element_of(channel);
        let channel = self.expr(channel);
        let value = self.expr(value);
        ChannelOp { kind: ChannelOpKind::Send, channel, element, value: Some(value), deferred: false, span }
    }

    /// The type of a channel's elements.
    pub(super) fn element_of(&self, channel: ExprId) -> Type {
        match self.underlying(self.type_of(channel)) {
            Type::Chan(_, element) => Type::clone(&element),
            _ => Type::Unknown,
        }
    }

    fn return_values(&mut self, values: &[ExprId], span: Span) {
        let given: Vec<Value> = values.iter().map(|&value| self.expr(value)).collect();
        let results = self.unit.body(self.body).results.clone();
        for (number, var) in results.into_iter().enumerate() {
            let place = Place::new(Root::Var(var));
            // `return x` of the named result `x` stores nothing.
            let itself = given.get(number).is_some_and(|value| value.identity() == Some(&place));
            if !itself {
                self.access(&place, !values.is_empty(), How::Plain, span);
            }
        }
        self.emit(Node::Return(given, span));
    }

    fn jump(&mut self, kind: BranchKind, label: Option<Name>) {
        let again = match kind {
            BranchKind::Break => false,
            BranchKind::Continue => true,
            BranchKind::Goto => return self.emit(Node::Jump(Jump { target: None, again: false })),
            BranchKind::Fallthrough => return,
        };
        let target = self.targets.iter().rev().find(|target| match label {
            Some(label) => target.label == Some(label),
            None => target.kind == TargetKind::Loop || !again && target.kind == TargetKind::Switch,
        });
        let target = target.map(|target| target.id);
        self.emit(Node::Jump(Jump { target, again }));
    }

    /// Evaluates a condition.
    pub(super) fn condition(&mut self, cond: ExprId) -> Condition {
        let first = self.unit.calls;
        let start = self.blocks.last().map_or(0, Vec::len);
        self.expr(cond);
        let calls: Vec<CallId> = (first..self.unit.calls).map(CallId).collect();
        let mut reads = Vec::new();
        for_each_node(self.blocks.last().map_or(&[][..], |block| &block[start..]), &mut |node| {
            if let Node::Access(access) = node
                && !access.write
                && !reads.contains(&access.place)
            {
                reads.push(access.place.clone());
            }
        });
        Condition { call: self.sole_call(cond, &calls), calls, reads }
    }

    /// The call that a condition is, and whether it is negated.
    fn sole_call(&self, cond: ExprId, calls: &[CallId]) -> Option<(CallId, bool)> {
        let mut negated = false;
        let mut inner = cond;
        loop {
            match self.input.arena[inner].kind {
                ExprKind::Paren(next) => inner = next,
                ExprKind::Unary(UnaryOp::Not, next) => {
                    negated = !negated;
                    inner = next;
                }
                ExprKind::Call(_) => break,
                // `ok := mu.TryLock(); if ok { ... }`
                ExprKind::Name(_) => return self.tested_call(inner).map(|call| (call, negated)),
                _ => return None,
            }
        }
        calls.last().map(|&call| (call, negated))
    }

    /// The call that gave the variable its only value.
    fn tested_call(&self, name: ExprId) -> Option<CallId> {
        match self.input.info.entity(name) {
            Entity::Local(local) => self.tested.get(&var_of(local)).copied(),
            _ => None,
        }
    }

    fn if_stmt(&mut self, stmt: &IfStmt, span: Span) {
        if let Some(init) = stmt.init {
            self.stmt(init);
        }
        let condition = self.condition(stmt.cond);
        match self.constant_condition(stmt.cond) {
            Some(true) => return self.stmts(&stmt.then.stmts),
            Some(false) => return stmt.otherwise.map_or((), |otherwise| self.stmt(otherwise)),
            None => {}
        }
        let id = self.node_id();
        let then = self.block(&stmt.then);
        let otherwise = self.nested(|lower| {
            if let Some(otherwise) = stmt.otherwise {
                lower.stmt(otherwise);
            }
        });
        self.emit(Node::Branch(Branch { id, arms: vec![then, otherwise], condition, span }));
    }

    fn switch(&mut self, stmt: &SwitchStmt, label: Option<Name>, span: Span) {
        if let Some(init) = stmt.init {
            self.stmt(init);
        }
        let first = self.unit.calls;
        if let Some(tag) = stmt.tag {
            self.expr(tag);
        }
        for value in stmt.cases.iter().filter_map(|case| case.values.as_ref()).flatten() {
            self.expr(*value);
        }
        let calls = (first..self.unit.calls).map(CallId).collect();
        let id = self.node_id();
        let arms = self.arms(id, label, &stmt.cases, |_, _| {});
        let condition = Condition { calls, ..Condition::default() };
        self.emit(Node::Branch(Branch { id, arms, condition, span }));
    }

    fn arms(
        &mut self,
        id: NodeId,
        label: Option<Name>,
        cases: &[CaseClause],
        begin: impl Fn(&mut Self, usize),
    ) -> Vec<Block> {
        self.targets.push(JumpTarget { id, label, kind: TargetKind::Switch });
        let mut arms = Vec::with_capacity(cases.len() + 1);
        for (number, case) in cases.iter().enumerate() {
            arms.push(self.nested(|lower| {
                begin(lower, number);
                lower.stmts(&case.body.stmts);
            }));
        }
        if cases.iter().all(|case| case.values.is_some()) {
            arms.push(Vec::new());
        }
        self.targets.pop();
        arms
    }

    fn type_switch(&mut self, switch: StmtId, stmt: &TypeSwitchStmt, label: Option<Name>, span: Span) {
        if let Some(init) = stmt.init {
            self.stmt(init);
        }
        let value = self.expr(stmt.x);
        let id = self.node_id();
        let info = self.input.info;
        let arms = self.arms(id, label, &stmt.cases, |lower, number| {
            if let Some(local) = info.clause_local(switch, number) {
                lower.bind(local, value.clone(), None, span);
            }
        });
        self.emit(Node::Branch(Branch { id, arms, condition: Condition::default(), span }));
    }

    fn select(&mut self, clauses: &[ast::CommClause], label: Option<Name>, span: Span) {
        let id = self.node_id();
        self.targets.push(JumpTarget { id, label, kind: TargetKind::Switch });
        let mut arms = Vec::with_capacity(clauses.len());
        for clause in clauses {
            let mut operation = clause.comm.and_then(|comm| self.offered(comm));
            let block = self.nested(|lower| {
                if let (Some(comm), None) = (clause.comm, &operation) {
                    operation = lower.communication(comm);
                }
                lower.stmts(&clause.body.stmts);
            });
            arms.push((operation, block));
        }
        self.targets.pop();
        self.emit(Node::Select(Select { id, arms, span }));
    }

    /// The send of a `select` case: what is sent is evaluated before any case is chosen.
    fn offered(&mut self, comm: StmtId) -> Option<ChannelOp> {
        match self.input.arena[comm].kind {
            StmtKind::Send(channel, value) => Some(self.send(channel, value, self.input.arena[comm].span)),
            _ => None,
        }
    }

    /// The receive of a `select` case, taken out of the statement; what it assigns stays in the arm.
    fn communication(&mut self, comm: StmtId) -> Option<ChannelOp> {
        self.stmt(comm);
        let block = self.blocks.last_mut()?;
        let position = block.iter().position(
            |node| matches!(node, Node::Channel(op) if op.kind == ChannelOpKind::Receive && !op.deferred),
        )?;
        match block.remove(position) {
            Node::Channel(op) => Some(op),
            _ => None,
        }
    }
}
