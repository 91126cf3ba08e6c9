//! Numbers of base 128, the lowest seven bits first, as protocol buffers and Go's execution traces write them.

/// Takes a number off the front; `None` when there is no whole one, or it has more than 64 bits.
#[inline]
pub(super) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        *bytes = rest;
        return Some(u64::from(first));
    }
    take_long_varint(bytes)
}

fn take_long_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for (index, &byte) in bytes.iter().take(10).enumerate() {
        if index == 9 && byte > 1 {
            return None;
        }
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            *bytes = &bytes[index + 1..];
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::take_varint;

    #[test]
    fn numbers_have_up_to_64_bits() {
        assert_eq!(take_varint(&mut [0xff; 11].as_slice()), None);
        assert_eq!(take_varint(&mut [0x80].as_slice()), None);
        let mut two = [0x96, 1, 7].as_slice();
        assert_eq!(
            (take_varint(&mut two), take_varint(&mut two), take_varint(&mut two)),
            (Some(150), Some(7), None)
        );
        let mut largest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1].as_slice();
        assert_eq!(take_varint(&mut largest), Some(u64::MAX));
    }
}
