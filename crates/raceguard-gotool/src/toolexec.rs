//! `go build -toolexec`: cmd/go runs us in front of every tool, and we step in at the linker only.
//!
//! - `link -V=full` is how cmd/go asks a tool for its identity. The answer gets a hash of what we put into
//!   programs, so that link steps have other cache entries than stock `-race` and change when raceguard is
//!   upgraded. Compilers are not touched, so compile steps share their cache with stock `-race`.
//! - A link step whose importcfg names a race package is given another importcfg, beside Go's own in the
//!   build's work folder, that points to rewritten archives.
//! - Everything else becomes the tool by `exec`, since this runs for each file of each build.
//!
//! A `-toolexec` of the user's own is called in front of the tool, after our changes to its arguments.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::cache::{ArchiveCache, user_cache_folder};
use crate::error::ToolexecError;
use crate::substitution::Substitution;
use crate::{importcfg, stub};

/// In front of each word of the user's own `-toolexec` command.
pub const CHAIN: &str = "--chain";

/// Between our own arguments and the tool.
pub const END_OF_CHAIN: &str = "--";

/// One call by cmd/go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// The user's own `-toolexec` command, empty when there is none.
    pub chain: Vec<OsString>,
    /// The tool, `…/pkg/tool/linux_amd64/link`.
    pub tool: PathBuf,
    /// The tool's arguments.
    pub arguments: Vec<OsString>,
}

impl ToolCall {
    /// Reads the arguments after `raceguard toolexec`.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, ToolexecError> {
        let mut arguments = arguments.into_iter();
        let mut chain = Vec::new();
        loop {
            let word = arguments.next().ok_or(ToolexecError::NoTool)?;
            if word == CHAIN {
                chain.push(arguments.next().ok_or(ToolexecError::NoTool)?);
            } else {
                let tool = if word == END_OF_CHAIN { arguments.next() } else { Some(word) };
                let tool = PathBuf::from(tool.ok_or(ToolexecError::NoTool)?);
                return Ok(Self { chain, tool, arguments: arguments.collect() });
            }
        }
    }

    /// Does what cmd/go asked for. Returns only for `link -V=full`, with the linker's status; otherwise the
    /// process becomes the tool.
    pub fn run(mut self) -> Result<ExitStatus, ToolexecError> {
        if self.is_linker() {
            if self.asks_for_identity() {
                return self.answer_identity(&Substitution::possible().identity());
            }
            if let Some(importcfg) = self.importcfg() {
                self.substitute(&importcfg)?;
            }
        }
        let mut command = self.command();
        let source = command.exec();
        Err(ToolexecError::Start { tool: command.get_program().into(), source })
    }

    fn is_linker(&self) -> bool {
        self.tool.file_name().is_some_and(|name| name == "link")
    }

    fn asks_for_identity(&self) -> bool {
        self.arguments.iter().any(|argument| argument == "-V=full")
    }

    fn command(&self) -> Command {
        let mut words = self.chain.iter().map(OsString::as_os_str).chain([self.tool.as_os_str()]);
        let mut command = Command::new(words.next().expect("the tool is always there"));
        command.args(words).args(&self.arguments);
        command
    }

    fn answer_identity(&self, identity: &str) -> Result<ExitStatus, ToolexecError> {
        let mut command = self.command();
        let output = command
            .stderr(Stdio::inherit())
            .output()
            .map_err(|source| ToolexecError::Start { tool: command.get_program().into(), source })?;
        let line = String::from_utf8_lossy(&output.stdout);
        let answer = if output.status.success() { identity_line(&line, identity) } else { line.into_owned() };
        io::Write::write_all(&mut io::stdout(), answer.as_bytes()).map_err(|source| ToolexecError::File {
            action: "write",
            path: "stdout".into(),
            source,
        })?;
        Ok(output.status)
    }

    fn importcfg(&self) -> Option<ImportcfgArgument> {
        self.arguments.iter().enumerate().find_map(|(index, argument)| {
            if argument == "-importcfg" {
                let path = self.arguments.get(index + 1)?.into();
                return Some(ImportcfgArgument { index: index + 1, prefix: "", path });
            }
            let path = argument.as_bytes().strip_prefix(b"-importcfg=")?;
            let path = OsStr::from_bytes(path).into();
            Some(ImportcfgArgument { index, prefix: "-importcfg=", path })
        })
    }

    fn substitute(&mut self, argument: &ImportcfgArgument) -> Result<(), ToolexecError> {
        let path = &argument.path;
        let importcfg = fs::read_to_string(path).map_err(|source| ToolexecError::File {
            action: "read",
            path: path.clone(),
            source,
        })?;
        let work = path.parent().unwrap_or(Path::new(".")).join("raceguard");
        let Some(runtime) = importcfg::archive_of(&importcfg, stub::PACKAGE) else { return Ok(()) };
        let runtime = fs::read(runtime).map_err(|source| ToolexecError::File {
            action: "read",
            path: runtime.into(),
            source,
        })?;
        let substitution = Substitution::for_runtime(&runtime);
        let preferred = user_cache_folder().map(|folder| folder.join("archives"));
        let Some(rewritten) = substituted(&importcfg, &substitution, &ArchiveCache::new(preferred, work))?
        else {
            return Ok(());
        };
        let mut new_path = path.clone().into_os_string();
        new_path.push(".raceguard");
        fs::write(&new_path, rewritten).map_err(|source| ToolexecError::File {
            action: "write",
            path: new_path.clone().into(),
            source,
        })?;
        let mut value = OsString::from(argument.prefix);
        value.push(new_path);
        self.arguments[argument.index] = value;
        Ok(())
    }
}

