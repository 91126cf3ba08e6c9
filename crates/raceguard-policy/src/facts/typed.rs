//! How the types of facts look to conditions, and how their values get there.
//!
//! [`facts!`] declares a struct of facts once: its fields, their documentation, the type that a condition sees, and the
//! value. Checking of conditions, the reference in the docs and the JSON Schema all come from that one declaration.

use std::collections::HashMap;
use std::sync::Arc;

use cel::Value;

/// The type of a value in a condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A number with a fraction.
    Double,
    /// Text.
    Text,
    /// `null` alone.
    Null,
    /// A list of values of one type.
    List(Box<Type>),
    /// Named fields.
    Record(&'static Record),
    /// A value, or `null` when it is not known.
    Nullable(Box<Type>),
    /// Anything: what the checker does not know more of.
    Any,
}

/// A kind of fact: named fields.
#[derive(Debug)]
pub struct Record {
    /// Name, for people.
    pub name: &'static str,
    /// What it is, one paragraph.
    pub doc: &'static str,
    /// Its fields, in their order.
    pub fields: &'static [Field],
}

/// A field of a [`Record`].
#[derive(Debug)]
pub struct Field {
    /// Name.
    pub name: &'static str,
    /// What it says.
    pub doc: &'static str,
    /// Type in conditions.
    pub ty: fn() -> Type,
}

// A record is the one of its name: there is one declaration for each.
impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Record {
    /// The field of a name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The names of all fields.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.fields.iter().map(|field| field.name)
    }
}

impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Double => f.write_str("double"),
            Self::Text => f.write_str("string"),
            Self::Null => f.write_str("null"),
            Self::List(item) => write!(f, "list of {item}"),
            Self::Record(record) => f.write_str(record.name),
            Self::Nullable(inner) => write!(f, "{inner} or null"),
            Self::Any => f.write_str("any value"),
        }
    }
}

/// A value that conditions can look at.
pub trait Fact {
    /// The type that conditions see.
    fn ty() -> Type;

    /// The value that conditions see.
    fn value(&self) -> Value;
}

impl Fact for bool {
    fn ty() -> Type {
        Type::Bool
    }

    fn value(&self) -> Value {
        Value::Bool(*self)
    }
}

/// Conditions know one kind of whole number, so that `finding.line > 3` needs no suffix.
impl Fact for u64 {
    fn ty() -> Type {
        Type::Int
    }

    fn value(&self) -> Value {
        Value::Int(i64::try_from(*self).unwrap_or(i64::MAX))
    }
}

impl Fact for f64 {
    fn ty() -> Type {
        Type::Double
    }

    fn value(&self) -> Value {
        Value::Float(*self)
    }
}

impl Fact for String {
    fn ty() -> Type {
        Type::Text
    }

    fn value(&self) -> Value {
        Value::String(Arc::new(self.clone()))
    }
}

impl<T: Fact> Fact for Option<T> {
    fn ty() -> Type {
        Type::Nullable(Box::new(T::ty()))
    }

    fn value(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::value)
    }
}

impl<T: Fact> Fact for Vec<T> {
    fn ty() -> Type {
        Type::List(Box::new(T::ty()))
    }

    fn value(&self) -> Value {
        Value::List(Arc::new(self.iter().map(T::value).collect()))
    }
}

/// A record's value from its fields.
pub fn record_value(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let map: HashMap<String, Value> =
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Value::from(map)
}

/// Declares structs of facts. Every field is documented, has a default, and is visible to conditions by its name.
macro_rules! facts {
    ($(
        #[doc = $doc:literal]
        pub struct $name:ident as $word:literal {
            $(
                #[doc = $field_doc:literal]
                pub $field:ident: $ty:ty,
            )*
        }
    )*) => {$(
        #[doc = $doc]
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $(
                #[doc = $field_doc]
                pub $field: $ty,
            )*
        }

        impl $name {
            /// The fields as conditions see them.
            pub const RECORD: &'static $crate::facts::typed::Record = &$crate::facts::typed::Record {
                name: $word,
                doc: $doc,
                fields: &[$(
                    $crate::facts::typed::Field {
                        name: stringify!($field),
                        doc: $field_doc,
                        ty: <$ty as $crate::facts::typed::Fact>::ty,
                    },
                )*],
            };
        }

        impl $crate::facts::typed::Fact for $name {
            fn ty() -> $crate::facts::typed::Type {
                $crate::facts::typed::Type::Record(Self::RECORD)
            }

            fn value(&self) -> cel::Value {
                $crate::facts::typed::record_value([$(
                    (stringify!($field), $crate::facts::typed::Fact::value(&self.$field)),
                )*])
            }
        }
    )*};
}
pub(crate) use facts;
