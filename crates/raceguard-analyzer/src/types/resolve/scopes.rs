//! Which names are visible, and what they stand for.

use foldhash::HashMap;

use super::Resolver;
use crate::syntax::name::Name;
use crate::syntax::span::Span;
use crate::types::body::{Local, LocalId, LocalKind};
use crate::types::object::ObjectId;
use crate::types::ty::Type;
use crate::types::universe::{Predeclared, predeclared};

/// What a name inside a function stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Binding {
    /// A local.
    Local(LocalId),
    /// A type parameter.
    TypeParam(ObjectId, u32),
}

/// What a name stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meaning {
    /// Declared in the function.
    Inner(Binding),
    /// Declared at package level.
    Object(ObjectId),
    /// An import of the file.
    Import(u32),
    /// Predeclared.
    Predeclared(&'static Predeclared),
    /// Not known.
    Unknown,
}

/// The names that are declared in a function, at one place of it.
#[derive(Debug, Default)]
pub(super) struct Scopes {
    /// What each name stands for, and how deep the scope is that declares it.
    bindings: HashMap<Name, (Binding, u32)>,
    /// What to restore when scopes are left, innermost last.
    hidden: Vec<(Name, Option<(Binding, u32)>)>,
    /// Length of `hidden` when each open scope was entered.
    marks: Vec<usize>,
}

impl Scopes {
    fn depth(&self) -> u32 {
        u32::try_from(self.marks.len()).unwrap_or(u32::MAX)
    }

    /// Makes a name visible in the current scope. Gives what it hides.
    pub(super) fn bind(&mut self, name: Name, binding: Binding) -> Option<Binding> {
        if name.is_blank() {
            return None;
        }
        let hidden = self.bindings.insert(name, (binding, self.depth()));
        self.hidden.push((name, hidden));
        hidden.map(|(binding, _)| binding)
    }

    /// What a name stands for.
    pub(super) fn get(&self, name: Name) -> Option<Binding> {
        self.bindings.get(&name).map(|(binding, _)| *binding)
    }

    /// The local of this name that the current scope itself declares.
    pub(super) fn local_here(&self, name: Name) -> Option<LocalId> {
        match self.bindings.get(&name) {
            Some((Binding::Local(local), depth)) if *depth == self.depth() => Some(*local),
            _ => None,
        }
    }

    /// Opens a scope.
    pub(super) fn enter(&mut self) {
        self.marks.push(self.hidden.len());
    }

    /// Closes the current scope.
    pub(super) fn leave(&mut self) {
        let Some(mark) = self.marks.pop() else { return };
        for (name, hidden) in self.hidden.drain(mark..).rev() {
            match hidden {
                Some(binding) => {
                    self.bindings.insert(name, binding);
                }
                None => {
                    self.bindings.remove(&name);
                }
            }
        }
    }
}

impl Resolver<'_> {
    /// What a name stands for here.
    pub(super) fn meaning(&self, name: Name) -> Meaning {
        if let Some(binding) = self.scopes.get(name) {
            return Meaning::Inner(binding);
        }
        if let Some(object) = self.program.lookup(self.package, name) {
            return Meaning::Object(object);
        }
        if let Some(import) = self.file_scope.names.get(&name) {
            return Meaning::Import(*import);
        }
        for import in &self.file_scope.dot_imports {
            if name.is_exported()
                && let Some(package) = self.file_scope.imports[*import as usize].package
                && let Some(object) = self.program.lookup(package, name)
            {
                return Meaning::Object(object);
            }
        }
        if let Some(import) = self.file_scope.guesses.get(&name) {
            return Meaning::Import(*import);
        }
        predeclared(name).map_or(Meaning::Unknown, Meaning::Predeclared)
    }

    /// Declares a local in the current scope.
    pub(super) fn declare(&mut self, name: Name, span: Span, ty: Type, kind: LocalKind) -> LocalId {
        let local = LocalId(u32::try_from(self.info.locals.len()).unwrap_or(u32::MAX));
        let shadowed = match self.scopes.bind(name, Binding::Local(local)) {
            Some(Binding::Local(hidden)) => Some(hidden),
            _ => None,
        };
        self.info.locals.push(Local { name, span, ty, kind, owner: self.owner, shadowed });
        local
    }

    /// Runs `inner` in a scope of its own.
    pub(super) fn scoped<T>(&mut self, inner: impl FnOnce(&mut Self) -> T) -> T {
        self.scopes.enter();
        let result = inner(self);
        self.scopes.leave();
        result
    }
}
