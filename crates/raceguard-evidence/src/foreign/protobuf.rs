//! Protocol buffers as they lie in memory: the fields of a message, one after the other, nothing copied.
//!
//! The messages that are read (pprof, OTLP) are few and shallow, so their readers match field numbers themselves.
//! Lengths are checked against what is there before anything is done with them: a message can't make its reader
//! allocate more than its own size.

use super::varint::take_varint;

/// A value as it is on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// `int32`, `int64`, `uint64`, `bool`, enumerations.
    Varint(u64),
    /// `fixed64`, `double`.
    Fixed64(u64),
    /// `fixed32`, `float`.
    Fixed32(u32),
    /// Strings, bytes, messages, packed numbers.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The number of a varint; 0 for another type.
    pub(super) fn number(self) -> u64 {
        if let Self::Varint(number) = self { number } else { 0 }
    }

    /// A varint as a signed number.
    pub(super) fn signed(self) -> i64 {
        self.number().cast_signed()
    }

    /// The number of a `fixed64`; 0 for another type.
    pub(super) fn fixed(self) -> u64 {
        if let Self::Fixed64(number) = self { number } else { 0 }
    }

    /// The bytes of a string or message; empty for another type.
    pub(super) fn bytes(self) -> &'a [u8] {
        if let Self::Bytes(bytes) = self { bytes } else { &[] }
    }

    /// A string; what is not UTF-8 in it is replaced.
    pub(super) fn text(self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }
}

/// A message that ends early, or holds what is no field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damaged {
    /// Offset in the message.
    pub(super) at: usize,
}

/// The fields of a message.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self { message, at: 0 }
    }

    /// Offset of the next field.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    fn next_field(&mut self) -> Option<(u32, Value<'a>)> {
        let mut rest = self.message.get(self.at..)?;
        let tag = take_varint(&mut rest)?;
        let number = u32::try_from(tag >> 3).ok().filter(|&number| number != 0)?;
        let value = match tag & 7 {
            0 => Value::Varint(take_varint(&mut rest)?),
            1 => Value::Fixed64(u64::from_le_bytes(rest.split_off(..8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(take_varint(&mut rest)?).ok()?;
                Value::Bytes(rest.split_off(..length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(rest.split_off(..4)?.try_into().ok()?)),
            _ => return None,
        };
        self.at = self.message.len() - rest.len();
        Some((number, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Damaged>;

    /// The next field. Damage is the last item.
    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.message.len() {
            return None;
        }
        let at = self.at;
        Some(self.next_field().ok_or_else(|| {
            self.at = self.message.len();
            Damaged { at }
        }))
    }
}

/// The numbers of a repeated field, which come packed or one by one.
pub(super) fn for_each_number(value: Value<'_>, mut take: impl FnMut(u64)) {
    match value {
        Value::Bytes(mut packed) => {
            while let Some(number) = take_varint(&mut packed) {
                take(number);
            }
        }
        value => take(value.number()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_all_types_are_read() {
        let message = [8, 0x96, 1, 0x12, 2, b'h', b'i', 0x19, 1, 0, 0, 0, 0, 0, 0, 0, 0x25, 2, 0, 0, 0];
        let fields: Result<Vec<_>, _> = Fields::of(&message).collect();
        let expected = [
            (1, Value::Varint(150)),
            (2, Value::Bytes(b"hi")),
            (3, Value::Fixed64(1)),
            (4, Value::Fixed32(2)),
        ];
        assert_eq!(fields.unwrap(), expected);
    }

    #[test]
    fn a_length_beyond_the_end_is_damage_and_the_end() {
        let mut fields = Fields::of(&[8, 1, 0x12, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(fields.next(), Some(Ok((1, Value::Varint(1)))));
        assert_eq!(fields.next(), Some(Err(Damaged { at: 2 })));
        assert_eq!(fields.next(), None);
    }
}
