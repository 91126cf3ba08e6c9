//! What has to be known of variables before the first statement is lowered: who uses them, and how often they are
//! assigned to.

use crate::ir::function::{BodyId, Var};
use crate::syntax::ast::{Arena, AssignOp, Decl, ExprId, ExprKind, StmtKind, UnaryOp};
use crate::types::{BodyInfo, Entity, LocalId, LocalKind, Selection, Type};

/// One entry for each local.
pub(super) fn survey(arena: &Arena, info: &BodyInfo) -> Vec<Var> {
    let mut vars: Vec<Var> = info.locals.iter().map(new_var).collect();
    let literals = Literals::new(arena);
    for (index, expr) in arena.exprs.iter().enumerate() {
        let id = ExprId(u32::try_from(index).unwrap_or(u32::MAX));
        match &expr.kind {
            ExprKind::Name(_) => {
                if let Entity::Local(local) = info.entity(id)
                    && literals.innermost(expr.span.start) != info.locals[local.0 as usize].owner
                {
                    vars[local.0 as usize].shared = true;
                }
            }
            ExprKind::Unary(UnaryOp::Address, operand) => share(arena, info, *operand, &mut vars),
            ExprKind::Slice(slice) if matches!(info.type_of(slice.x), Type::Array(..) | Type::Named(..)) => {
                share(arena, info, slice.x, &mut vars);
            }
            ExprKind::Selector(operand, _) => {
                if let Selection::Method(method) = info.selection(id)
                    && method.pointer_receiver
                    && !method.from_pointer
                {
                    share(arena, info, *operand, &mut vars);
                }
            }
            _ => {}
        }
    }
    for stmt in &arena.stmts {
        count_assignments(info, &stmt.kind, &mut vars);
    }
    vars
}

fn new_var(local: &crate::types::Local) -> Var {
    let assignments = match local.kind {
        LocalKind::Receiver | LocalKind::Param | LocalKind::TypeSwitch => 1,
        LocalKind::Result => 2,
        _ => 0,
    };
    Var {
        name: local.name,
        ty: local.ty.clone(),
        span: local.span,
        kind: local.kind,
        body: BodyId(0),
        iteration: None,
        shared: false,
        assignments,
        zeroed: false,
        shared_by_iterations: false,
        covers: false,
    }
}

/// Marks the variable that an operand lies in: its address is taken.
fn share(arena: &Arena, info: &BodyInfo, operand: ExprId, vars: &mut [Var]) {
    let mut expr = operand;
    loop {
        match &arena[expr].kind {
            ExprKind::Name(_) => {
                if let Entity::Local(local) = info.entity(expr) {
                    vars[local.0 as usize].shared = true;
                }
                return;
            }
            ExprKind::Paren(inner) => expr = *inner,
            ExprKind::Selector(inner, _) => match info.selection(expr) {
                Selection::Field(steps) if !steps.iter().any(|step| step.deref) => expr = *inner,
                _ => return,
            },
            ExprKind::Index(inner, _)
                if matches!(info.type_of(*inner), Type::Array(..) | Type::Named(..)) =>
            {
                expr = *inner;
            }
            _ => return,
        }
    }
}

fn count_assignments(info: &BodyInfo, stmt: &StmtKind, vars: &mut [Var]) {
    let mut assigned = |local: Option<LocalId>| {
        if let Some(local) = local {
            vars[local.0 as usize].assignments += 1;
        }
    };
    let target = |expr: ExprId| match info.entity(expr) {
        Entity::Local(local) => Some(local),
        _ => None,
    };
    match stmt {
        StmtKind::IncDec(operand, _) => assigned(target(*operand)),
        StmtKind::Assign(assign) => {
            for (number, &lhs) in assign.lhs.iter().enumerate() {
                // `c = nil` takes a reference away, and gives no other.
                let taken = assign.rhs.get(number).is_some_and(|&rhs| info.entity(rhs) == Entity::Nil);
                if taken && assign.op == AssignOp::Assign {
                    continue;
                }
                let defined = if assign.op == AssignOp::Define { info.definition(lhs) } else { None };
                assigned(defined.or_else(|| target(lhs)));
            }
        }
        StmtKind::Range(range) => {
            for lhs in range.key.iter().chain(&range.value) {
                assigned(info.definition(*lhs).or_else(|| target(*lhs)));
            }
        }
        StmtKind::Decl(decl) => {
            if let Decl::Var(specs) = &**decl {
                for spec in specs {
                    for local in spec.names.iter().filter_map(|name| info.declaration(name.span)) {
                        let var = &mut vars[local.0 as usize];
                        var.zeroed = spec.values.is_empty();
                        var.assignments += u32::from(!var.zeroed);
                    }
                }
            }
        }
        _ => {}
    }
}

/// The function literals of an arena, to find the one around a place.
struct Literals {
    /// By start: start, end, the literal, and the index of the one around it.
    nested: Vec<(u32, u32, ExprId, Option<usize>)>,
}

impl Literals {
    fn new(arena: &Arena) -> Self {
        let mut nested: Vec<_> = arena
            .exprs
            .iter()
            .zip(0u32..)
            .filter(|(expr, _)| matches!(expr.kind, ExprKind::FuncLit(_)))
            .map(|(expr, index)| (expr.span.start, expr.span.end, ExprId(index), None))
            .collect();
        nested.sort_unstable_by_key(|&(start, end, ..)| (start, std::cmp::Reverse(end)));
        let mut open: Vec<usize> = Vec::new();
        for index in 0..nested.len() {
            let start = nested[index].0;
            while open.last().is_some_and(|&outer| nested[outer].1 <= start) {
                open.pop();
            }
            nested[index].3 = open.last().copied();
            open.push(index);
        }
        Self { nested }
    }

    fn innermost(&self, offset: u32) -> Option<ExprId> {
        let mut next = self.nested.partition_point(|&(start, ..)| start <= offset).checked_sub(1);
        while let Some(index) = next {
            let (_, end, literal, parent) = self.nested[index];
            if offset < end {
                return Some(literal);
            }
            next = parent;
        }
        None
    }
}
