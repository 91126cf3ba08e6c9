//! From a resolved syntax tree to the [`Unit`] that the analysis reads.

mod assignments;
mod builtins;
mod calls;
mod composites;
mod conditions;
mod expressions;
mod loops;
mod places;
mod statements;
mod survey;

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use super::function::{Access, Block, Body, BodyId, FieldKey, How, Node, NodeId, Site, Unit, Var};
use super::place::{CallId, Index, Place, Root, SiteId, Value, VarId};
use crate::syntax::ast::{self, Arena, ExprId, FuncLit};
use crate::syntax::name::Name;
use crate::syntax::span::Span;
use crate::types::{BodyInfo, FuncId, LocalId, LocalKind, PackageId, Program, Type};

/// A function body, or a file's initialisers, with all that lowering needs.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// All packages.
    pub program: &'a Program,
    /// The package of the body.
    pub package: PackageId,
    /// Index of its file in the package.
    pub file: u32,
    /// The function; none: initialisers.
    pub func: Option<FuncId>,
    /// Its name as Go's runtime spells it.
    pub name: &'a str,
    /// The expressions and statements.
    pub arena: &'a Arena,
    /// What names and types resolution found out.
    pub info: &'a BodyInfo,
    /// The file.
    pub source: &'a [u8],
    /// Whether the file is a test.
    pub test: bool,
    /// Names of the function literals.
    pub closure_names: &'a HashMap<ExprId, String>,
}

/// Lowers a function.
pub fn lower_function(input: Input<'_>, block: &ast::Block) -> Unit {
    let mut lower = Lower::new(input);
    let locals = input.info.function_locals(None).cloned().unwrap_or_default();
    lower.open_body(None, input.name.into(), &locals, block.span);
    let block = lower.block(block);
    lower.unit.bodies[0].block = block;
    lower.unit
}

/// Lowers the initialisers of a file's package-level variables, in order of their declaration.
pub fn lower_initialisers(input: Input<'_>, file: &ast::File) -> Unit {
    let mut lower = Lower::new(input);
    lower.open_body(None, input.name.into(), &crate::types::FunctionLocals::default(), Span::default());
    lower.blocks.push(Vec::new());
    for decl in &file.decls {
        if let ast::Decl::Var(specs) = decl {
            for spec in specs {
                for &value in &spec.values {
                    lower.expr(value);
                }
            }
        }
    }
    lower.unit.bodies[0].block = lower.blocks.pop().unwrap_or_default();
    lower.unit
}

/// A statement that `break` or `continue` may name.
struct JumpTarget {
    id: NodeId,
    label: Option<Name>,
    kind: TargetKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TargetKind {
    Loop,
    /// `switch` or `select`
    Switch,
    Block,
}

/// A lowering under way.
struct Lower<'a> {
    input: Input<'a>,
    unit: Unit,
    /// The body being lowered.
    body: BodyId,
    /// The loops around the current place, within the body.
    loops: Vec<NodeId>,
    /// What a jump may name, within the body.
    targets: Vec<JumpTarget>,
    /// The label that stands before the next statement.
    label: Option<Name>,
    /// Blocks being filled, inner last.
    blocks: Vec<Block>,
    /// Values of variables that are assigned once.
    values: HashMap<VarId, Value>,
    /// Whole numbers that variables keep all their life.
    numbers: HashMap<VarId, Value>,
    /// The index of the map element that was named last.
    key: Index,
    /// Variables whose only value is a call's first result.
    tested: HashMap<VarId, CallId>,
    /// Struct variables that began as a copy of a place.
    copies: HashMap<VarId, Place>,
    /// What fields of new objects and of struct variables were given.
    stored: HashMap<Place, Option<Value>>,
    /// Fields, by place.
    fields: HashMap<Place, FieldKey>,
    /// The loop whose own variables are being counted up for the next iteration.
    counting: Option<NodeId>,
    next_node: u32,
    next_opaque: u32,
}

impl<'a> Lower<'a> {
    fn new(input: Input<'a>) -> Self {
        let unit = Unit {
            func: input.func,
            package: input.package,
            file: input.file,
            test: input.test,
            name: input.name.into(),
            vars: survey::survey(input.arena, input.info),
            bodies: Vec::new(),
            sites: Vec::new(),
            calls: 0,
        };
        Self {
            input,
            unit,
            body: BodyId(0),
            loops: Vec::new(),
            targets: Vec::new(),
            label: None,
            blocks: Vec::new(),
            values: HashMap::new(),
            numbers: HashMap::new(),
            key: Index::Some,
            tested: HashMap::new(),
            copies: HashMap::new(),
            stored: HashMap::new(),
            fields: HashMap::new(),
            counting: None,
            next_node: 0,
            next_opaque: 0,
        }
    }

