//! The syntax tree of a function, as changes need it: which statements stand around a place, and on lines of their own.

use crate::analysis::models::Effect;
use crate::finding::{Edit, Location};
use crate::ir::function::Unit;
use crate::rules::ProgramContext;
use crate::syntax::ast::{Arena, Block, CallExpr, Expr, ExprId, ExprKind, Stmt, StmtId, StmtKind};
use crate::syntax::parse_body;
use crate::syntax::span::Span;
use crate::types::{BodyInfo, Callee, Entity, LocalId, resolve_body};

/// A function with its tree, and what its names mean.
pub(super) struct FunctionTree<'a> {
    pub(super) context: ProgramContext<'a>,
    /// What it was lowered to.
    pub(super) unit: &'a Unit,
    pub(super) arena: Arena,
    pub(super) info: BodyInfo,
    source: &'a [u8],
    blocks: Vec<Statements>,
}

/// Statements that follow each other.
pub(super) struct Statements {
    pub(super) stmts: Vec<StmtId>,
    pub(super) span: Span,
    pub(super) kind: BlockKind,
}

/// What a block belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockKind {
    /// A function or a function literal.
    Function,
    /// A loop.
    Loop,
    /// Another statement.
    Other,
}

/// What a path begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathRoot {
    /// A variable of the function.
    Local(LocalId),
    /// A package-level variable.
    Package,
}

/// A call of a method of a lock.
#[derive(Debug, Clone)]
pub(super) struct LockCall {
    /// What it does.
    pub(super) effect: Effect,
    /// The lock, as it is written: `c.mu`, or `c` where it is embedded.
    pub(super) lock: String,
    /// The place of the method's name.
    pub(super) method: Span,
    /// The call.
    pub(super) span: Span,
    /// The statement that is nothing but this call, or the `defer` of it.
    pub(super) statement: Option<Span>,
    /// Whether it is deferred.
    pub(super) deferred: bool,
}

