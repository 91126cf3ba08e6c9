//! Whether evidence is of this module, by the functions in it.
//!
//! Each package is of this module, of Go itself, of a module that go.mod requires, or of another one. Functions of
//! package `main` say nothing by their names, so the files they stand in decide. Evidence is of another module when
//! none of its functions is of this one, and some are of modules that this one does not know.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use raceguard_evidence::{Frame, Record};
use raceguard_gotool::module;

/// The module that evidence is held against.
#[derive(Debug, Clone)]
pub struct Module {
    /// Its folder.
    pub folder: PathBuf,
    /// Its import path; empty when there is no go.mod.
    pub path: String,
    required: Vec<String>,
}

/// Whose the functions of a file are.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    ours: u64,
    required: u64,
    others: BTreeMap<String, u64>,
}

/// Counts functions, and remembers what package is whose.
#[derive(Debug)]
pub struct Membership<'a> {
    module: &'a Module,
    /// By package and file.
    owners: HashMap<String, HashMap<String, Owner>>,
    remembered: usize,
    tally: Tally,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Owner {
    Ours,
    Required,
    Other(String),
    /// Go itself, or not to be told.
    Nobody,
}

/// Most files that are remembered.
const MAX_OWNERS: usize = 100_000;
/// Most other modules that are counted apart.
const MAX_OTHERS: usize = 1000;

impl Module {
    /// The module whose go.mod is in `folder` or above; without one `folder` itself.
    pub fn around(folder: &Path) -> Self {
        let with_go_mod = folder.ancestors().find(|above| above.join("go.mod").is_file());
        let root = with_go_mod.unwrap_or(folder).to_owned();
        let go_mod = fs::read_to_string(root.join("go.mod")).unwrap_or_default();
        let required = go_mod.lines().filter_map(required_module).map(str::to_owned).collect();
        Self { path: module::module_path(&go_mod).unwrap_or_default(), folder: root, required }
    }

    fn owner(&self, package: &str, file: &str) -> Owner {
        if package.is_empty() {
            return Owner::Nobody;
        }
        // The external tests of a package are a package of their own.
        let path = package.strip_suffix("_test").unwrap_or(package);
        if is_below(path, &self.path) || !file.is_empty() && Path::new(file).starts_with(&self.folder) {
            return Owner::Ours;
        }
        if self.required.iter().any(|required| is_below(path, required)) {
            return Owner::Required;
        }
        if package == "main" {
            return self.owner_of_main(file);
        }
        let first = path.split('/').next().unwrap_or_default();
        if !first.contains('.') {
            // The standard library; or a module named against the convention, which is not to be told from it.
            return Owner::Nobody;
        }
        Owner::Other(path.split('/').take(3).collect::<Vec<_>>().join("/"))
    }

    /// A main function built on another machine: its file has another folder in front of the same path.
    fn owner_of_main(&self, file: &str) -> Owner {
        let parts: Vec<&str> = file.split('/').filter(|part| !part.is_empty()).collect();
        if parts.last().is_none_or(|name| name.starts_with('_') || name.starts_with('<')) {
            return Owner::Nobody;
        }
        if file.starts_with(&format!("{}/", self.path)) {
            return Owner::Ours;
        }
        let exists = |depth: usize| {
            parts.len() >= depth && self.folder.join(parts[parts.len() - depth..].join("/")).is_file()
        };
        match () {
            () if (2..=parts.len().min(8)).any(exists) => Owner::Ours,
            // Every second program has a main.go: its name alone says nothing.
            () if exists(1) => Owner::Nobody,
            () => Owner::Other(format!("main in {}", parent(file))),
        }
    }
}