    /// Adds a body, and makes it the current one.
    fn open_body(
        &mut self,
        parent: Option<BodyId>,
        name: Arc<str>,
        locals: &crate::types::FunctionLocals,
        span: Span,
    ) -> BodyId {
        let id = BodyId(u32::try_from(self.unit.bodies.len()).unwrap_or(u32::MAX));
        let params: Vec<VarId> =
            locals.receiver.iter().chain(&locals.params).map(|&local| var_of(local)).collect();
        let results: Vec<VarId> = locals.results.iter().map(|&local| var_of(local)).collect();
        for &var in params.iter().chain(&results) {
            self.unit.vars[var.0 as usize].body = id;
        }
        let has_receiver = locals.receiver.is_some();
        self.unit.bodies.push(Body { parent, name, params, has_receiver, results, block: Vec::new(), span });
        self.body = id;
        id
    }

    /// Lowers a function literal where it stands.
    fn literal(&mut self, expr: ExprId, literal: &FuncLit) -> BodyId {
        let outer = self.body;
        let loops = std::mem::take(&mut self.loops);
        let targets = std::mem::take(&mut self.targets);
        let label = self.label.take();
        let locals = self.input.info.function_locals(Some(expr)).cloned().unwrap_or_default();
        let name: Arc<str> = match self.input.closure_names.get(&expr) {
            Some(name) => name.as_str().into(),
            None => format!("{}.func", self.input.name).into(),
        };
        let id = self.open_body(Some(outer), name, &locals, literal.body.span);
        let block = self.block(&literal.body);
        self.unit.bodies[id.0 as usize].block = block;
        self.body = outer;
        self.loops = loops;
        self.targets = targets;
        self.label = label;
        id
    }

    /// Adds to the current block.
    fn emit(&mut self, node: Node) {
        if let Some(block) = self.blocks.last_mut() {
            block.push(node);
        }
    }

    /// Lowers what `fill` does into a block of its own.
    fn nested(&mut self, fill: impl FnOnce(&mut Self)) -> Block {
        self.blocks.push(Vec::new());
        fill(self);
        self.blocks.pop().unwrap_or_default()
    }

    /// Adds an access, unless no other goroutine can reach the memory.
    fn access(&mut self, place: &Place, write: bool, how: How, span: Span) {
        if self.is_private(place) {
            return;
        }
        let field = self.fields.get(place).cloned();
        if matches!(place.root, Root::Opaque(_)) && field.is_none() {
            return;
        }
        self.emit(Node::Access(Access { place: place.clone(), write, how, field, span }));
    }

    /// Whether the place lies in a variable that only its own body uses.
    fn is_private(&self, place: &Place) -> bool {
        let Root::Var(var) = place.root else { return false };
        let known = self.unit.var(var);
        let counted =
            self.counting.is_some() && known.kind == LocalKind::ForVar && known.iteration == self.counting;
        (counted || !known.shared) && place.steps.iter().all(|step| step.is_inline())
    }

    fn node_id(&mut self) -> NodeId {
        self.next_node += 1;
        NodeId(self.next_node)
    }

    fn opaque(&mut self) -> Place {
        self.next_opaque += 1;
        Place::new(Root::Opaque(self.next_opaque))
    }

    fn call_id(&mut self) -> CallId {
        self.unit.calls += 1;
        CallId(self.unit.calls - 1)
    }

    /// A new object made by the expression.
    fn site(&mut self, span: Span, ty: Type, capacity: Option<i64>) -> SiteId {
        let id = SiteId(u32::try_from(self.unit.sites.len()).unwrap_or(u32::MAX));
        let iteration = self.loops.last().copied();
        self.unit.sites.push(Site { span, ty, name: None, body: self.body, iteration, capacity });
        id
    }

    /// Notes where a variable is declared.
    fn declare(&mut self, local: LocalId) -> VarId {
        let var = var_of(local);
        let iteration = self.loops.last().copied();
        let slot: &mut Var = &mut self.unit.vars[var.0 as usize];
        slot.body = self.body;
        slot.iteration = iteration;
        var
    }

    fn span(&self, expr: ExprId) -> Span {
        self.input.arena[expr].span
    }

    fn type_of(&self, expr: ExprId) -> &'a Type {
        self.input.info.type_of(expr)
    }

    fn underlying(&self, ty: &Type) -> Type {
        self.input.program.underlying(ty)
    }
}

/// Variables have the numbers of the locals that they are.
const fn var_of(local: LocalId) -> VarId {
    VarId(local.0)
}

/// Whether a local is a variable, not a constant or type.
const fn is_variable(kind: LocalKind) -> bool {
    !matches!(kind, LocalKind::Const | LocalKind::Type)
}

/// Whether values of the type refer to other memory.
fn is_reference(underlying: &Type) -> bool {
    matches!(
        underlying,
        Type::Unknown
            | Type::Pointer(_)
            | Type::Map(_)
            | Type::Slice(_)
            | Type::Chan(..)
            | Type::Func(_)
            | Type::Interface(_)
            | Type::TypeParam(..)
    )
}
