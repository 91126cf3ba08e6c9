//! What is known of a function body, or of a file's initialisers.

use foldhash::HashMap;

use super::object::{FuncId, ObjectId};
use super::ty::Type;
use super::universe::Builtin;
use crate::syntax::ast::{Arena, ExprId, ExprKind, StmtId};
use crate::syntax::name::Name;
use crate::syntax::span::Span;

/// A variable, constant or type declared in a body: index in [`BodyInfo::locals`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalId(pub u32);

/// What kind of local it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LocalKind {
    /// The receiver of a method.
    Receiver,
    /// A parameter.
    Param,
    /// A result.
    Result,
    /// Declared by `var`, or by `:=` outside the heads of loops.
    Var,
    /// Declared in the first part of a `for` with semicolons.
    ForVar,
    /// Declared by a `range` clause.
    RangeVar,
    /// Bound in a clause of a type switch.
    TypeSwitch,
    /// A constant.
    Const,
    /// A type or an alias.
    Type,
}

/// A local.
#[derive(Debug, Clone)]
pub struct Local {
    /// Its name; `_` for parameters and results without a name.
    pub name: Name,
    /// Place of its declaration.
    pub span: Span,
    /// Its type; of a type, itself.
    pub ty: Type,
    /// What it is.
    pub kind: LocalKind,
    /// The function literal that declares it; none: the function itself.
    pub owner: Option<ExprId>,
    /// Another local of the same name, visible where this one is declared.
    pub shadowed: Option<LocalId>,
}

/// What an identifier means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Entity {
    /// Not an identifier, or not known.
    #[default]
    Unknown,
    /// Declared in this body.
    Local(LocalId),
    /// Declared at package level, here or (by a dot import) elsewhere.
    Object(ObjectId),
    /// A type parameter.
    TypeParam(ObjectId, u32),
    /// A package: index of the file's imports, see [`Package::import`](super::Package::import).
    Import(u32),
    /// The field with this index, as the key of a composite literal.
    Field(u32),
    /// A predeclared function.
    Builtin(Builtin),
    /// A predeclared type.
    UniverseType,
    /// `true`, `false`, `iota`
    UniverseConst,
    /// `nil`
    Nil,
    /// `_`
    Blank,
}

/// What kind of thing an expression is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Not known, or not visited: code that was not reached, or a struct literal's keys.
    #[default]
    Unknown,
    /// A call that gives nothing.
    NoValue,
    /// A type.
    Type,
    /// A predeclared function.
    Builtin,
    /// A package's name.
    Package,
    /// A constant.
    Constant,
    /// An addressable variable.
    Variable,
    /// An index of a map: may be assigned to, but has no address.
    MapIndex,
    /// Any other value.
    Value,
}

/// A step from a struct to one of its fields.
#[derive(Debug, Clone)]
pub struct FieldStep {
    /// Index of the field in the struct.
    pub index: u32,
    /// Its name.
    pub name: Name,
    /// Whether a pointer to the struct is dereferenced to get there.
    pub deref: bool,
    /// The field's type.
    pub ty: Type,
}

/// What `x.sel` means.
#[derive(Debug, Clone)]
pub enum Selection {
    /// Not known.
    Unknown,
    /// A field, perhaps of embedded structs: one step for each struct on the way.
    Field(Vec<FieldStep>),
    /// A method with a body, as value (`x.m`) or expression (`T.m`).
    Method(SelectionMethod),
    /// A method of an interface.
    InterfaceMethod {
        /// The embedded fields on the way from the operand to the interface.
        path: Vec<FieldStep>,
        /// The interface, or the type parameter with a constraint that has the method.
        interface: Type,
        /// The method.
        name: Name,
        /// Whether it is a method expression.
        expression: bool,
    },
    /// An exported name of a package.
    Qualified(ObjectId),
    /// A name of a package that is not there, or doesn't declare it.
    UnknownMember {
        /// Index of the file's imports.
        import: u32,
        /// The name.
        name: Name,
    },
}

/// A selected method.
#[derive(Debug, Clone)]
pub struct SelectionMethod {
    /// The method.
    pub func: FuncId,
    /// The embedded fields on the way from the operand to the receiver.
    pub path: Vec<FieldStep>,
    /// Whether its receiver is a pointer.
    pub pointer_receiver: bool,
    /// Whether what is selected from (the operand, or the last embedded field) is a pointer. If not and the receiver
    /// is, its address is taken.
    pub from_pointer: bool,
    /// Whether it is a method expression: the receiver is the first argument.
    pub expression: bool,
}

/// What a call calls.
#[derive(Debug, Clone, Copy)]
pub enum Callee<'a> {
    /// Not known.
    Unknown,
    /// A declared function, or a method by a method expression (the receiver is the first argument).
    Function(FuncId),
    /// A method of the operand of the selector.
    Method(FuncId, ExprId),
    /// A method of the interface or constraint, on the operand of the selector.
    Interface {
        /// The selector expression: see [`BodyInfo::selection`].
        selector: ExprId,
        /// The interface.
        interface: &'a Type,
        /// The method.
        name: Name,
    },
    /// A function literal called where it stands.
    Literal(ExprId),
    /// A value of function type: a variable, field, result, ...
    Dynamic,
    /// A predeclared function.
    Builtin(Builtin),
    /// A conversion to this type.
    Conversion(&'a Type),
    /// A function of a package that is not there: index of the file's imports, and the name.
    UnknownMember(u32, Name),
}

/// Receiver, parameters and results of a function or a function literal, all of them, named or not.
#[derive(Debug, Clone, Default)]
pub struct FunctionLocals {
    /// The receiver.
    pub receiver: Option<LocalId>,
    /// Parameters in order.
    pub params: Vec<LocalId>,
    /// Results in order.
    pub results: Vec<LocalId>,
}

