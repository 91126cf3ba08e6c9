//! Statements, and the scopes that they open.

use super::Resolver;
use crate::syntax::ast::{
    Block, CaseClause, CommClause, ExprId, ForStmt, IfStmt, StmtId, StmtKind, SwitchStmt, TypeSwitchStmt,
};
use crate::types::body::{LocalKind, Mode};
use crate::types::ty::Type;

impl Resolver<'_> {
    pub(super) fn statements(&mut self, stmts: &[StmtId]) {
        for stmt in stmts {
            self.statement(*stmt);
        }
    }

    pub(super) fn block(&mut self, block: &Block) {
        self.scoped(|inner| inner.statements(&block.stmts));
    }

    fn statement(&mut self, stmt: StmtId) {
        if self.depth >= super::MAX_DEPTH {
            return;
        }
        self.depth += 1;
        self.by_statement_kind(stmt, LocalKind::Var);
        self.depth -= 1;
    }

    fn by_statement_kind(&mut self, stmt: StmtId, kind: LocalKind) {
        let arena = self.arena;
        match &arena[stmt].kind {
            StmtKind::Bad | StmtKind::Empty | StmtKind::Branch(..) => {}
            StmtKind::Decl(decl) => self.declaration(decl),
            StmtKind::Labeled(label, inner) => {
                self.info.labels.insert((self.owner, label.name), stmt);
                self.statement(*inner);
            }
            StmtKind::Expr(expr) | StmtKind::Go(expr) | StmtKind::Defer(expr) | StmtKind::IncDec(expr, _) => {
                self.expr(*expr);
            }
            StmtKind::Send(channel, value) => self.send(*channel, *value),
            StmtKind::Assign(assign) => self.assignment(assign, kind),
            StmtKind::Return(values) => self.return_values(values),
            StmtKind::Block(block) => self.block(block),
            StmtKind::If(branch) => self.scoped(|inner| inner.branch(branch)),
            StmtKind::Switch(switch) => self.scoped(|inner| inner.switch(switch)),
            StmtKind::TypeSwitch(switch) => self.scoped(|inner| inner.type_switch(stmt, switch)),
            StmtKind::Select(clauses) => self.select(clauses),
            StmtKind::For(loop_stmt) => self.scoped(|inner| inner.for_loop(loop_stmt)),
            StmtKind::Range(range) => self.range(range),
        }
    }

    fn branch(&mut self, branch: &IfStmt) {
        if let Some(init) = branch.init {
            self.statement(init);
        }
        self.expr(branch.cond);
        self.block(&branch.then);
        if let Some(otherwise) = branch.otherwise {
            self.statement(otherwise);
        }
    }

    fn for_loop(&mut self, loop_stmt: &ForStmt) {
        if let Some(init) = loop_stmt.init {
            self.by_statement_kind(init, LocalKind::ForVar);
        }
        if let Some(cond) = loop_stmt.cond {
            self.expr(cond);
        }
        if let Some(post) = loop_stmt.post {
            self.statement(post);
        }
        self.block(&loop_stmt.body);
    }

    fn switch(&mut self, switch: &SwitchStmt) {
        if let Some(init) = switch.init {
            self.statement(init);
        }
        let tag = switch.tag.map(|tag| {
            let operand = self.expr(tag);
            self.assign_default(tag, &operand)
        });
        for case in &switch.cases {
            for value in case.values.iter().flatten() {
                let operand = self.expr(*value);
                match &tag {
                    Some(ty) => self.assign_to(*value, &operand, ty),
                    None => self.assign_to(*value, &operand, &Self::boolean()),
                }
            }
            self.block(&case.body);
        }
    }

    fn type_switch(&mut self, stmt: StmtId, switch: &TypeSwitchStmt) {
        if let Some(init) = switch.init {
            self.statement(init);
        }
        let whole = self.value(switch.x);
        for (case, index) in switch.cases.iter().zip(0..) {
            let bound = self.bound_type(case, &whole);
            self.scoped(|inner| {
                if let Some(name) = switch.bind {
                    let local = inner.declare(name.name, name.span, bound, LocalKind::TypeSwitch);
                    inner.info.clauses.insert((stmt, index), local);
                }
                inner.statements(&case.body.stmts);
            });
        }
    }

    /// The type of the variable bound in a clause: that of the clause if it has only one, else that of the operand.
    fn bound_type(&mut self, case: &CaseClause, whole: &Type) -> Type {
        let mut only = None;
        let values: &[ExprId] = case.values.as_deref().unwrap_or_default();
        for value in values {
            let operand = self.expr(*value);
            only = Some(if operand.mode == Mode::Type {
                operand.ty
            } else if operand.ty.is_nil() {
                whole.clone()
            } else {
                Type::Unknown
            });
        }
        match only {
            Some(ty) if values.len() == 1 => ty,
            _ => whole.clone(),
        }
    }

    fn select(&mut self, clauses: &[CommClause]) {
        for clause in clauses {
            self.scoped(|inner| {
                if let Some(comm) = clause.comm {
                    inner.statement(comm);
                }
                inner.statements(&clause.body.stmts);
            });
        }
    }
}
