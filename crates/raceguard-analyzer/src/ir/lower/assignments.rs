//! Assignments and declarations of variables.

use super::{Lower, var_of};
use crate::ir::function::{Assign, How, Node};
use crate::ir::place::{Place, Root, Step, Value, VarId};
use crate::syntax::ast::{AssignOp, AssignStmt, ExprId, ExprKind, VarSpec};
use crate::syntax::name::Name;
use crate::syntax::span::Span;
use crate::types::{Entity, LocalId, Type};

/// What an assignment writes to, its operands evaluated.
enum Target {
    Blank,
    New(LocalId),
    Place(Place, How),
}

impl Lower<'_> {
    pub(super) fn assign(&mut self, assign: &AssignStmt, span: Span) {
        let targets: Vec<Target> =
            assign.lhs.iter().map(|&lhs| self.target(lhs, assign.op == AssignOp::Define)).collect();
        if let AssignOp::Op(_) = assign.op {
            for target in &targets {
                if let Target::Place(place, how) = target {
                    let read = if *how == How::MapInsert { How::MapLookup } else { How::Plain };
                    self.access(place, false, read, span);
                }
            }
        }
        let mut values: Vec<Value> = assign.rhs.iter().map(|&rhs| self.expr(rhs)).collect();
        if values.len() < targets.len() {
            values = spread(values.pop().as_ref(), targets.len());
        }
        for (number, (target, value)) in targets.into_iter().zip(values).enumerate() {
            let value = if matches!(assign.op, AssignOp::Op(_)) { Value::Unknown } else { value };
            let rhs = if assign.rhs.len() == assign.lhs.len() { Some(assign.rhs[number]) } else { None };
            self.store(target, value, rhs, self.span(assign.lhs[number]).to(span));
        }
    }

    pub(super) fn inc_dec(&mut self, operand: ExprId, span: Span) {
        if let Target::Place(place, how) = self.target(operand, false) {
            let read = if how == How::MapInsert { How::MapLookup } else { How::Plain };
            self.access(&place, false, read, span);
            self.access(&place, true, how, span);
        }
    }

    /// Assigns to an operand of a `range` clause.
    pub(super) fn assign_element(&mut self, lhs: ExprId, define: bool, span: Span) {
        let target = self.target(lhs, define);
        self.store(target, Value::Unknown, None, span);
    }

    fn target(&mut self, lhs: ExprId, define: bool) -> Target {
        if define && let Some(local) = self.input.info.definition(lhs) {
            return Target::New(local);
        }
        if self.input.info.entity(lhs) == Entity::Blank {
            return Target::Blank;
        }
        let how = if self.indexed_map(lhs) { How::MapInsert } else { How::Plain };
        Target::Place(self.place(lhs), how)
    }

    fn indexed_map(&self, lhs: ExprId) -> bool {
        let mut expr = lhs;
        while let ExprKind::Paren(inner) = self.input.arena[expr].kind {
            expr = inner;
        }
        match &self.input.arena[expr].kind {
            ExprKind::Index(operand, _) => matches!(self.underlying(self.type_of(*operand)), Type::Map(_)),
            _ => false,
        }
    }

    fn store(&mut self, target: Target, value: Value, rhs: Option<ExprId>, span: Span) {
        match target {
            Target::Blank => {}
            Target::New(local) => self.bind(local, value, rhs, span),
            Target::Place(place, how) => {
                if let Some(name) = self.last_name(&place) {
                    self.name_site(&value, name);
                }
                self.access(&place, true, how, span);
                self.note_stored(&place, &value);
                self.detach(&place);
                if value != Value::Unknown {
                    self.emit(Node::Assign(Assign { place, value, span }));
                }
            }
        }
    }

    /// Gives a new variable its first value.
    pub(super) fn bind(&mut self, local: LocalId, value: Value, rhs: Option<ExprId>, span: Span) {
        let var = self.declare(local);
        self.name_site(&value, self.unit.var(var).name);
        self.access(&Place::new(Root::Var(var)), true, How::Plain, span);
        let (constant, ty) = (self.unit.var(var).is_constant(), self.unit.var(var).ty.clone());
        if constant
            && let Value::Load(Place { root: Root::Result(call, 0), steps }) = &value
            && steps.is_empty()
        {
            self.tested.insert(var, *call);
        }
        let whole = value.identity().is_none_or(names_one_object);
        if let (true, Value::Const(_)) = (constant, &value) {
            self.numbers.insert(var, value.clone());
        }
        if self.refers(&ty) {
            if constant && whole && value != Value::Unknown {
                self.values.insert(var, value);
            } else if value != Value::Unknown {
                self.emit(Node::Assign(Assign { place: Place::new(Root::Var(var)), value, span }));
            }
            return;
        }
        if let Value::Load(origin) = &value
            && matches!(self.underlying(&ty), Type::Struct(_))
            && names_one_object(origin)
        {
            self.copies.insert(var, origin.clone());
        }
        self.struct_fields(var, rhs);
    }

    /// Notes which name a new object goes by.
    fn name_site(&mut self, value: &Value, name: Name) {
        if let Value::Address(Place { root: Root::Site(site), steps }) = value
            && steps.is_empty()
        {
            self.unit.sites[site.0 as usize].name.get_or_insert(name);
        }
    }

    /// The name of the variable or field that a place is.
    fn last_name(&self, place: &Place) -> Option<Name> {
        match (place.steps.last(), place.root) {
            (Some(Step::Field(name)), _) => Some(*name),
            (None, Root::Var(var)) => Some(self.unit.var(var).name),
            (None, Root::Global(object)) => Some(self.input.program.object(object).name),
            _ => None,
        }
    }

    /// `x := T{a: y}`: what the fields of `x` hold.
    fn struct_fields(&mut self, var: VarId, rhs: Option<ExprId>) {
        let Some(rhs) = rhs else { return };
        let ExprKind::Composite(literal) = &self.input.arena[rhs].kind else { return };
        for element in &literal.elements {
            let Some(key) = element.key else { continue };
            if let (ExprKind::Name(name), Entity::Field(_)) =
                (&self.input.arena[key].kind, self.input.info.entity(key))
                && let Some(value) = self.quiet_value(element.value)
            {
                let place = Place::new(Root::Var(var)).step(Step::Field(*name));
                self.stored.insert(place, Some(value));
            }
        }
    }

    /// The value of an expression that was evaluated before, if it is a plain variable.
    fn quiet_value(&self, expr: ExprId) -> Option<Value> {
        let Entity::Local(local) = self.input.info.entity(expr) else { return None };
        self.refers(self.type_of(expr)).then(|| self.load(Place::new(Root::Var(var_of(local)))))
    }

    /// Notes what a field of a new object or struct variable is given; if it is given two values, neither is known.
    fn note_stored(&mut self, place: &Place, value: &Value) {
        let own = matches!(place.root, Root::Site(_) | Root::Var(_))
            && !place.steps.is_empty()
            && place.steps.iter().all(|step| step.is_inline());
        if !own {
            return;
        }
        let known = value.identity().is_some_and(names_one_object) || matches!(value, Value::Closure(_));
        let first = !self.stored.contains_key(place) && self.blocks.len() <= 1;
        let value = if known && first { Some(value.clone()) } else { None };
        self.stored.insert(place.clone(), value);
    }

    /// Variables that hold what a place held before keep another object than it holds now.
    fn detach(&mut self, place: &Place) {
        let stale: Vec<VarId> = self
            .values
            .iter()
            .filter(|(_, value)| matches!(value, Value::Load(loaded) if loaded.strip(place).is_some()))
            .map(|(&var, _)| var)
            .collect();
        for var in stale {
            let fresh = self.opaque();
            self.values.insert(var, Value::Load(fresh));
        }
    }

    pub(super) fn declare_vars(&mut self, specs: &[VarSpec]) {
        for spec in specs {
            let mut values: Vec<Value> = spec.values.iter().map(|&value| self.expr(value)).collect();
            if values.len() < spec.names.len() && !values.is_empty() {
                values = spread(values.pop().as_ref(), spec.names.len());
            }
            for (number, name) in spec.names.iter().enumerate() {
                let Some(local) = self.input.info.declaration(name.span) else { continue };
                let rhs =
                    if spec.values.len() == spec.names.len() { Some(spec.values[number]) } else { None };
                match values.get(number) {
                    Some(value) => self.bind(local, value.clone(), rhs, name.span),
                    None => self.declare_zero(local),
                }
            }
        }
    }

    /// `var x T`
    fn declare_zero(&mut self, local: LocalId) {
        self.declare(local);
    }
}

/// The results of one call, index, assertion or receive that gives several values.
fn spread(value: Option<&Value>, count: usize) -> Vec<Value> {
    (0..count)
        .map(|number| match (value, number) {
            (Some(Value::Load(Place { root: Root::Result(call, 0), steps })), _) if steps.is_empty() => {
                Value::Load(Place::new(Root::Result(*call, u8::try_from(number).unwrap_or(u8::MAX))))
            }
            (Some(value), 0) => value.clone(),
            _ => Value::Unknown,
        })
        .collect()
}

/// Whether a place stands for one object, not for any element of something.
fn names_one_object(place: &Place) -> bool {
    use crate::ir::place::Index;
    !place.steps.iter().any(|step| {
        matches!(
            step,
            Step::Map | Step::Index(Index::Some | Index::All) | Step::Element(Index::Some | Index::All)
        )
    })
}
