//! Builds `raceguard-runtime` a second time, as the relocatable object that takes ThreadSanitizer's place in Go
//! programs, and checks that it asks nothing of its surroundings.
//!
//! rustc makes a static library with link-time optimisation, `ld -r` makes one object of what the entry points
//! reach, `objcopy` makes everything else local and drops unwinding tables.

mod relax;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Variants by the instruction set that Go's GOAMD64 setting promises, and by how Go calls: through its own stubs,
/// or directly.
const VARIANTS: [Variant; 4] = [
    Variant { name: "v1", cpu: "x86-64", direct: false },
    Variant { name: "v3", cpu: "x86-64-v3", direct: false },
    Variant { name: "direct_v1", cpu: "x86-64", direct: true },
    Variant { name: "direct_v3", cpu: "x86-64-v3", direct: true },
];

struct Variant {
    name: &'static str,
    cpu: &'static str,
    direct: bool,
}

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let runtime = Path::new(&env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"))
        .join("../raceguard-runtime/src");
    println!("cargo::rerun-if-changed={}", runtime.display());
    println!("cargo::rerun-if-changed=build");
    let symbols = abi_symbols(&runtime);
    for variant in VARIANTS {
        let object = out.join(format!("race_{}.syso", variant.name));
        if env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("x86_64")
            && env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux")
        {
            build(&runtime, &out, &variant, &symbols, &object);
        } else {
            fs::write(&object, []).expect("OUT_DIR is writable");
        }
    }
}

/// The entry points, read off the sources.
fn abi_symbols(runtime: &Path) -> Vec<String> {
    let mut symbols = Vec::new();
    for file in ["abi.rs", "entry.rs"] {
        let text =
            fs::read_to_string(runtime.join(file)).expect("the runtime's sources are beside this crate");
        for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if word.starts_with("__tsan_")
                && word.len() > "__tsan_".len()
                && !symbols.iter().any(|s| s == word)
            {
                symbols.push(word.to_owned());
            }
        }
    }
    symbols
}

fn build(runtime: &Path, out: &Path, variant: &Variant, symbols: &[String], object: &Path) {
    let Variant { name, cpu, direct } = variant;
    let library = out.join(format!("libruntime_{name}.a"));
    let rustc = env::var_os("RUSTC").expect("cargo sets RUSTC");
    let mut compile = Command::new(rustc);
    if *direct {
        compile.arg("--cfg=raceguard_direct");
    }
    run(compile
        .args(["--crate-type=staticlib", "--edition=2024", "--crate-name=raceguard_runtime_object"])
        .args(["--cfg=raceguard_object", "-Ccodegen-units=1"])
        .args(["-Copt-level=3", "-Cpanic=abort", "-Clto=fat", "-Crelocation-model=pic", "-Cdebuginfo=0"])
        .args(["-Cforce-unwind-tables=no", "-Coverflow-checks=no", "--cap-lints=allow"])
        .arg(format!("-Ctarget-cpu={cpu}"))
        .arg("-o")
        .arg(&library)
        .arg(runtime.join("lib.rs")));
    let merged = out.join(format!("merged_{name}.o"));
    let mut link = Command::new("ld");
    link.args(["-r", "--gc-sections", "-o"]).arg(&merged);
    for symbol in symbols {
        link.args(["-u", symbol]);
    }
    run(link.arg(&library));
    let mut copy = Command::new("objcopy");
    copy.args([
        "--remove-section=.eh_frame",
        "--remove-section=.rela.eh_frame",
        "--remove-section=.comment",
        "--remove-section=.gcc_except_table*",
        "--remove-section=.rela.gcc_except_table*",
        "--strip-debug",
    ]);
    for symbol in symbols {
        copy.arg(format!("--keep-global-symbol={symbol}"));
    }
    run(copy.arg(&merged).arg(object));
    let mut bytes = fs::read(object).expect("objcopy has written it");
    relax::relax(&mut bytes);
    fs::write(object, bytes).expect("OUT_DIR is writable");
}

fn run(command: &mut Command) {
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("{command:?} failed: {status}"),
        Err(error) => panic!(
            "{} cannot be run ({error}); install the C compiler and binutils (Debian: apt-get install gcc binutils)",
            command.get_program().display()
        ),
    }
}