fn parent(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Whether a package is the module or in it.
fn is_below(package: &str, module: &str) -> bool {
    !module.is_empty()
        && package.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The module of a line of go.mod: `require example.com/x v1.2.3`, or the same in a block; of `replace` the first one.
fn required_module(line: &str) -> Option<&str> {
    let line = line.trim();
    let line = line.strip_prefix("require ").or_else(|| line.strip_prefix("replace ")).unwrap_or(line);
    let mut words = line.split_ascii_whitespace();
    let path = words.next().filter(|path| path.contains('.') && !path.starts_with("//"))?;
    words.next().is_some_and(|version| version.starts_with('v') || version == "=>").then_some(path)
}

impl<'a> Membership<'a> {
    /// Counts for one file.
    pub fn new(module: &'a Module) -> Self {
        Self { module, owners: HashMap::new(), remembered: 0, tally: Tally::default() }
    }

    /// Looks at a record.
    pub fn note(&mut self, record: &Record) {
        // One function of this module decides.
        if self.module.path.is_empty() || self.tally.ours > 0 {
            return;
        }
        match record {
            Record::Race(race) => {
                let stacks = race.accesses.iter().map(|access| &access.stack);
                stacks.flatten().for_each(|frame| self.frame(frame));
                race.goroutines.iter().flat_map(|one| &one.created_at).for_each(|frame| self.frame(frame));
            }
            Record::Crash(crash) => {
                let stacks = crash.goroutines.iter().flat_map(|one| one.stack.iter().chain(&one.created_at));
                stacks.for_each(|frame| self.frame(frame));
            }
            Record::GoroutineDump(dump) => {
                let stacks = dump.groups.iter().flat_map(|group| group.stack.iter().chain(&group.created_at));
                stacks.for_each(|frame| self.frame(frame));
            }
            Record::Profile(profile) => profile.frames.iter().for_each(|frame| self.frame(frame)),
            Record::ExecutionTrace(trace) => {
                let stacks = trace.blocked.iter().chain(&trace.syscalls).flat_map(|blocked| &blocked.stack);
                stacks.for_each(|frame| self.frame(frame));
            }
            Record::Coverage(coverage) => {
                coverage.files.iter().for_each(|file| self.package(parent(&file.file), ""));
            }
            Record::Test(test) => self.package(&test.package, ""),
            _ => {}
        }
    }

    fn frame(&mut self, frame: &Frame) {
        self.package(&frame.name().package(), &frame.file);
    }

    fn package(&mut self, package: &str, file: &str) {
        let known = self.owners.get(package).and_then(|files| files.get(file)).cloned();
        let owner = known.unwrap_or_else(|| {
            let owner = self.module.owner(package, file);
            if self.remembered < MAX_OWNERS {
                self.remembered += 1;
                let files = self.owners.entry(package.to_owned()).or_default();
                files.insert(file.to_owned(), owner.clone());
            }
            owner
        });
        match owner {
            Owner::Ours => self.tally.ours += 1,
            Owner::Required => self.tally.required += 1,
            Owner::Other(module) => {
                if self.tally.others.len() < MAX_OTHERS || self.tally.others.contains_key(&module) {
                    *self.tally.others.entry(module).or_default() += 1;
                }
            }
            Owner::Nobody => {}
        }
    }

    /// What was counted.
    pub fn tally(self) -> Tally {
        self.tally
    }
}

impl Tally {
    /// Why the evidence is of another module, when it is.
    pub fn refusal(&self, module: &Module) -> Option<String> {
        if self.ours > 0 || self.others.is_empty() {
            return None;
        }
        let count: u64 = self.others.values().sum();
        let most = self.others.iter().max_by_key(|(_, count)| **count).map_or("", |(module, _)| module);
        Some(format!(
            "evidence of another module: none of its functions is of {}, and {count} are of modules that its go.mod does \
             not require, most of them of {most}",
            module.path
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raceguard_evidence::{Crash, CrashGoroutine};

    fn module() -> (tempfile::TempDir, Module) {
        let folder = tempfile::tempdir().unwrap();
        let go_mod =
            "module example.com/shop\n\ngo 1.22\n\nrequire (\n\tgithub.com/dep/lib v1.2.3 // indirect\n)\n";
        fs::write(folder.path().join("go.mod"), go_mod).unwrap();
        fs::create_dir_all(folder.path().join("cmd/shop")).unwrap();
        for name in ["main.go", "cmd/shop/main.go"] {
            fs::write(folder.path().join(name), "package main\n").unwrap();
        }
        let module = Module::around(&folder.path().join("cmd"));
        (folder, module)
    }

    fn refusal(module: &Module, frames: &[(&str, &str)]) -> Option<String> {
        let stack = frames.iter().map(|(function, file)| Frame::new(*function, *file, 1)).collect();
        let goroutine = CrashGoroutine { stack, ..CrashGoroutine::default() };
        let crash = Crash { goroutines: vec![goroutine], ..Crash::default() };
        let mut membership = Membership::new(module);
        membership.note(&crash.into());
        membership.tally().refusal(module)
    }

    #[test]
    fn what_names_this_module_is_of_it() {
        let (_folder, module) = module();
        let other = ("github.com/other/app.F", "/o/a.go");
        assert_eq!(refusal(&module, &[("example.com/shop/cart.Add", "/ci/cart.go"), other]), None);
        assert_eq!(refusal(&module, &[("example.com/shop.Run", "/ci/a.go"), other]), None);
        assert_eq!(refusal(&module, &[("main.main", "/ci/build/cmd/shop/main.go"), other]), None);
        assert!(refusal(&module, &[("example.com/shopping.Run", "/ci/a.go"), other]).is_some());
    }

    #[test]
    fn another_module_is_named() {
        let (_folder, module) = module();
        let text =
            refusal(&module, &[("github.com/other/app/store.Put", "/o/a.go"), ("runtime.main", "/go/a.go")]);
        assert!(
            text.is_some_and(
                |text| text.contains("github.com/other/app") && text.contains("example.com/shop")
            )
        );
        let text = refusal(&module, &[("main.main", "/home/x/tool/server.go")]);
        assert!(text.is_some_and(|text| text.contains("main in /home/x/tool")));
    }

    #[test]
    fn what_names_nobody_is_not_refused() {
        let (_folder, module) = module();
        assert_eq!(refusal(&module, &[("runtime.main", "/go/a.go"), ("main.main", "/x/main.go")]), None);
        assert_eq!(refusal(&module, &[("github.com/dep/lib/sub.F", "/p/a.go")]), None);
        assert_eq!(refusal(&module, &[]), None);
    }
}
