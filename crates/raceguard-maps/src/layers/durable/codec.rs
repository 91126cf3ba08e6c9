//! [`Codec`]: how keys and values become bytes in a log, under a name that the log keeps.

use thiserror::Error;

/// Bytes that are no value, or a value that has no bytes.
///
/// ```
/// use raceguard_maps::durable::{Codec, CodecError, Native};
///
/// let broken: Result<String, CodecError> = Native.decode(&[0xFF]);
/// assert!(!broken.unwrap_err().to_string().is_empty());
/// assert_eq!(CodecError::new("a side is one byte").to_string(), "a side is one byte");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct CodecError(String);

impl CodecError {
    /// An error with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Turns values of one type into bytes and back.
///
/// `decode` must give back what `encode` was given, must not panic on any bytes, and must not allocate more than in
/// proportion to them: a damaged log reaches it only when a checksum collides, a log of a changed type always.
///
/// ```
/// use raceguard_maps::durable::{Codec, CodecError};
///
/// #[derive(Clone, Copy, PartialEq, Debug)]
/// enum Side { Buy, Sell }
///
/// struct Sides;
///
/// impl Codec<Side> for Sides {
///     fn name(&self) -> String {
///         "side/1".to_owned() // another number when the bytes change
///     }
///
///     fn encode(&self, side: &Side, out: &mut Vec<u8>) -> Result<(), CodecError> {
///         out.push(match side { Side::Buy => 0, Side::Sell => 1 });
///         Ok(())
///     }
///
///     fn decode(&self, bytes: &[u8]) -> Result<Side, CodecError> {
///         match bytes {
///             [0] => Ok(Side::Buy),
///             [1] => Ok(Side::Sell),
///             _ => Err(CodecError::new("a side is one byte, 0 or 1")),
///         }
///     }
/// }
///
/// let mut bytes = Vec::new();
/// Sides.encode(&Side::Sell, &mut bytes)?;
/// assert_eq!(Sides.decode(&bytes)?, Side::Sell);
/// # Ok::<(), CodecError>(())
/// ```
pub trait Codec<T>: Send + Sync {
    /// Name and version of the encoding, up to 255 bytes. A log that was written under another name is refused.
    fn name(&self) -> String;

    /// Appends the bytes of `value`.
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// The value whose bytes these are; all of them.
    fn decode(&self, bytes: &[u8]) -> Result<T, CodecError>;
}

/// Integers as little endian, `String` as UTF-8, `Vec<u8>` as it is, `bool` as one byte, `()` as none.
///
/// ```
/// use raceguard_maps::durable::{Codec, Native};
///
/// let mut bytes = Vec::new();
/// Native.encode(&7_u64, &mut bytes)?;
/// assert_eq!((bytes.len(), Native.decode(&bytes)?), (8, 7_u64));
/// # Ok::<(), raceguard_maps::durable::CodecError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Native;

macro_rules! integers {
    ($($integer:ident)*) => {$(
        impl Codec<$integer> for Native {
            fn name(&self) -> String {
                concat!(stringify!($integer), "/le").to_owned()
            }

            fn encode(&self, value: &$integer, out: &mut Vec<u8>) -> Result<(), CodecError> {
                out.extend_from_slice(&value.to_le_bytes());
                Ok(())
            }

            fn decode(&self, bytes: &[u8]) -> Result<$integer, CodecError> {
                bytes.try_into().map($integer::from_le_bytes).map_err(|_| {
                    CodecError::new(format!("{} bytes are no {}", bytes.len(), stringify!($integer)))
                })
            }
        }
    )*};
}

integers!(u8 u16 u32 u64 u128 i8 i16 i32 i64 i128);

impl Codec<String> for Native {
    fn name(&self) -> String {
        "utf-8".to_owned()
    }

    fn encode(&self, value: &String, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<String, CodecError> {
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| CodecError::new(error.to_string()))
    }
}

impl Codec<Vec<u8>> for Native {
    fn name(&self) -> String {
        "bytes".to_owned()
    }

    fn encode(&self, value: &Vec<u8>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(value);
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
        Ok(bytes.to_vec())
    }
}

impl Codec<bool> for Native {
    fn name(&self) -> String {
        "bool".to_owned()
    }

    fn encode(&self, value: &bool, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.push(u8::from(*value));
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<bool, CodecError> {
        match bytes {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(CodecError::new("a bool is one byte, 0 or 1")),
        }
    }
}

impl Codec<()> for Native {
    fn name(&self) -> String {
        "unit".to_owned()
    }

    fn encode(&self, (): &(), _: &mut Vec<u8>) -> Result<(), CodecError> {
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<(), CodecError> {
        if bytes.is_empty() { Ok(()) } else { Err(CodecError::new("nothing was expected")) }
    }
}

/// Any serde type, in postcard's format.
///
/// Postcard writes no names and no types, so that bytes of a changed type may decode to nonsense: count up the version
/// in the name whenever a field is added, removed, moved or retyped.
///
/// ```
/// use raceguard_maps::durable::{Codec, Postcard};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Order {
///     id: u64,
///     note: Option<String>,
/// }
///
/// let codec = Postcard::named("order/1"); // 2 when a field comes or goes
/// let order = Order { id: 7, note: None };
/// let mut bytes = Vec::new();
/// codec.encode(&order, &mut bytes)?;
/// assert_eq!(Codec::<Order>::decode(&codec, &bytes)?, order);
/// # Ok::<(), raceguard_maps::durable::CodecError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postcard {
    name: String,
}

impl Postcard {
    /// An encoding under this name, as `"order/1"`.
    pub fn named(name: &str) -> Self {
        Self { name: format!("postcard:{name}") }
    }
}

impl<T: serde::Serialize + serde::de::DeserializeOwned> Codec<T> for Postcard {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let start = std::mem::take(out);
        *out = postcard::to_extend(value, start).map_err(|error| CodecError::new(error.to_string()))?;
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, CodecError> {
        let (value, rest) =
            postcard::take_from_bytes(bytes).map_err(|error| CodecError::new(error.to_string()))?;
        if rest.is_empty() {
            Ok(value)
        } else {
            Err(CodecError::new(format!("{} bytes are left over", rest.len())))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    fn round_trip<T: PartialEq + Debug>(codec: &impl Codec<T>, value: &T) {
        let mut bytes = Vec::new();
        codec.encode(value, &mut bytes).expect("encodes");
        assert_eq!(&codec.decode(&bytes).expect("decodes"), value);
        bytes.extend([255, 255, 255]);
        assert!(codec.decode(&bytes).is_err() || codec.decode(&bytes).ok().as_ref() != Some(value));
    }

    #[test]
    fn values_come_back_and_other_lengths_do_not() {
        round_trip(&Native, &u64::MAX);
        round_trip(&Native, &i128::MIN);
        round_trip(&Native, &"grüß".to_owned());
        round_trip(&Native, &vec![0_u8, 1]);
        round_trip(&Native, &true);
        round_trip(&Native, &());
    }

    #[test]
    fn serde_types_come_back() {
        round_trip(&Postcard::named("pair/1"), &(7_u32, Some("x".to_owned())));
        assert!(Codec::<Vec<u64>>::decode(&Postcard::named("v"), &[255, 255, 255, 255, 15]).is_err());
    }
}
