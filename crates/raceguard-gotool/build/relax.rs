//! Turns calls through the global offset table into direct ones.
//!
//! rustc calls block operations as `call *memcpy@GOTPCREL(%rip)`, which Go's linker refuses. All targets are in the
//! object itself, so the call can be direct, as any static linker would make it ("relaxation", x86-64 psABI, B.2).

const SHT_RELA: u32 = 4;
const R_X86_64_PC32: u32 = 2;
const R_X86_64_GOTPCREL: u32 = 9;
const R_X86_64_GOTPCRELX: u32 = 41;
const R_X86_64_REX_GOTPCRELX: u32 = 42;

/// Rewrites every GOT-relative reference of a little-endian ELF64 relocatable object.
pub(crate) fn relax(object: &mut [u8]) {
    let table = word64(object, 0x28);
    let count = usize::from(word16(object, 0x3c));
    for index in 0..count {
        let header = table + 64 * index;
        if word32(object, header + 4) != SHT_RELA {
            continue;
        }
        let (offset, size) = (word64(object, header + 0x18), word64(object, header + 0x20));
        let target = table + 64 * word32(object, header + 0x2c) as usize;
        let text = word64(object, target + 0x18);
        for entry in (offset..offset + size).step_by(24) {
            relax_entry(object, entry, text);
        }
    }
}

fn relax_entry(object: &mut [u8], entry: usize, text: usize) {
    let kind = word32(object, entry + 8);
    if ![R_X86_64_GOTPCREL, R_X86_64_GOTPCRELX, R_X86_64_REX_GOTPCRELX].contains(&kind) {
        return;
    }
    let at = word64(object, entry);
    let field = text + at;
    match object[field - 2..field] {
        // call *x@GOTPCREL(%rip): addr32 call x
        [0xff, 0x15] => object[field - 2..field].copy_from_slice(&[0x67, 0xe8]),
        // jmp *x@GOTPCREL(%rip): jmp x; nop
        [0xff, 0x25] => {
            object[field - 2] = 0xe9;
            object[field + 3] = 0x90;
            object[entry..entry + 8].copy_from_slice(&((at - 1) as u64).to_le_bytes());
        }
        // mov x@GOTPCREL(%rip), %reg: lea x(%rip), %reg
        [0x8b, modrm] if modrm & 0xc7 == 0x05 => object[field - 2] = 0x8d,
        ref other => panic!("the race object has a GOT reference that cannot be relaxed: {other:x?}"),
    }
    object[entry + 8..entry + 12].copy_from_slice(&R_X86_64_PC32.to_le_bytes());
}

fn word16(object: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(object[at..at + 2].try_into().expect("two bytes"))
}

fn word32(object: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(object[at..at + 4].try_into().expect("four bytes"))
}

fn word64(object: &[u8], at: usize) -> usize {
    usize::try_from(u64::from_le_bytes(object[at..at + 8].try_into().expect("eight bytes")))
        .expect("64-bit host")
}