/// What is known of a body. Its tables are as long as the arena's expressions.
#[derive(Debug, Default)]
pub struct BodyInfo {
    /// Everything declared in it.
    pub locals: Vec<Local>,
    pub(super) types: Vec<Type>,
    pub(super) entities: Vec<Entity>,
    pub(super) modes: Vec<Mode>,
    pub(super) selections: HashMap<ExprId, Selection>,
    pub(super) definitions: HashMap<ExprId, LocalId>,
    pub(super) declarations: HashMap<u32, LocalId>,
    pub(super) clauses: HashMap<(StmtId, u32), LocalId>,
    pub(super) labels: HashMap<(Option<ExprId>, Name), StmtId>,
    pub(super) functions: HashMap<Option<ExprId>, FunctionLocals>,
    /// Identities of the functions that are named in the body.
    pub(super) named_functions: HashMap<ObjectId, FuncId>,
    pub(super) instances: HashMap<ExprId, Vec<Type>>,
}

impl BodyInfo {
    /// The type of an expression: of a type, that type; of a call with several results, a tuple.
    pub fn type_of(&self, expr: ExprId) -> &Type {
        &self.types[expr.0 as usize]
    }

    /// What kind of thing an expression is.
    pub fn mode(&self, expr: ExprId) -> Mode {
        self.modes[expr.0 as usize]
    }

    /// What an identifier means.
    pub fn entity(&self, expr: ExprId) -> Entity {
        self.entities[expr.0 as usize]
    }

    /// What a selector means.
    pub fn selection(&self, expr: ExprId) -> &Selection {
        self.selections.get(&expr).unwrap_or(&Selection::Unknown)
    }

    /// What a call calls.
    pub fn callee(&self, arena: &Arena, call: ExprId) -> Callee<'_> {
        let ExprKind::Call(syntax) = &arena[call].kind else { return Callee::Unknown };
        let mut fun = syntax.fun;
        match self.mode(fun) {
            Mode::Type => return Callee::Conversion(self.type_of(fun)),
            Mode::MapIndex => return Callee::Dynamic,
            _ => {}
        }
        loop {
            match &arena[fun].kind {
                ExprKind::Paren(inner) => fun = *inner,
                ExprKind::Index(inner, _)
                    if self.instances.contains_key(inner) || self.is_function(*inner) =>
                {
                    fun = *inner;
                }
                _ => break,
            }
        }
        match &arena[fun].kind {
            ExprKind::FuncLit(_) => Callee::Literal(fun),
            ExprKind::Selector(base, _) => self.selected_callee(fun, *base),
            _ => match self.entity(fun) {
                Entity::Builtin(builtin) => Callee::Builtin(builtin),
                Entity::Object(object) => self
                    .named_functions
                    .get(&object)
                    .map_or_else(|| self.dynamic(fun), |func| Callee::Function(*func)),
                _ => self.dynamic(fun),
            },
        }
    }

    /// Whether an expression names a declared function.
    fn is_function(&self, expr: ExprId) -> bool {
        match (self.entity(expr), self.selection(expr)) {
            (Entity::Object(object), _) => self.named_functions.contains_key(&object),
            (_, Selection::Qualified(object)) => self.named_functions.contains_key(object),
            _ => false,
        }
    }

    fn selected_callee(&self, fun: ExprId, base: ExprId) -> Callee<'_> {
        if let Entity::Builtin(builtin) = self.entity(fun) {
            return Callee::Builtin(builtin);
        }
        match self.selection(fun) {
            Selection::Method(method) if method.expression => Callee::Function(method.func),
            Selection::Method(method) => Callee::Method(method.func, base),
            Selection::InterfaceMethod { interface, name, .. } => {
                Callee::Interface { selector: fun, interface, name: *name }
            }
            Selection::Qualified(object) => self
                .named_functions
                .get(object)
                .map_or_else(|| self.dynamic(fun), |func| Callee::Function(*func)),
            Selection::UnknownMember { import, name } => Callee::UnknownMember(*import, *name),
            Selection::Field(_) | Selection::Unknown => self.dynamic(fun),
        }
    }

    fn dynamic(&self, fun: ExprId) -> Callee<'_> {
        if self.type_of(fun).is_unknown() { Callee::Unknown } else { Callee::Dynamic }
    }

    /// The local that an identifier on the left of `:=` declares. None if the identifier is only assigned to there.
    pub fn definition(&self, expr: ExprId) -> Option<LocalId> {
        self.definitions.get(&expr).copied()
    }

    /// The local that the `var`, `const` or `type` declaration with a name at this place declares.
    pub fn declaration(&self, name: Span) -> Option<LocalId> {
        self.declarations.get(&name.start).copied()
    }

    /// The variable that a type switch binds in its clause with this index.
    pub fn clause_local(&self, switch: StmtId, clause: usize) -> Option<LocalId> {
        self.clauses.get(&(switch, u32::try_from(clause).ok()?)).copied()
    }

    /// The labeled statement of this name in the function (none) or in the function literal.
    pub fn label(&self, function: Option<ExprId>, name: Name) -> Option<StmtId> {
        self.labels.get(&(function, name)).copied()
    }

    /// Receiver, parameters and results of the function (none) or of a function literal.
    pub fn function_locals(&self, function: Option<ExprId>) -> Option<&FunctionLocals> {
        self.functions.get(&function)
    }

    /// The type arguments, given or inferred, of a generic function where it is named. Keyed by the expression that
    /// names it: an identifier or a selector.
    pub fn instance(&self, expr: ExprId) -> Option<&[Type]> {
        self.instances.get(&expr).map(Vec::as_slice)
    }
}
