//! Which version of each module a build uses: minimal version selection over go.mod files that are on disk.
//!
//! Reference: golang.org/ref/mod#minimal-version-selection and #graph-pruning. A main module of Go 1.17 or later
//! lists all that its packages need, so nothing else is read for it.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::mod_file::{ModFile, Replace, ReplaceTarget};
use super::path_names::absolute;
use super::tree::SourceTree;
use super::versions::{LanguageVersion, compare_module_versions};

/// No go.mod is larger.
const LIMIT: u64 = 16 << 20;

/// The first version whose go.mod lists indirect requirements too.
const LISTS_ALL: LanguageVersion = LanguageVersion::go1(17);

/// A module of the build, chosen and located.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selected {
    /// The version that was chosen.
    pub(crate) version: String,
    /// Where its files are, if they are anywhere.
    pub(crate) directory: Option<PathBuf>,
}

/// What a build list is made from.
pub(crate) struct Selection<'a> {
    pub(crate) tree: &'a dyn SourceTree,
    /// The main modules: root directory and go.mod.
    pub(crate) main: &'a [(PathBuf, ModFile)],
    /// Replacements of go.work, and its directory.
    pub(crate) workspace: Option<(&'a Path, &'a [Replace])>,
    pub(crate) module_cache: Option<PathBuf>,
}

impl Selection<'_> {
    /// The modules of the build by path, main modules left out.
    pub(crate) fn select(&self) -> BTreeMap<String, Selected> {
        let mut chosen: BTreeMap<String, String> = BTreeMap::new();
        let mut pending = Vec::new();
        for (_, file) in self.main {
            self.require(file, &mut chosen, &mut pending);
        }
        let complete = matches!(self.main, [(_, file)] if file.language() >= LISTS_ALL);
        let mut seen = HashSet::new();
        while let Some((path, version)) = pending.pop().filter(|_| !complete) {
            if !seen.insert((path.clone(), version.clone())) {
                continue;
            }
            let Some(file) = self.mod_file(&path, &version) else { continue };
            let mut further = Vec::new();
            self.require(&file, &mut chosen, &mut further);
            if file.language() < LISTS_ALL {
                pending.append(&mut further);
            }
        }
        self.add_replaced_directories(&mut chosen);
        for (_, file) in self.main {
            file.module.as_ref().map(|path| chosen.remove(path));
        }
        let locate = |(path, version): (String, String)| {
            let directory = self.directory(&path, &version);
            (path, Selected { version, directory })
        };
        chosen.into_iter().map(locate).collect()
    }

    /// Raises the chosen versions to what a go.mod requires.
    fn require(
        &self,
        file: &ModFile,
        chosen: &mut BTreeMap<String, String>,
        pending: &mut Vec<(String, String)>,
    ) {
        for require in &file.requires {
            let excluded =
                |(path, version): &(String, String)| *path == require.path && *version == require.version;
            if self.main.iter().any(|(_, main)| main.excludes.iter().any(excluded)) {
                continue;
            }
            let version = chosen.entry(require.path.clone()).or_default();
            if compare_module_versions(version, &require.version) == Ordering::Less {
                version.clone_from(&require.version);
            }
            pending.push((require.path.clone(), require.version.clone()));
        }
    }

    /// A module that is replaced by a directory but required by none is found all the same.
    fn add_replaced_directories(&self, chosen: &mut BTreeMap<String, String>) {
        for (_, replace) in self.replaces() {
            if matches!(replace.target, ReplaceTarget::Directory(_)) {
                let version = replace.version.clone().unwrap_or_default();
                chosen.entry(replace.path.clone()).or_insert(version);
            }
        }
    }

    /// All replacements with the directory that theirs are relative to; those of go.work first.
    fn replaces(&self) -> impl Iterator<Item = (&Path, &Replace)> {
        let workspace = self.workspace.iter();
        let workspace =
            workspace.flat_map(|(base, replaces)| replaces.iter().map(move |replace| (*base, replace)));
        let main = self.main.iter();
        let main =
            main.flat_map(|(base, file)| file.replaces.iter().map(move |replace| (base.as_path(), replace)));
        workspace.chain(main)
    }

    /// The replacement of a version: one for this version before one for all.
    fn replacement(&self, path: &str, version: &str) -> Option<(&Path, &ReplaceTarget)> {
        let fits = |wanted: Option<&str>| {
            let mut all = self.replaces();
            all.find(|(_, replace)| replace.path == path && replace.version.as_deref() == wanted)
        };
        let (base, replace) = fits(Some(version)).or_else(|| fits(None))?;
        Some((base, &replace.target))
    }

    /// Where the files of a version lie.
    fn directory(&self, path: &str, version: &str) -> Option<PathBuf> {
        match self.replacement(path, version) {
            Some((base, ReplaceTarget::Directory(directory))) => Some(absolute(base, Path::new(directory))),
            Some((_, ReplaceTarget::Module { path, version })) => self.cached(path, version),
            None => self.cached(path, version),
        }
    }

    fn cached(&self, path: &str, version: &str) -> Option<PathBuf> {
        let cache = self.module_cache.as_ref()?;
        Some(cache.join(format!("{}@{}", escaped(path), escaped(version))))
    }

    /// The go.mod of a version, from its replacement, the download cache or its files.
    fn mod_file(&self, path: &str, version: &str) -> Option<ModFile> {
        let (path, version) = match self.replacement(path, version) {
            Some((base, ReplaceTarget::Directory(directory))) => {
                return self.read(&absolute(base, Path::new(directory)).join("go.mod"));
            }
            Some((_, ReplaceTarget::Module { path, version })) => (path.as_str(), version.as_str()),
            None => (path, version),
        };
        let cache = self.module_cache.as_ref()?;
        let download = cache.join("cache").join("download").join(escaped(path)).join("@v");
        let downloaded = self.read(&download.join(format!("{}.mod", escaped(version))));
        downloaded.or_else(|| self.read(&self.cached(path, version)?.join("go.mod")))
    }

    fn read(&self, path: &Path) -> Option<ModFile> {
        let bytes = self.tree.read(path, LIMIT).ok()?;
        Some(ModFile::parse(&String::from_utf8_lossy(&bytes)).0)
    }
}

