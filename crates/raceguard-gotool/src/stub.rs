//! Direct calls: lets instrumented Go code call the race runtime on the goroutine's own stack.
//!
//! Go's stubs (runtime/race_amd64.s) change to the system stack for every access and every function entry and exit,
//! which costs more than the race check itself. Six of them end in
//!
//! ```text
//! LEAQ  __tsan_read(SB), AX     48 8d 05 rel32
//! JMP   racecalladdr<>(SB)      e9 rel32
//! ```
//!
//! With three bytes changed the first instruction becomes `JMP __tsan_read(SB)` (66 90 e9 rel32), its relocation as
//! it was. The runtime's object for direct calls finds the goroutine by itself and changes stacks only when it has to;
//! the offsets of Go's structures that it needs for that are read off the same file.
//!
//! Every pattern has to be there exactly as often as expected. If not (another Go version than those known), programs
//! get the stock stubs and the object that expects them: slower, and just as right.

use std::ops::Range;

/// Part of the identity of linked programs: change it with every change of what this module does.
pub const VERSION: &str = "direct-1";

/// Import path of the package that holds the stubs.
pub const PACKAGE: &str = "runtime";
/// The member of its archive.
pub const MEMBER: &str = "race_amd64.o";

/// Placeholders in the object, in the order of [`Offsets`]'s fields.
const PLACEHOLDERS: [u32; 5] = [0x7ead_0001, 0x7ead_0002, 0x7ead_0003, 0x7ead_0004, 0x7ead_0005];

/// Where Go keeps what a change of stacks needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offsets {
    /// `g.racectx`.
    pub g_racectx: u32,
    /// `g.m`.
    pub g_m: u32,
    /// `m.g0`.
    pub m_g0: u32,
    /// `m.gsignal`; as `m_g0` where the stock stubs do not look at it (Go 1.22).
    pub m_gsignal: u32,
    /// `g.sched.sp`.
    pub g_sched_sp: u32,
}

/// Stubs that call directly, and the offsets read off them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectStubs {
    /// The changed archive member.
    pub member: Vec<u8>,
    /// For [`fill_in`].
    pub offsets: Offsets,
}

/// A byte of a pattern: a value, or anything.
type Pattern = [Option<u8>];

macro_rules! pattern {
    (@byte ..) => { None };
    (@byte $byte:literal) => { Some($byte) };
    ($($byte:tt)*) => { &[$(pattern!(@byte $byte)),*] };
}

/// `raceread` and `racewrite`: MOVQ AX, SI; MOVQ (SP), DX; LEAQ; JMP.
const SCALAR: &Pattern = pattern![0x48 0x89 0xc6 0x48 0x8b 0x14 0x24 0x48 0x8d 0x05 0 0 0 0 0xe9 0 0 0 0];
/// `racereadrange` and `racewriterange`: MOVQ AX, SI; MOVQ BX, DX; MOVQ (SP), CX; LEAQ; JMP.
const RANGE: &Pattern = pattern![
    0x48 0x89 0xc6 0x48 0x89 0xda 0x48 0x8b 0x0c 0x24 0x48 0x8d 0x05 0 0 0 0 0xe9 0 0 0 0
];
/// `racefuncenter<>`: MOVQ DX, BX; MOVQ g_racectx(R14), DI; MOVQ R11, SI; LEAQ; CALL.
const ENTER: &Pattern = pattern![
    0x48 0x89 0xd3 0x49 0x8b 0xbe .. .. .. .. 0x4c 0x89 0xde 0x48 0x8d 0x05 0 0 0 0 0xe8 0 0 0 0
];
/// `racefuncexit`: MOVQ g_racectx(R14), DI; LEAQ; JMP; padding or the next function follows.
const EXIT: &Pattern = pattern![0x49 0x8b 0xbe .. .. .. .. 0x48 0x8d 0x05 0 0 0 0 0xe9 0 0 0 0];
/// `racecall<>` of Go 1.24 and later, which looks at gsignal too.
const CALL: &Pattern = pattern![
    0x4d 0x8b 0x6e .. 0x49 0x89 0xe4 0x4d 0x8b 0x55 .. 0x4d 0x39 0xf2 0x74 0x0d 0x4d 0x8b 0x55 ..
    0x4d 0x39 0xf2 0x74 0x04 0x49 0x8b 0x62 .. 0x48 0x83 0xe4 0xf0 0xff 0xd0 0x4c 0x89 0xe4
];
/// `racecall<>` of Go 1.22 and 1.23.
const OLD_CALL: &Pattern = pattern![
    0x4d 0x8b 0x6e .. 0x49 0x89 0xe4 0x4d 0x8b 0x55 .. 0x4d 0x39 0xf2 0x74 0x04 0x49 0x8b 0x62 ..
    0x48 0x83 0xe4 0xf0 0xff 0xd0 0x4c 0x89 0xe4
];

/// LEAQ x(SB), AX.
const LEA: [u8; 3] = [0x48, 0x8d, 0x05];
/// A two-byte NOP and the opcode of JMP: as long as [`LEA`].
const JMP: [u8; 3] = [0x66, 0x90, 0xe9];