/// Where the linker's `-importcfg` stands among its arguments.
struct ImportcfgArgument {
    index: usize,
    prefix: &'static str,
    path: PathBuf,
}

/// `importcfg` with rewritten archives, or `None` when it is not that of a `-race` build.
fn substituted(
    importcfg: &str,
    substitution: &Substitution,
    cache: &ArchiveCache,
) -> Result<Option<String>, ToolexecError> {
    let mut by_package: BTreeMap<&str, Vec<(&str, &[u8])>> = BTreeMap::new();
    for replacement in substitution.replacements() {
        by_package.entry(replacement.package).or_default().push((replacement.member, &replacement.bytes));
    }
    by_package.retain(|package, _| importcfg::archive_of(importcfg, package).is_some());
    if !by_package.keys().any(|package| Substitution::is_race_package(package)) {
        return Ok(None);
    }
    let mut archives = BTreeMap::new();
    for (package, members) in by_package {
        let original = importcfg::archive_of(importcfg, package).expect("packages without were dropped");
        let rewritten = cache.rewritten(package, Path::new(original), &members)?;
        archives.insert(package.to_owned(), rewritten.to_string_lossy().into_owned());
    }
    Ok(Some(importcfg::with_archives(importcfg, &archives)))
}

/// The linker's answer to `-V=full` with our identity in it. Of a release cmd/go takes the whole line; of a
/// development version it takes what follows the last slash of `buildID=…`, the last word.
fn identity_line(line: &str, identity: &str) -> String {
    let line = line.trim_end();
    let is_development = line.split_whitespace().last().is_some_and(|word| word.starts_with("buildID="));
    let separator = if is_development { "-raceguard-" } else { " raceguard=" };
    format!("{line}{separator}{identity}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<ToolCall, ToolexecError> {
        ToolCall::parse(words.iter().map(OsString::from))
    }

    #[test]
    fn reads_the_chain_the_tool_and_its_arguments() {
        let call = parse(&["--chain", "wrap", "--chain", "--", "--", "/go/link", "-V=full", "--"]).unwrap();
        assert_eq!(call.chain, ["wrap", "--"]);
        assert_eq!(call.tool, Path::new("/go/link"));
        assert_eq!(call.arguments, ["-V=full", "--"]);
        assert!(call.is_linker() && call.asks_for_identity());
        assert_eq!(parse(&["/go/compile"]).unwrap().tool, Path::new("/go/compile"));
        for incomplete in [&[][..], &["--"], &["--chain", "wrap"], &["--chain"]] {
            assert!(matches!(parse(incomplete), Err(ToolexecError::NoTool)), "{incomplete:?}");
        }
    }

    #[test]
    fn the_chain_runs_in_front_of_the_tool() {
        let command = parse(&["--chain", "wrap", "--chain", "-x", "--", "/go/link", "a"]).unwrap().command();
        assert_eq!(command.get_program(), "wrap");
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["-x", "/go/link", "a"]);
    }

    #[test]
    fn the_identity_goes_where_cmd_go_reads_it() {
        assert_eq!(identity_line("link version go1.26.8\n", "ab"), "link version go1.26.8 raceguard=ab\n");
        assert_eq!(
            identity_line("link version devel go1.28-1234 Tue buildID=a/b/c/d\n", "ab"),
            "link version devel go1.28-1234 Tue buildID=a/b/c/d-raceguard-ab\n"
        );
    }

    #[test]
    fn importcfg_is_found_in_both_spellings() {
        let two_words = parse(&["/go/link", "-o", "x", "-importcfg", "/b/cfg"]).unwrap().importcfg().unwrap();
        assert_eq!((two_words.index, two_words.path.as_path()), (3, Path::new("/b/cfg")));
        let one_word = parse(&["/go/link", "-importcfg=/b/cfg"]).unwrap().importcfg().unwrap();
        assert_eq!((one_word.index, one_word.prefix), (0, "-importcfg="));
        assert!(parse(&["/go/link", "-importcfg"]).unwrap().importcfg().is_none());
    }

    #[test]
    fn a_build_without_race_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ArchiveCache::new(None, folder.path().to_owned());
        let replaced = Substitution::of_race_objects(b"other", b"object");
        assert_eq!(substituted("packagefile runtime=/r.a\n", &replaced, &cache).unwrap(), None);
    }

    #[test]
    fn the_race_package_is_pointed_to_a_rewritten_archive() {
        let folder = tempfile::tempdir().unwrap();
        let original = folder.path().join("race.a");
        fs::write(&original, b"!<arch>\nrace_linux.syso 0           0     0     644     2         `\nhi")
            .unwrap();
        let importcfg = format!(
            "packagefile runtime/race/internal/amd64v3={}\npackagefile fmt=/f.a\n",
            original.display()
        );
        let cache = ArchiveCache::new(None, folder.path().join("work"));
        let replaced = Substitution::of_race_objects(b"other", b"object");
        let rewritten = substituted(&importcfg, &replaced, &cache).unwrap().unwrap();
        let archive = importcfg::archive_of(&rewritten, "runtime/race/internal/amd64v3").unwrap();
        assert!(fs::read(archive).unwrap().ends_with(b"object"));
        assert!(rewritten.ends_with("packagefile fmt=/f.a\n"));
    }
}