/// A path or version as the module cache writes it: `!a` for `A`, because some disks do not tell case apart.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_uppercase() {
            escaped.push('!');
        }
        escaped.push(character.to_ascii_lowercase());
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemoryTree;

    const CACHE: &str = "
-- cache/download/a.com/old/@v/v1.0.0.mod --
module a.com/old
require b.com/b v1.5.0
require c.com/c v1.1.0
-- cache/download/b.com/b/@v/v1.5.0.mod --
module b.com/b
go 1.20
require d.com/d v0.2.0
-- cache/download/d.com/d/@v/v0.2.0.mod --
module d.com/d
require e.com/e v1.0.0
-- cache/download/c.com/c/@v/v1.1.0.mod --
module c.com/c
";

    fn versions(go_mod: &str) -> Vec<(String, String)> {
        let tree = MemoryTree::new().with_txtar("/cache", CACHE);
        let (file, errors) = ModFile::parse(go_mod);
        assert_eq!(errors, []);
        let main = [(PathBuf::from("/m"), file)];
        let module_cache = Some("/cache".into());
        let selection = Selection { tree: &tree, main: &main, workspace: None, module_cache };
        selection.select().into_iter().map(|(path, selected)| (path, selected.version)).collect()
    }

    fn listed(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(path, version)| ((*path).to_owned(), (*version).to_owned())).collect()
    }

    #[test]
    fn since_go_1_17_the_list_is_in_go_mod() {
        let chosen = versions("module m\ngo 1.17\nrequire a.com/old v1.0.0\nrequire b.com/b v1.2.0\n");
        assert_eq!(chosen, listed(&[("a.com/old", "v1.0.0"), ("b.com/b", "v1.2.0")]));
    }

    #[test]
    fn before_go_1_17_the_highest_of_all_that_is_required_counts() {
        let chosen = versions("module m\ngo 1.16\nrequire a.com/old v1.0.0\nrequire b.com/b v1.2.0\n");
        let expected =
            [("a.com/old", "v1.0.0"), ("b.com/b", "v1.5.0"), ("c.com/c", "v1.1.0"), ("d.com/d", "v0.2.0")];
        assert_eq!(chosen, listed(&expected), "b.com/b lists all it needs, so e.com/e is pruned");
    }

    #[test]
    fn an_excluded_version_is_not_required() {
        let chosen = versions("module m\nrequire a.com/old v1.0.0\nexclude b.com/b v1.5.0\n");
        assert_eq!(chosen, listed(&[("a.com/old", "v1.0.0"), ("c.com/c", "v1.1.0")]));
    }

    #[test]
    fn replacements_say_where_files_are() {
        let text = "module m\ngo 1.20\nrequire (\n a.com/A v1.0.0\n b.com/b v1.0.0\n c.com/c v1.0.0\n)\n\
            replace b.com/b => ../b\nreplace c.com/c => x.com/f v1.0.1\nreplace c.com/c v1.0.0 => x.com/e v1.0.2\n";
        let tree = MemoryTree::new();
        let main = [(PathBuf::from("/w/m"), ModFile::parse(text).0)];
        let module_cache = Some("/cache".into());
        let selection = Selection { tree: &tree, main: &main, workspace: None, module_cache };
        let directories: Vec<Option<PathBuf>> =
            selection.select().into_values().map(|selected| selected.directory).collect();
        let expected = ["/cache/a.com/!a@v1.0.0", "/w/b", "/cache/x.com/e@v1.0.2"];
        assert_eq!(directories, expected.map(|path| Some(PathBuf::from(path))));
    }
}
