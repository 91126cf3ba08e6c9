//! Functions as the analysis sees them.

use std::sync::Arc;

use super::place::{CallId, Place, SiteId, Value, VarId};
use crate::syntax::name::Name;
use crate::syntax::span::Span;
use crate::types::{FuncId, LocalKind, ObjectId, PackageId, Type};

/// A declared function with all function literals in it, or the initialisers of a file's variables.
#[derive(Debug)]
pub struct Unit {
    /// The function; none: initialisers.
    pub func: Option<FuncId>,
    /// Its package.
    pub package: PackageId,
    /// Index of its file in the package.
    pub file: u32,
    /// Whether it stands in a test file.
    pub test: bool,
    /// Its name as Go's runtime spells it.
    pub name: Arc<str>,
    /// All variables of all bodies.
    pub vars: Vec<Var>,
    /// Its own body, then those of its function literals.
    pub bodies: Vec<Body>,
    /// Where objects are made.
    pub sites: Vec<Site>,
    /// Number of its calls.
    pub calls: u32,
}

/// A body of a unit: index of [`Unit::bodies`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BodyId(pub u32);

/// A loop, or another statement that can be left by a jump: index in its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// A variable.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Var {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub ty: Type,
    /// Place of its declaration.
    pub span: Span,
    /// What kind of local it is.
    pub kind: LocalKind,
    /// The body that declares it.
    pub body: BodyId,
    /// The innermost loop of that body around its declaration, if each iteration has a variable of its own.
    pub iteration: Option<NodeId>,
    /// Whether a function literal other than the one that declares it uses it, or its address is taken.
    pub shared: bool,
    /// How often it is assigned to as a whole, its declaration with a value included.
    pub assignments: u32,
    /// Whether it is declared without a value: the zero value is not counted.
    pub zeroed: bool,
    /// Whether it stands in the head of a loop all of whose iterations share it, as before Go 1.22.
    pub shared_by_iterations: bool,
    /// Whether it runs over all indexes of what the loop that declares it goes through.
    pub covers: bool,
}

/// Where an object is made.
#[derive(Debug, Clone)]
pub struct Site {
    /// The expression.
    pub span: Span,
    /// The object's type, without the pointer.
    pub ty: Type,
    /// The variable or field that it is made for.
    pub name: Option<Name>,
    /// The body that makes it.
    pub body: BodyId,
    /// The innermost loop around it.
    pub iteration: Option<NodeId>,
    /// The length or capacity of a channel or slice: the last argument of `make`, if constant.
    pub capacity: Option<i64>,
}

/// A function's or function literal's body.
#[derive(Debug)]
pub struct Body {
    /// The body around it.
    pub parent: Option<BodyId>,
    /// Its name as Go's runtime spells it.
    pub name: Arc<str>,
    /// The receiver, if any, and the parameters.
    pub params: Vec<VarId>,
    /// Whether the first of them is a receiver.
    pub has_receiver: bool,
    /// The results.
    pub results: Vec<VarId>,
    /// What it does.
    pub block: Block,
    /// From `{` to `}`.
    pub span: Span,
}

/// What is done, in order.
pub type Block = Vec<Node>;

/// A thing done.
#[derive(Debug)]
pub enum Node {
    /// Memory is read or written.
    Access(Access),
    /// A value is stored; its [`Node::Access`] comes before, if there is one.
    Assign(Assign),
    /// A call, `go` or `defer`.
    Call(Box<Call>),
    /// A channel operation outside `select`.
    Channel(ChannelOp),
    /// `if`, `switch`: exactly one arm is taken.
    Branch(Branch),
    /// `select`
    Select(Select),
    /// `for`
    Loop(Loop),
    /// `return`
    Return(Vec<Value>, Span),
    /// `break`, `continue`, `goto`
    Jump(Jump),
    /// A call that doesn't return: `panic`, `os.Exit`, `t.Fatal`.
    Stop,
}

/// An access to memory.
#[derive(Debug, Clone)]
pub struct Access {
    /// Which memory.
    pub place: Place,
    /// Whether it writes.
    pub write: bool,
    /// How.
    pub how: How,
    /// The field, if the place is one of a named struct type, or the contents of one.
    pub field: Option<FieldKey>,
    /// The expression.
    pub span: Span,
}

