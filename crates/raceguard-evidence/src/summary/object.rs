//! Readers of JSON that accept what the records accept, and build next to nothing.
//!
//! Records keep fields that they do not know, so reading one reads all of it into memory. What is read here instead has to be
//! checked as strictly: a number that is out of range or half a surrogate pair in an unknown field makes a line no record.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// Any value, checked as if it was kept, and dropped.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Anything;

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Unlike `IgnoredAny` this makes the deserialiser parse numbers and strings.
        deserializer.deserialize_any(AnyVisitor)
    }
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Anything;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_str<E>(self, _: &str) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_unit<E>(self) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Anything, A::Error> {
        while items.next_element::<Anything>()?.is_some() {}
        Ok(Anything)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Anything, A::Error> {
        while fields.next_entry::<Key, Anything>()?.is_some() {}
        Ok(Anything)
    }
}

/// The name of a field, dropped.
struct Key;

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_str<E>(self, _: &str) -> Result<Key, E> {
                Ok(Key)
            }
        }

        deserializer.deserialize_str(KeyVisitor)
    }
}

/// An object with any fields, dropped.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct AnyObject;

impl<'de> Deserialize<'de> for AnyObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AnyVisitor).map(|Anything| Self)
    }
}

/// A list of which each item is checked and dropped.
#[derive(Debug)]
pub(super) struct Each<T>(PhantomData<fn() -> T>);

impl<T> Default for Each<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Each<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EachVisitor<T>(PhantomData<fn() -> T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for EachVisitor<T> {
            type Value = Each<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Each<T>, A::Error> {
                while items.next_element::<T>()?.is_some() {}
                Ok(Each::default())
            }
        }

        deserializer.deserialize_seq(EachVisitor(PhantomData))
    }
}

/// A value of a type of its own, checked and dropped.
#[derive(Debug)]
pub(super) struct Checked<T>(PhantomData<fn() -> T>);

impl<T> Default for Checked<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Checked<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(|_| Self::default())
    }
}

/// A string, dropped.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct AnyText;

impl<'de> Deserialize<'de> for AnyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Key::deserialize(deserializer).map(|Key| Self)
    }
}

/// Declares an object by those of its fields whose types are checked; a field may come once, others may come as they like.
///
/// `serde`'s derive would do, but for two things: it takes a list for an object too, which records do not, and what it
/// skips it does not check.
macro_rules! object {
    ($(#[$doc:meta])* $name:ident<$life:lifetime> { $($required:ident: $required_type:ty,)* } optional { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug)]
        #[allow(dead_code, reason = "some fields are checked and not used")]
        pub(super) struct $name<$life> {
            $(pub(super) $required: $required_type,)*
            $(pub(super) $field: $type,)*
            pub(super) life: std::marker::PhantomData<&$life ()>,
        }

        impl<'de: $life, $life> serde::Deserialize<'de> for $name<$life> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ObjectVisitor<$life>(std::marker::PhantomData<&$life ()>);

                impl<'de: $life, $life> serde::de::Visitor<'de> for ObjectVisitor<$life> {
                    type Value = $name<$life>;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        formatter.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
                        use serde::de::Error as _;
                        $(let mut $required: Option<$required_type> = None;)*
                        $(let mut $field: Option<$type> = None;)*
                        while let Some(crate::summary::object::Name(key)) = fields.next_key()? {
                            match &*key {
                                $(stringify!($required) if $required.is_some() => {
                                    return Err(A::Error::duplicate_field(stringify!($required)));
                                })*
                                $(stringify!($field) if $field.is_some() => {
                                    return Err(A::Error::duplicate_field(stringify!($field)));
                                })*
                                $(stringify!($required) => $required = Some(fields.next_value()?),)*
                                $(stringify!($field) => $field = Some(fields.next_value()?),)*
                                _ => {
                                    fields.next_value::<crate::summary::object::Anything>()?;
                                }
                            }
                        }
                        Ok($name {
                            $($required: $required.ok_or_else(|| A::Error::missing_field(stringify!($required)))?,)*
                            $($field: $field.unwrap_or_default(),)*
                            life: std::marker::PhantomData,
                        })
                    }
                }

                deserializer.deserialize_map(ObjectVisitor(std::marker::PhantomData))
            }
        }
    };
}
pub(super) use object;

/// A string, borrowed where it can be.
#[derive(Debug, Clone, Default)]
pub(super) struct Name<'a>(pub(super) std::borrow::Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(text.to_owned().into()))
            }
        }

        deserializer.deserialize_str(NameVisitor)
    }
}
