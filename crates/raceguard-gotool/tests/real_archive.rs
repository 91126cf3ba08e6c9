//! The archives of the Go on PATH, which these tests need.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use raceguard_gotool::archive::{members, replace_members};
use raceguard_gotool::environment::find_program;

/// The archive of a package as compiled for `-race`.
fn archive(package: &str) -> Vec<u8> {
    let go = find_program("go").expect("this test needs Go on PATH");
    let output = Command::new(go)
        .args(["list", "-race", "-export", "-f", "{{.Export}}", package])
        .env("GOAMD64", "v1")
        .output()
        .expect("go starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read(PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())).unwrap()
}

#[test]
fn the_race_object_is_replaced_and_nothing_else() {
    let original = archive("runtime/race/internal/amd64v1");
    let rewritten = replace_members(&original, &[("race_linux.syso", b"ours!")]).unwrap();
    let (before, after) = (members(&original).unwrap(), members(&rewritten).unwrap());
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.name, after.name);
        let (old, new) = (&original[before.data.clone()], &rewritten[after.data.clone()]);
        if before.name == "race_linux.syso" {
            assert!(old.starts_with(b"\x7fELF"));
            assert_eq!(new, b"ours!");
        } else {
            assert_eq!(old, new, "{}", before.name);
        }
    }
}

#[test]
fn the_runtime_holds_the_stubs_under_their_name() {
    let original = archive("runtime");
    let stubs = members(&original).unwrap().into_iter().find(|member| member.name == "race_amd64.o").unwrap();
    let bytes = original[stubs.data].to_vec();
    // Put back as it is, the whole archive is as it was.
    assert_eq!(replace_members(&original, &[("race_amd64.o", &bytes)]).unwrap(), original);
    // Names that the archive has cut are found by their whole name.
    assert!(replace_members(&original, &[("rt0_linux_amd64.o", b"x")]).is_ok());
}