/// Changes the stubs in an archive member; `None` when they do not look as expected.
pub fn direct(member: &[u8]) -> Option<DirectStubs> {
    let offsets = offsets(member)?;
    let mut changed = member.to_vec();
    for (pattern, times) in [(SCALAR, 2), (RANGE, 2), (ENTER, 1), (EXIT, 1)] {
        let places: Vec<Range<usize>> = find(member, pattern).collect();
        if places.len() != times {
            return None;
        }
        for place in places {
            let lea = place.start + pattern.windows(3).position(|window| window == LEA.map(Some))?;
            changed[lea..lea + 3].copy_from_slice(&JMP);
        }
    }
    Some(DirectStubs { member: changed, offsets })
}

fn offsets(member: &[u8]) -> Option<Offsets> {
    let enter = single(member, ENTER)?;
    let g_racectx = u32::from_le_bytes(member[enter.start + 6..enter.start + 10].try_into().ok()?);
    let byte = |place: &Range<usize>, at: usize| u32::from(member[place.start + at]);
    let offsets = if let Some(call) = single(member, CALL) {
        Offsets {
            g_racectx,
            g_m: byte(&call, 3),
            m_gsignal: byte(&call, 10),
            m_g0: byte(&call, 19),
            g_sched_sp: byte(&call, 28),
        }
    } else {
        let call = single(member, OLD_CALL)?;
        let m_g0 = byte(&call, 10);
        Offsets { g_racectx, g_m: byte(&call, 3), m_gsignal: m_g0, m_g0, g_sched_sp: byte(&call, 19) }
    };
    let plausible = [offsets.g_m, offsets.m_g0, offsets.m_gsignal, offsets.g_sched_sp, g_racectx]
        .iter()
        .all(|offset| offset % 8 == 0 && *offset < 2048);
    plausible.then_some(offsets)
}

fn single(bytes: &[u8], pattern: &Pattern) -> Option<Range<usize>> {
    let mut places = find(bytes, pattern);
    let first = places.next()?;
    places.next().is_none().then_some(first)
}

fn find<'a>(bytes: &'a [u8], pattern: &'a Pattern) -> impl Iterator<Item = Range<usize>> + 'a {
    bytes.windows(pattern.len()).enumerate().filter_map(move |(at, window)| {
        let matches =
            window.iter().zip(pattern).all(|(byte, wanted)| wanted.is_none_or(|wanted| wanted == *byte));
        matches.then(|| at..at + pattern.len())
    })
}

/// Puts the offsets into the object for direct calls; `None` if a placeholder is missing.
pub fn fill_in(object: &[u8], offsets: &Offsets) -> Option<Vec<u8>> {
    let values = [offsets.g_racectx, offsets.g_m, offsets.m_g0, offsets.m_gsignal, offsets.g_sched_sp];
    let mut object = object.to_vec();
    for (placeholder, value) in PLACEHOLDERS.iter().zip(values) {
        let wanted = placeholder.to_le_bytes();
        let places: Vec<usize> =
            (0..object.len().saturating_sub(3)).filter(|&at| object[at..at + 4] == wanted).collect();
        if places.is_empty() {
            return None;
        }
        for at in places {
            object[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
    }
    Some(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::RACE_OBJECT_DIRECT_V1;

    fn bytes(pattern: &Pattern, wild: u8) -> Vec<u8> {
        pattern.iter().map(|byte| byte.unwrap_or(wild)).collect()
    }

    fn stubs() -> Vec<u8> {
        [SCALAR, SCALAR, RANGE, RANGE, ENTER, EXIT, CALL].map(|pattern| bytes(pattern, 0)).concat()
    }

    #[test]
    fn six_stubs_are_changed_by_three_bytes_each() {
        let stubs = stubs();
        let direct = direct(&stubs).expect("all patterns are there");
        assert_eq!(direct.member.len(), stubs.len());
        let changed = stubs.iter().zip(&direct.member).filter(|(old, new)| old != new).count();
        assert_eq!(changed, 6 * 3);
    }

    #[test]
    fn unknown_stubs_are_left_alone() {
        let stubs = stubs();
        assert_eq!(direct(&stubs[1..]), None, "a stub too few");
        assert_eq!(direct(&[stubs.clone(), bytes(EXIT, 0)].concat()), None, "a stub too many");
        assert_eq!(direct(&[&stubs[..], &bytes(CALL, 8)].concat()), None, "two racecalls");
        assert_eq!(direct(b""), None);
    }

    #[test]
    fn offsets_come_from_the_code() {
        let mut stubs = stubs();
        let call = stubs.len() - CALL.len();
        for (at, value) in [(3, 0x30), (10, 0x48), (19, 0), (28, 0x38)] {
            stubs[call + at] = value;
        }
        let offsets = direct(&stubs).unwrap().offsets;
        let expected = Offsets { g_racectx: 0, g_m: 0x30, m_g0: 0, m_gsignal: 0x48, g_sched_sp: 0x38 };
        assert_eq!(offsets, expected);
    }

    #[test]
    fn the_object_has_every_placeholder() {
        let offsets = Offsets { g_racectx: 0x138, g_m: 0x30, m_g0: 0, m_gsignal: 0x48, g_sched_sp: 0x38 };
        let object = fill_in(RACE_OBJECT_DIRECT_V1, &offsets).expect("placeholders are in the object");
        assert_eq!(fill_in(&object, &offsets), None, "and none is left");
    }
}
