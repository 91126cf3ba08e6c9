//! Access paths: names of memory.
//!
//! A [`Place`] is a root and steps. `s.routes[k]`, with a pointer `s`, is `s`, then a dereference, the field `routes`,
//! and the contents of the map that it refers to. Steps that stay inside the same variable ([`Step::is_inline`]) and
//! steps that follow a reference are apart: a write of a whole struct touches its fields, but not what they point to.

use crate::syntax::name::Name;
use crate::types::ObjectId;

/// A variable of a [`Unit`](super::function::Unit): index of its variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VarId(pub u32);

/// A place in the program that makes a new object: `make`, `new`, a composite literal. Index in its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteId(pub u32);

/// A call: index in its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u32);

/// What a place begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    /// A local variable, parameter or result.
    Var(VarId),
    /// A package-level variable.
    Global(ObjectId),
    /// A new object.
    Site(SiteId),
    /// The n-th result of a call.
    Result(CallId, u8),
    /// Something that nothing is known of; each has a number of its own.
    Opaque(u32),
}

/// Which element of an array or slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Index {
    /// The one with this number.
    Const(i64),
    /// The one that a variable, assigned once, says.
    Var(VarId),
    /// Each of them.
    All,
    /// One that is not known.
    Some,
    /// The one behind the last: where `append` writes.
    End,
}

/// A step from memory to memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// To a field of the struct.
    Field(Name),
    /// To an element of the array.
    Index(Index),
    /// To what the pointer points to.
    Deref,
    /// To an element of what the slice refers to.
    Element(Index),
    /// To the contents of the map.
    Map,
    /// To the state of the channel (open or closed) or WaitGroup (its counter).
    State,
}

impl Step {
    /// Whether the step stays inside the variable.
    pub const fn is_inline(self) -> bool {
        matches!(self, Self::Field(_) | Self::Index(_))
    }
}

/// An access path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// What it begins with.
    pub root: Root,
    /// The steps from there.
    pub steps: Vec<Step>,
}

/// Paths longer than this end in something not known, which bounds those of recursive types.
const MAX_STEPS: usize = 12;

impl Place {
    /// The root itself.
    pub const fn new(root: Root) -> Self {
        Self { root, steps: Vec::new() }
    }

    /// One step further.
    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        self.push(step);
        self
    }

    /// Goes one step further.
    pub fn push(&mut self, step: Step) {
        if self.steps.len() < MAX_STEPS {
            self.steps.push(step);
        } else {
            self.root = Root::Opaque(u32::MAX);
        }
    }

    /// The steps that lead from `prefix` to here.
    pub fn strip<'a>(&'a self, prefix: &Self) -> Option<&'a [Step]> {
        if self.root != prefix.root {
            return None;
        }
        self.steps.strip_prefix(prefix.steps.as_slice())
    }

    /// The variable, object or element that holds this place: the path up to its last reference.
    #[must_use]
    pub fn holder(&self) -> Self {
        let end = self.steps.iter().rposition(|step| !step.is_inline()).map_or(0, |last| last + 1);
        Self { root: self.root, steps: self.steps[..end].to_vec() }
    }
}

/// What is known of a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// Nothing.
    Unknown,
    /// `nil`
    Nil,
    /// A whole number.
    Const(i64),
    /// What this place holds.
    Load(Place),
    /// A reference to this place: a pointer to it, or the map, slice or channel that it is.
    Address(Place),
    /// A function literal: index of the unit's bodies.
    Closure(super::function::BodyId),
    /// A declared function.
    Function(crate::types::FuncId),
    /// A method with its receiver.
    Method(crate::types::FuncId, Box<Value>),
}

impl Value {
    /// The place that a reference with this value refers to, after a step of the given kind: what a pointer points to
    /// ([`Step::Deref`]), the contents of a map, an element of a slice.
    pub fn referent(&self, step: Step) -> Option<Place> {
        match self {
            Self::Address(place) if step == Step::Deref => Some(place.clone()),
            Self::Load(place) | Self::Address(place) => Some(place.clone().step(step)),
            _ => None,
        }
    }

    /// The place whose identity is the object's: where the value was loaded from, or what it refers to.
    pub const fn identity(&self) -> Option<&Place> {
        match self {
            Self::Load(place) | Self::Address(place) => Some(place),
            _ => None,
        }
    }
}
