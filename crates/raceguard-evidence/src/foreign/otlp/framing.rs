//! How protocol buffers of OTLP lie in a file, and how they are recognised: they have no magic number.

use crate::foreign::Recognition;
use crate::foreign::varint::take_varint;

/// What stands before a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// Nothing: the file is one message.
    None,
    /// Its length in four bytes, big endian.
    FourBytes,
    /// Its length as a varint.
    Varint,
}

/// Tags of fields that hold bytes: number 1 and number 2.
const FIRST: u8 = 0x0a;
const SECOND: u8 = 0x12;

impl Framing {
    /// The framing of a file that begins with `head`; `None` when it is no OTLP.
    pub(super) fn of(head: &[u8]) -> Option<(Self, Recognition)> {
        let plain = (Self::None, Some(head));
        let four_bytes = (Self::FourBytes, head.split_first_chunk::<4>().map(|(_, rest)| rest));
        let mut rest = head;
        let varint = (Self::Varint, take_varint(&mut rest).map(|_| rest));
        [plain, four_bytes, varint].into_iter().find_map(|(framing, message)| {
            let recognition = recognise_message(message?)?;
            Some((framing, recognition))
        })
    }
}

/// Whether a message begins with a resource and what is of it, `{1: {1: resource, 2: [{scope, items}]}}`.
fn recognise_message(head: &[u8]) -> Option<Recognition> {
    let (tag, per_resource) = field(head)?;
    if tag != FIRST {
        return None;
    }
    match field(per_resource)? {
        (FIRST, resource) => {
            // No attribute of the resource: an SDK always gives some.
            if resource.is_empty() {
                return Some(Recognition::Maybe);
            }
            let (tag, attribute) = field(resource)?;
            let (name_tag, name) = field(attribute)?;
            let is_name = !name.is_empty() && name.iter().all(|byte| matches!(byte, b'!'..=b'~'));
            (tag == FIRST && name_tag == FIRST && is_name).then_some(Recognition::Sure)
        }
        (SECOND, per_scope) => {
            let (tag, _) = field(per_scope)?;
            matches!(tag, FIRST | SECOND).then_some(Recognition::Maybe)
        }
        _ => None,
    }
}

/// Tag and content of a field that holds bytes; the content may end with the head.
fn field(head: &[u8]) -> Option<(u8, &[u8])> {
    let (&tag, mut rest) = head.split_first()?;
    if tag & 7 != 2 {
        return None;
    }
    let length = usize::try_from(take_varint(&mut rest)?).ok()?;
    Some((tag, &rest[..length.min(rest.len())]))
}
