//! The functions that conditions may call, and what they take and give.

use crate::facts::typed::Type;

/// A function.
pub(super) struct Function {
    /// Name.
    pub(super) name: &'static str,
    /// How it is called, for people.
    pub(super) usage: &'static str,
    /// What it gives for these arguments, the receiver first; nothing when it does not take them.
    pub(super) result: fn(&[Type]) -> Option<Type>,
}

/// All functions.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "size",
        usage: "size(text) or list.size()",
        result: |arguments| match arguments {
            [Type::Text | Type::List(_) | Type::Any] => Some(Type::Int),
            _ => None,
        },
    },
    Function { name: "contains", usage: "text.contains(part)", result: of_texts },
    Function { name: "startsWith", usage: "text.startsWith(beginning)", result: of_texts },
    Function { name: "endsWith", usage: "text.endsWith(end)", result: of_texts },
    Function { name: "matches", usage: "text.matches('^regular expression$')", result: of_texts },
    Function {
        name: "double",
        usage: "double(number)",
        result: |arguments| converted(arguments, Type::Double),
    },
    Function { name: "int", usage: "int(number)", result: |arguments| converted(arguments, Type::Int) },
    Function {
        name: "string",
        usage: "string(value)",
        result: |arguments| match arguments {
            [Type::Int | Type::Double | Type::Text | Type::Any] => Some(Type::Text),
            _ => None,
        },
    },
];

/// Macros of CEL, which are expanded before checking; known here for suggestions alone.
pub(super) const MACROS: &[&str] = &["has", "all", "exists", "exists_one", "map", "filter"];

fn of_texts(arguments: &[Type]) -> Option<Type> {
    match arguments {
        [Type::Text | Type::Any, Type::Text | Type::Any] => Some(Type::Bool),
        _ => None,
    }
}

fn converted(arguments: &[Type], to: Type) -> Option<Type> {
    match arguments {
        [Type::Int | Type::Double | Type::Any] => Some(to),
        _ => None,
    }
}
