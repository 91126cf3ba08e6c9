//! Which functions a call of an interface method may reach: class-hierarchy analysis.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use foldhash::HashMap;

use super::interfaces::MethodOf;
use super::object::{FuncId, ObjectId, ObjectKind, PackageId};
use super::program::{Program, Role};
use super::ty::{Method, Type};
use crate::syntax::name::Name;

/// Implementations by interface and method.
type Answers = HashMap<(ObjectId, Name), Arc<Vec<FuncId>>>;

/// Named types by the methods they have, and answers given before.
#[derive(Debug, Default)]
pub(super) struct ImplementationIndex {
    types: OnceLock<HashMap<Name, Vec<ObjectId>>>,
    answers: Mutex<Answers>,
}

impl Program {
    /// The methods with bodies that a call of this method of an interface may reach: those of all types of the
    /// analysed packages that implement the interface, in ascending order. For a type parameter: by its constraint.
    pub fn implementations(&self, interface: &Type, method: Name) -> Arc<Vec<FuncId>> {
        let key = match interface {
            Type::Named(id, None) => Some((*id, method)),
            _ => None,
        };
        if let Some(key) = &key {
            let answers = self.implementations.answers.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = answers.get(key) {
                return known.clone();
            }
        }
        let answer = Arc::new(self.find_implementations(&self.interface_methods(interface), method));
        if let Some(key) = key {
            let mut answers = self.implementations.answers.lock().unwrap_or_else(PoisonError::into_inner);
            return answers.entry(key).or_insert(answer).clone();
        }
        answer
    }

    fn find_implementations(&self, methods: &[Method], method: Name) -> Vec<FuncId> {
        let index = self.implementations.types.get_or_init(|| self.types_by_method());
        if !methods.iter().any(|declared| declared.name == method) {
            return Vec::new();
        }
        let candidates = index.get(&method).map_or(&[][..], Vec::as_slice);
        let mut functions = Vec::new();
        for id in candidates {
            let ty = self.generic_self(*id);
            if self.implements_all(&ty, methods)
                && let Some(MethodOf { func, .. }) = self.concrete_method(&ty, method, id.package)
            {
                functions.push(func);
            }
        }
        functions.sort_unstable();
        functions.dedup();
        functions
    }

    fn types_by_method(&self) -> HashMap<Name, Vec<ObjectId>> {
        let mut index: HashMap<Name, Vec<ObjectId>> = HashMap::default();
        for (package, id) in self.packages().iter().zip(0..) {
            if package.role != Role::Root {
                continue;
            }
            for (object, position) in package.objects().iter().zip(0..) {
                if object.kind != (ObjectKind::Type { alias: false }) {
                    continue;
                }
                let id = ObjectId { package: PackageId(id), index: position };
                if matches!(self.declared_underlying(id), Type::Interface(_)) {
                    continue;
                }
                let mut names = Vec::new();
                self.push_method_names(&Type::Named(id, None), &mut names, &mut Vec::new());
                names.sort_unstable();
                names.dedup_by_key(|(name, _)| *name);
                for (name, _) in names {
                    index.entry(name).or_default().push(id);
                }
            }
        }
        index
    }
}