/// How memory is accessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum How {
    /// A variable, field, element or what a pointer points to.
    Plain,
    /// `m[k]`
    MapLookup,
    /// `m[k] = v`
    MapInsert,
    /// `delete(m, k)`
    MapDelete,
    /// `clear(m)`
    MapClear,
    /// `len(m)`
    MapLen,
    /// `range m`
    MapIterate,
    /// By a function that walks its argument: `fmt.Println(m)`, `json.Marshal(m)`, `maps.Clone(m)`.
    HiddenIterate,
    /// The write of `append`.
    Append,
    /// By a function of sync/atomic.
    Atomic,
    /// A send, which looks at whether the channel is closed.
    Send,
    /// `close(c)`
    Close,
    /// `wg.Add(n)`
    GroupAdd,
    /// `wg.Wait()`
    GroupWait,
}

impl How {
    /// What an access of this kind does, as a noun.
    pub const fn noun(self, write: bool) -> &'static str {
        match self {
            Self::Plain if write => "write",
            Self::Plain => "read",
            Self::MapLookup => "map read",
            Self::MapInsert => "map write",
            Self::MapDelete => "map delete",
            Self::MapClear => "map clear",
            Self::MapLen => "map len",
            Self::MapIterate => "map iteration",
            Self::HiddenIterate => "hidden map iteration",
            Self::Append => "append",
            Self::Atomic => "atomic access",
            Self::Send => "send",
            Self::Close => "close",
            Self::GroupAdd => "Add",
            Self::GroupWait => "Wait",
        }
    }

    /// Whether it is an operation on a map's contents.
    pub const fn is_map(self) -> bool {
        matches!(
            self,
            Self::MapLookup
                | Self::MapInsert
                | Self::MapDelete
                | Self::MapClear
                | Self::MapLen
                | Self::MapIterate
                | Self::HiddenIterate
        )
    }
}

/// A field of a named struct type, whatever the instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldKey {
    /// The struct type.
    pub owner: ObjectId,
    /// The field; several where fields of unnamed struct types follow.
    pub fields: Vec<Name>,
    /// Number of the place's last steps that these fields, and the contents, make up.
    pub steps: u32,
    /// Whether it is what the field refers to, not the field itself.
    pub contents: bool,
}

/// A stored value.
#[derive(Debug, Clone)]
pub struct Assign {
    /// Where to.
    pub place: Place,
    /// What.
    pub value: Value,
    /// The statement.
    pub span: Span,
}

/// A call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its number.
    pub id: CallId,
    /// What is called.
    pub target: Target,
    /// The receiver of a method.
    pub receiver: Option<Value>,
    /// The field that the receiver, or else the first argument, is or points to.
    pub field: Option<FieldKey>,
    /// The arguments.
    pub args: Vec<Value>,
    /// Types of the arguments.
    pub arg_types: Vec<Type>,
    /// The fields that the arguments are or point to.
    pub arg_fields: Vec<Option<FieldKey>>,
    /// Now, in a new goroutine, or at the end of the function.
    pub mode: CallMode,
    /// The call expression.
    pub span: Span,
}

/// When a call happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallMode {
    /// Now.
    Now,
    /// In a new goroutine.
    Go,
    /// When the function ends.
    Defer,
}

/// What is called.
#[derive(Debug, Clone)]
pub enum Target {
    /// A declared function or method.
    Function(FuncId),
    /// A method of an interface: its type and name, and the methods of the analysed packages that may be meant.
    Interface(Type, Name, Arc<Vec<FuncId>>),
    /// A function value.
    Value(Value),
    /// A function of a package that is not there: its path, and the name.
    Missing(Name, Name),
    /// Not known.
    Unknown,
}

/// A channel operation.
#[derive(Debug, Clone)]
pub struct ChannelOp {
    /// Which.
    pub kind: ChannelOpKind,
    /// The channel.
    pub channel: Value,
    /// The type of its elements, as far as known.
    pub element: Type,
    /// What is sent.
    pub value: Option<Value>,
    /// Whether it happens when the function ends.
    pub deferred: bool,
    /// The expression.
    pub span: Span,
}

