//! Writes the summary of Go's standard library that the analyzer carries for machines without Go.

use std::fmt::Write as _;

use raceguard_analyzer::source::{BuildContext, Environment, FileSystem, LoadOptions, ModuleKind, load};
use raceguard_analyzer::types::LoadedProgram;
use raceguard_analyzer::types::summary::summarise;

use crate::failure::Failure;
use crate::{toolchain, workspace};

/// From the root of the repository.
const FILE: &str = "crates/raceguard-analyzer/data/std-summary.zlib";

/// No larger summary is written: it lies in the repository.
const LARGEST: usize = 1 << 20;

/// The task `std-summary`.
pub(crate) fn write() -> Result<(), Failure> {
    let go = toolchain::any()?;
    let environment = Environment { goroot: Some(go.root.clone()), ..Environment::new(go.root.join("src")) };
    let options = LoadOptions { tests: false, ..LoadOptions::default() };
    let build = BuildContext::new("linux", "amd64");
    let loaded = load(&FileSystem, &environment, &build, &["std".to_owned()], &options, &mut |_| ());
    let modules = &loaded.modules;
    let is_standard =
        loaded.packages.iter().all(|it| modules[it.module.index()].kind == ModuleKind::Standard);
    let LoadedProgram { program, syntax_errors, .. } = LoadedProgram::new(&loaded);
    if !is_standard || !syntax_errors.is_empty() || loaded.losses() > 0 {
        let what = format!("the sources of {} could not be read completely", go.version);
        return Err(Failure::environment(what, "check that the Go installation is whole: `go vet std`"));
    }
    let internal = |path: &str| path.split('/').any(|part| matches!(part, "internal" | "vendor"));
    let mut text = format!("-- VERSION --\n{}\n", go.version);
    text.push_str(&summarise(&program, |package| !internal(package.path.as_str())));
    let bytes = miniz_oxide::deflate::compress_to_vec_zlib(text.as_bytes(), 10);
    let mut report = String::new();
    let _ =
        write!(report, "{FILE}: {} bytes, of {} bytes of text, from {}", bytes.len(), text.len(), go.version);
    if bytes.len() > LARGEST {
        return Err(Failure::Findings(format!("{report}: more than {LARGEST}")));
    }
    let path = workspace::root().join(FILE);
    std::fs::write(&path, bytes).map_err(|error| Failure::file("write", &path, &error))?;
    println!("{report}");
    Ok(())
}