const fn within(inner: Span, outer: Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

impl<'a> FunctionTree<'a> {
    /// The function around a place.
    pub(super) fn at(context: &ProgramContext<'a>, place: Location) -> Option<Self> {
        let around = |unit: &&Unit| {
            unit.package == place.package
                && unit.file == place.file
                && unit.bodies.first().is_some_and(|body| within(place.span, body.span))
        };
        let unit = context.units.units.iter().find(|unit| unit.func.is_some() && around(unit))?;
        let source = &context.program.package(unit.package).files[unit.file as usize].source;
        let parsed = parse_body(source, unit.bodies[0].span);
        if !parsed.errors.is_empty() {
            return None;
        }
        let info = resolve_body(context.program, unit.func?, &parsed.arena, &parsed.block);
        let blocks = blocks(&parsed.arena, &parsed.block);
        Some(Self { context: *context, unit, arena: parsed.arena, info, source, blocks })
    }

    /// The source text of a place.
    pub(super) fn text(&self, span: Span) -> &'a str {
        let bytes = self.source.get(span.start as usize..span.end as usize).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// An expression's source text.
    pub(super) fn expr_text(&self, expr: ExprId) -> &'a str {
        self.text(self.arena[expr].span)
    }

    /// The innermost block with a statement that all places lie in, and the numbers of the first and last of those
    /// statements.
    pub(super) fn statements_around(&self, spans: &[Span]) -> Option<(&Statements, usize, usize)> {
        let whole = spans.iter().copied().reduce(Span::to)?;
        let around = self.blocks.iter().filter(|block| within(whole, block.span));
        let block = around.min_by_key(|block| block.span.end - block.span.start)?;
        let number = |offset: u32| block.stmts.iter().position(|&id| self.arena[id].span.contains(offset));
        let (first, last) = (number(whole.start)?, number(whole.end - 1)?);
        Some((block, first, last))
    }

    /// The body of the innermost function or function literal around a place.
    pub(super) fn function_around(&self, span: Span) -> Option<&Statements> {
        let around = self.blocks.iter().filter(|block| within(span, block.span));
        around
            .filter(|block| block.kind == BlockKind::Function)
            .min_by_key(|block| block.span.end - block.span.start)
    }

    /// Whether a loop stands between a place and the function around it.
    pub(super) fn is_in_loop(&self, span: Span) -> bool {
        let function = self.function_around(span).map_or(self.unit.bodies[0].span, |block| block.span);
        self.blocks.iter().any(|block| {
            block.kind == BlockKind::Loop && within(span, block.span) && within(block.span, function)
        })
    }

    /// The loop with this body.
    pub(super) fn loop_with(&self, body: &Statements) -> Option<Span> {
        self.stmts_in(self.unit.bodies[0].span).find_map(|(_, stmt)| match &stmt.kind {
            StmtKind::For(inner) => (inner.body.span == body.span).then_some(stmt.span),
            StmtKind::Range(inner) => (inner.body.span == body.span).then_some(stmt.span),
            _ => None,
        })
    }

    /// The statements and expressions in a place, inner before outer.
    pub(super) fn stmts_in(&self, span: Span) -> impl Iterator<Item = (StmtId, &Stmt)> {
        let all = self.arena.stmts.iter().zip(0..);
        all.filter(move |(stmt, _)| within(stmt.span, span)).map(|(stmt, id)| (StmtId(id), stmt))
    }

    /// The expressions in a place, inner before outer.
    pub(super) fn exprs_in(&self, span: Span) -> impl Iterator<Item = (ExprId, &Expr)> {
        let all = self.arena.exprs.iter().zip(0..);
        all.filter(move |(expr, _)| within(expr.span, span)).map(|(expr, id)| (ExprId(id), expr))
    }

    /// The calls in a place.
    pub(super) fn calls_in(&self, span: Span) -> impl Iterator<Item = (ExprId, Span, &CallExpr)> {
        self.exprs_in(span).filter_map(|(id, expr)| match &expr.kind {
            ExprKind::Call(call) => Some((id, expr.span, &**call)),
            _ => None,
        })
    }

    /// The calls of methods of locks in a place, in the order of the source.
    pub(super) fn lock_calls(&self, span: Span) -> Vec<LockCall> {
        let mut calls: Vec<LockCall> =
            self.calls_in(span).filter_map(|(id, span, call)| self.lock_call(id, span, call)).collect();
        calls.sort_by_key(|call| call.span.start);
        calls
    }

    fn lock_call(&self, id: ExprId, span: Span, call: &CallExpr) -> Option<LockCall> {
        let Callee::Method(func, base) = self.info.callee(&self.arena, id) else { return None };
        let effect = self.context.models.of(func).filter(|effect| {
            matches!(
                effect,
                Effect::Lock
                    | Effect::Unlock
                    | Effect::ReadLock
                    | Effect::ReadUnlock
                    | Effect::TryLock
                    | Effect::TryReadLock
            )
        })?;
        let ExprKind::Selector(_, method) = self.arena[call.fun].kind else { return None };
        let statement = self.arena.stmts.iter().find_map(|stmt| match stmt.kind {
            StmtKind::Expr(expr) if expr == id => Some((stmt.span, false)),
            StmtKind::Defer(expr) if expr == id => Some((stmt.span, true)),
            _ => None,
        });
        Some(LockCall {
            effect,
            lock: self.expr_text(base).to_owned(),
            method: method.span,
            span,
            statement: statement.map(|(span, _)| span),
            deferred: statement.is_some_and(|(_, deferred)| deferred),
        })
    }

    /// What a path like `c.inner` begins with, if that is all it is made of: names and fields.
    pub(super) fn root_of_path(&self, expr: ExprId) -> Option<PathRoot> {
        let mut expr = expr;
        loop {
            match &self.arena[expr].kind {
                ExprKind::Paren(inner) | ExprKind::Selector(inner, _) => expr = *inner,
                ExprKind::Name(_) => break,
                _ => return None,
            }
        }
        match self.info.entity(expr) {
            Entity::Local(local) => Some(PathRoot::Local(local)),
            Entity::Object(_) | Entity::Import(_) => Some(PathRoot::Package),
            _ => None,
        }
    }

    /// A place in the function's file.
    pub(super) fn location(&self, span: Span) -> Location {
        Location { package: self.unit.package, file: self.unit.file, span }
    }

    /// An insertion.
    pub(super) fn insert(&self, at: u32, text: String) -> Edit {
        Edit { location: self.location(Span::new(at, at)), text }
    }

    /// A replacement.
    pub(super) fn replace(&self, span: Span, text: impl Into<String>) -> Edit {
        Edit { location: self.location(span), text: text.into() }
    }

    /// What a line begins with, if nothing but that stands before this place.
    pub(super) fn indent(&self, at: u32) -> Option<&'a str> {
        let indent = self.text(Span::new(self.line_start(at), at));
        indent.chars().all(|c| matches!(c, ' ' | '\t')).then_some(indent)
    }

    /// The end of the line, without what ends it, if nothing but a comment stands after this place.
    pub(super) fn line_end(&self, at: u32) -> Option<u32> {
        let line = self.text(Span::new(at, self.line_end_of(at)));
        let free = line.trim().is_empty() || line.trim_start().starts_with("//");
        free.then(|| at + u32::try_from(line.trim_end_matches('\r').len()).unwrap_or(0))
    }

    /// The end of the line, whatever stands there.
    pub(super) fn line_end_of(&self, at: u32) -> u32 {
        let rest = self.source.get(at as usize..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
        at + u32::try_from(length).unwrap_or(0)
    }

    /// The whole line of a statement that has one of its own, with what ends it.
    pub(super) fn whole_line(&self, span: Span) -> Option<Span> {
        self.indent(span.start)?;
        self.line_end(span.end)?;
        let end = self.line_end_of(span.end) + 1;
        let length = u32::try_from(self.source.len()).unwrap_or(u32::MAX);
        Some(Span::new(self.line_start(span.start), end.min(length)))
    }

    fn line_start(&self, at: u32) -> u32 {
        let before = self.source.get(..at as usize).unwrap_or_default();
        let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        u32::try_from(start).unwrap_or(u32::MAX)
    }

    /// What the line begins with that a place lies on.
    pub(super) fn indent_of_line(&self, at: u32) -> &'a str {
        let line = self.text(Span::new(self.line_start(at), at));
        &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
    }
}

