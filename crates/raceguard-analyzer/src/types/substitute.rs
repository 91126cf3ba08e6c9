//! Types with arguments in the place of type parameters.

use std::sync::Arc;

use super::object::ObjectId;
use super::ty::{InterfaceType, Method, Param, Signature, StructType, Type, Union};

/// Arguments for the type parameters of one generic type, function or method.
#[derive(Debug, Clone, Copy)]
pub(super) struct Substitution<'a> {
    /// Whose type parameters are replaced.
    pub(super) owner: ObjectId,
    /// What they are replaced by; a missing one is unknown.
    pub(super) args: &'a [Type],
}

impl Substitution<'_> {
    /// The type with its type parameters replaced.
    pub(super) fn apply(self, ty: &Type) -> Type {
        self.changed(ty).unwrap_or_else(|| ty.clone())
    }

    /// The same, of a signature. If its own type parameters are replaced, it is generic no longer.
    pub(super) fn apply_signature(self, signature: &Signature) -> Option<Arc<Signature>> {
        let params = self.params(&signature.params);
        let results = self.params(&signature.results);
        let closes = signature.generic.is_some_and(|(owner, _)| owner == self.owner);
        if params.is_none() && results.is_none() && !closes {
            return None;
        }
        Some(Arc::new(Signature {
            params: params.unwrap_or_else(|| signature.params.clone()),
            results: results.unwrap_or_else(|| signature.results.clone()),
            variadic: signature.variadic,
            generic: if closes { None } else { signature.generic },
        }))
    }

    /// The type if replacing changes it.
    fn changed(self, ty: &Type) -> Option<Type> {
        Some(match ty {
            Type::Unknown | Type::Basic(_) | Type::Named(_, None) | Type::Local(_) => return None,
            Type::Named(id, Some(args)) => Type::Named(*id, Some(Arc::new(self.list(args)?))),
            Type::Pointer(element) => Type::Pointer(Arc::new(self.changed(element)?)),
            Type::Slice(element) => Type::Slice(Arc::new(self.changed(element)?)),
            Type::Array(element, length) => Type::Array(Arc::new(self.changed(element)?), *length),
            Type::Chan(direction, element) => Type::Chan(*direction, Arc::new(self.changed(element)?)),
            Type::Tuple(items) => Type::Tuple(Arc::new(self.list(items)?)),
            Type::Map(entry) => {
                let (key, value) = (self.changed(&entry.0), self.changed(&entry.1));
                if key.is_none() && value.is_none() {
                    return None;
                }
                let key = key.unwrap_or_else(|| entry.0.clone());
                Type::Map(Arc::new((key, value.unwrap_or_else(|| entry.1.clone()))))
            }
            Type::Func(signature) => Type::Func(self.apply_signature(signature)?),
            Type::Struct(fields) => Type::Struct(Arc::new(self.structure(fields)?)),
            Type::Interface(interface) => Type::Interface(Arc::new(self.interface(interface)?)),
            Type::TypeParam(owner, index) => {
                if *owner != self.owner {
                    return None;
                }
                self.args.get(*index as usize).cloned().unwrap_or_default()
            }
        })
    }

    fn list(self, types: &[Type]) -> Option<Vec<Type>> {
        let first = types.iter().position(|ty| self.changed(ty).is_some())?;
        let mut list = types[..first].to_vec();
        list.extend(types[first..].iter().map(|ty| self.apply(ty)));
        Some(list)
    }

    fn params(self, params: &[Param]) -> Option<Vec<Param>> {
        let first = params.iter().position(|param| self.changed(&param.ty).is_some())?;
        let mut list = params[..first].to_vec();
        list.extend(
            params[first..].iter().map(|param| Param { name: param.name, ty: self.apply(&param.ty) }),
        );
        Some(list)
    }

    fn structure(self, structure: &StructType) -> Option<StructType> {
        structure.fields.iter().find(|field| self.changed(&field.ty).is_some())?;
        let mut fields = structure.fields.clone();
        for field in &mut fields {
            if let Some(ty) = self.changed(&field.ty) {
                field.ty = ty;
            }
        }
        Some(StructType { package: structure.package, file: structure.file, fields })
    }

    fn interface(self, interface: &InterfaceType) -> Option<InterfaceType> {
        let methods = interface.methods.iter().map(|method| self.apply_signature(&method.signature));
        let methods: Vec<Option<Arc<Signature>>> = methods.collect();
        let in_unions = interface.embedded.iter().flat_map(|union| &union.terms);
        let unions_change = in_unions.clone().any(|(_, ty)| self.changed(ty).is_some());
        if !unions_change && methods.iter().all(Option::is_none) {
            return None;
        }
        let methods = interface.methods.iter().zip(methods).map(|(method, changed)| Method {
            signature: changed.unwrap_or_else(|| method.signature.clone()),
            ..method.clone()
        });
        let embedded = interface.embedded.iter().map(|union| Union {
            terms: union.terms.iter().map(|(tilde, ty)| (*tilde, self.apply(ty))).collect(),
        });
        Some(InterfaceType {
            package: interface.package,
            methods: methods.collect(),
            embedded: embedded.collect(),
        })
    }
}
