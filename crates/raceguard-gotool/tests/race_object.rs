//! What the embedded race objects ask of the program they are linked into. Go's internal linker takes few kinds of
//! relocation, runs no constructors and knows no thread-local storage of C; a slip shows here, not in a user's build.

use std::collections::BTreeSet;

use object::elf::{R_X86_64_64, R_X86_64_PC32, R_X86_64_PLT32, R_X86_64_REX_GOTPCRELX};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, RelocationFlags, SectionKind};
use raceguard_gotool::object::{
    RACE_OBJECT_DIRECT_V1, RACE_OBJECT_DIRECT_V3, RACE_OBJECT_V1, RACE_OBJECT_V3,
};

const OBJECTS: [(&str, &[u8]); 4] = [
    ("v1", RACE_OBJECT_V1),
    ("v3", RACE_OBJECT_V3),
    ("direct v1", RACE_OBJECT_DIRECT_V1),
    ("direct v3", RACE_OBJECT_DIRECT_V3),
];

/// What GOROOT/src/runtime/race.go and race_amd64.s of Go 1.22 to 1.27 refer to.
const ABI: [&str; 39] = [
    "__tsan_init",
    "__tsan_fini",
    "__tsan_map_shadow",
    "__tsan_report_count",
    "__tsan_proc_create",
    "__tsan_proc_destroy",
    "__tsan_go_start",
    "__tsan_go_end",
    "__tsan_finalizer_goroutine",
    "__tsan_go_ignore_sync_begin",
    "__tsan_go_ignore_sync_end",
    "__tsan_malloc",
    "__tsan_free",
    "__tsan_acquire",
    "__tsan_release",
    "__tsan_release_acquire",
    "__tsan_release_merge",
    "__tsan_func_enter",
    "__tsan_func_exit",
    "__tsan_read",
    "__tsan_write",
    "__tsan_read_pc",
    "__tsan_write_pc",
    "__tsan_read_range",
    "__tsan_write_range",
    "__tsan_go_atomic32_load",
    "__tsan_go_atomic64_load",
    "__tsan_go_atomic32_store",
    "__tsan_go_atomic64_store",
    "__tsan_go_atomic32_exchange",
    "__tsan_go_atomic64_exchange",
    "__tsan_go_atomic32_fetch_add",
    "__tsan_go_atomic64_fetch_add",
    "__tsan_go_atomic32_fetch_and",
    "__tsan_go_atomic64_fetch_and",
    "__tsan_go_atomic32_fetch_or",
    "__tsan_go_atomic64_fetch_or",
    "__tsan_go_atomic32_compare_exchange",
    "__tsan_go_atomic64_compare_exchange",
];

fn each(check: impl Fn(&str, &object::File<'_>)) {
    for (name, bytes) in OBJECTS {
        check(name, &object::File::parse(bytes).expect("an ELF object"));
    }
}

#[test]
fn nothing_is_asked_of_other_objects() {
    each(|name, file| {
        // The first entry of a symbol table is empty, by the format.
        let undefined: Vec<_> = file
            .symbols()
            .filter(object::ObjectSymbol::is_undefined)
            .filter_map(|symbol| symbol.name().ok().filter(|name| !name.is_empty()).map(str::to_owned))
            .collect();
        assert!(undefined.is_empty(), "{name}: {undefined:?}");
    });
}

#[test]
fn the_global_symbols_are_those_of_the_abi() {
    let expected: BTreeSet<&str> = ABI.into();
    assert_eq!(expected.len(), ABI.len());
    each(|name, file| {
        let global: BTreeSet<&str> = file
            .symbols()
            .filter(object::ObjectSymbol::is_global)
            .filter_map(|symbol| symbol.name().ok())
            .filter(|name| !name.is_empty())
            .collect();
        let missing: Vec<_> = expected.difference(&global).collect();
        let foreign: Vec<_> = global.difference(&expected).collect();
        assert!(missing.is_empty() && foreign.is_empty(), "{name}: missing {missing:?}, foreign {foreign:?}");
    });
}

#[test]
fn relocations_are_of_kinds_that_the_linker_of_go_takes() {
    each(|name, file| {
        let mut count = 0;
        for section in file.sections() {
            for (offset, relocation) in section.relocations() {
                let RelocationFlags::Elf { r_type } = relocation.flags() else {
                    panic!("{name}: not a relocation of ELF")
                };
                assert!(
                    [R_X86_64_64, R_X86_64_PC32, R_X86_64_PLT32, R_X86_64_REX_GOTPCRELX].contains(&r_type),
                    "{name}: {} has a relocation of type {r_type} at {offset:#x}",
                    section.name().unwrap_or_default()
                );
                count += 1;
            }
        }
        assert!(count > 0, "{name}: no relocation was looked at");
    });
}

#[test]
fn no_section_needs_somebody_to_run_or_to_set_it_up() {
    each(|name, file| {
        for section in file.sections() {
            let called = section.name().expect("a name");
            assert!(
                !matches!(section.kind(), SectionKind::Tls | SectionKind::UninitializedTls),
                "{name}: {called} is thread-local"
            );
            let refused = [".init", ".fini", ".ctors", ".dtors", ".preinit", ".eh_frame", ".gcc_except"];
            assert!(!refused.iter().any(|start| called.starts_with(start)), "{name}: {called}");
        }
    });
}
