//! Names and types.
//!
//! [`Program`] holds all packages with their declarations. What a package-level name means is computed when first
//! asked for and kept; asking from many threads at once is fine and gives the same answers in any order. Function
//! bodies are resolved one at a time by [`resolve_body`], whose result lies in tables beside the body's arena.
//!
//! Invariants:
//!
//! - What can't be known is [`Type::Unknown`] or an `Unknown` variant; it is never guessed. Nothing here reports errors:
//!   code that the compiler would reject gives unknowns.
//! - Types are values without a global interner: [`Type`] is small, and shares its parts.
//! - Resolution does no I/O and never panics on bad code.
//!
//! Start reading at [`ty`] for the types, [`program`] for packages and their objects, [`body`] for what is known of a
//! body, and the private module `resolve` for how it is found out.

mod basic;
pub mod body;
mod collect;
mod comments;
mod cycles;
mod declared;
pub mod display;
mod identical;
mod implementations;
mod infer;
pub mod interfaces;
pub mod loaded;
mod members;
pub mod object;
pub mod program;
mod resolve;
mod runtime_names;
pub mod standard_library;
mod substitute;
pub mod summary;
pub mod ty;
mod underlying;
pub mod universe;

pub use body::{
    BodyInfo, Callee, Entity, FieldStep, FunctionLocals, Local, LocalId, LocalKind, Mode, Selection,
    SelectionMethod,
};
pub use interfaces::MethodOf;
pub use loaded::{FileErrors, LoadedProgram, Origin};
pub use object::{FuncId, Object, ObjectId, ObjectKind, PackageId};
pub use program::{FileInput, Import, Package, PackageInput, Program, Role};
pub use resolve::{resolve_body, resolve_initialisers};
pub use runtime_names::closure_names;
pub use ty::{Basic, Field, InterfaceType, LocalType, Method, Param, Signature, StructType, Type};
pub use universe::Builtin;