/// The kinds of channel operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChannelOpKind {
    /// `c <- x`
    Send,
    /// `<-c`
    Receive,
    /// `range c`, whose end is the channel's close
    Range,
    /// `close(c)`
    Close,
}

/// What a condition or tag looks at.
#[derive(Debug, Default)]
pub struct Condition {
    /// If it is a call, or the negation of one: that call, and whether it is negated.
    pub call: Option<(CallId, bool)>,
    /// All calls in it.
    pub calls: Vec<CallId>,
    /// Memory that it reads.
    pub reads: Vec<Place>,
}

/// `if` or `switch`.
#[derive(Debug)]
pub struct Branch {
    /// Its number.
    pub id: NodeId,
    /// The arms; an `if` without `else` and a `switch` without `default` have an empty one at the end.
    pub arms: Vec<Block>,
    /// What decides between the arms.
    pub condition: Condition,
    /// The statement.
    pub span: Span,
}

/// `select`
#[derive(Debug)]
pub struct Select {
    /// Its number.
    pub id: NodeId,
    /// The arms, each with its operation, unless it is the default.
    pub arms: Vec<(Option<ChannelOp>, Block)>,
    /// The statement.
    pub span: Span,
}

/// `for`
#[derive(Debug)]
pub struct Loop {
    /// Its number.
    pub id: NodeId,
    /// Condition, body and what follows each iteration.
    pub body: Block,
    /// Whether it can end only by a jump: `for { }`.
    pub endless: bool,
    /// What decides whether it goes on.
    pub condition: Condition,
    /// The number of iterations, if it is known to be at most one.
    pub at_most_once: bool,
    /// The channel whose close ends it.
    pub range_channel: Option<Value>,
    /// The statement.
    pub span: Span,
}

/// `break`, `continue`, `goto`
#[derive(Debug, Clone, Copy)]
pub struct Jump {
    /// The statement that is left or continued; none for `goto`.
    pub target: Option<NodeId>,
    /// Whether it is continued.
    pub again: bool,
}

impl Var {
    /// Whether it has one value all its life, as far as it matters: a function variable that is declared first, so
    /// that the function can call itself, is taken to have the value that it is given then.
    pub fn is_constant(&self) -> bool {
        !self.shared_by_iterations
            && self.assignments == 1
            && (!self.zeroed || matches!(self.ty, Type::Func(_)))
    }

    /// Whether it names the same index wherever it is used: constant, or counting a loop that has its own for each
    /// iteration.
    pub fn is_stable_index(&self) -> bool {
        let counts = self.kind == LocalKind::ForVar && self.assignments == 2 && !self.shared_by_iterations;
        self.is_constant() || counts
    }
}

impl Unit {
    /// A variable.
    pub fn var(&self, id: VarId) -> &Var {
        &self.vars[id.0 as usize]
    }

    /// A body.
    pub fn body(&self, id: BodyId) -> &Body {
        &self.bodies[id.0 as usize]
    }

    /// The call with this number.
    pub fn call(&self, id: CallId) -> Option<&Call> {
        let mut found = None;
        for body in &self.bodies {
            for_each_call(&body.block, &mut |call| {
                if call.id == id {
                    found = Some(call);
                }
            });
        }
        found
    }

    /// Where an object is made.
    pub fn site(&self, id: SiteId) -> &Site {
        &self.sites[id.0 as usize]
    }
}

/// Visits all calls of a block and the blocks in it. Function literals are bodies of their own.
pub fn for_each_call<'a>(block: &'a [Node], visit: &mut impl FnMut(&'a Call)) {
    for_each_node(block, &mut |node| {
        if let Node::Call(call) = node {
            visit(call);
        }
    });
}

/// Visits all nodes of a block and the blocks in it.
pub fn for_each_node<'a>(block: &'a [Node], visit: &mut impl FnMut(&'a Node)) {
    for node in block {
        visit(node);
        match node {
            Node::Branch(branch) => branch.arms.iter().for_each(|arm| for_each_node(arm, visit)),
            Node::Select(select) => select.arms.iter().for_each(|(_, arm)| for_each_node(arm, visit)),
            Node::Loop(inner) => for_each_node(&inner.body, visit),
            _ => {}
        }
    }
}