fn blocks(arena: &Arena, whole: &Block) -> Vec<Statements> {
    let mut blocks = Vec::new();
    let mut add = |block: &Block, kind| {
        blocks.push(Statements { stmts: block.stmts.clone(), span: block.span, kind });
    };
    add(whole, BlockKind::Function);
    for expr in &arena.exprs {
        if let ExprKind::FuncLit(literal) = &expr.kind {
            add(&literal.body, BlockKind::Function);
        }
    }
    for stmt in &arena.stmts {
        match &stmt.kind {
            StmtKind::Block(block) => add(block, BlockKind::Other),
            StmtKind::If(branch) => add(&branch.then, BlockKind::Other),
            StmtKind::For(inner) => add(&inner.body, BlockKind::Loop),
            StmtKind::Range(inner) => add(&inner.body, BlockKind::Loop),
            StmtKind::Switch(switch) => {
                switch.cases.iter().for_each(|case| add(&case.body, BlockKind::Other));
            }
            StmtKind::TypeSwitch(switch) => {
                switch.cases.iter().for_each(|case| add(&case.body, BlockKind::Other));
            }
            StmtKind::Select(clauses) => {
                clauses.iter().for_each(|clause| add(&clause.body, BlockKind::Other));
            }
            _ => {}
        }
    }
    blocks
}
