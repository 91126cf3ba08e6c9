//! Results of earlier analyses, by the content of what was analysed.
//!
//! An entry's name is a BLAKE3 hash over everything that the analysis depends on: this program, the platform and tags,
//! and path, kind and content of every file that was loaded, those of dependencies and the standard library among them.
//! So an entry is never out of date; one that can't be read is not there. Whatever goes wrong with the cache costs time
//! and nothing else, so none of it is an error.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use raceguard_analyzer::source::{Loaded, SourceFile};
use rayon::prelude::*;

use super::analysis::Outcome;

/// First line of an entry; raised when its form changes.
const HEADER: &[u8] = b"raceguard check cache 1\n";

/// How many entries are kept.
const KEPT: usize = 64;

/// A folder with results.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
    program: blake3::Hash,
}

/// What an analysis depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

impl Cache {
    /// The cache in a folder, or none if this program can't read itself.
    pub fn at(folder: PathBuf) -> Option<Self> {
        let program = std::env::current_exe().ok()?;
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(program).ok()?).ok()?;
        Some(Self { folder, program: hasher.finalize() })
    }

    /// The user's cache folder by the environment, or else the module's `.raceguard`.
    pub fn default_folder(module: &Path) -> PathBuf {
        let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")));
        match base {
            Some(base) => base.join("raceguard").join("check"),
            None => module.join(".raceguard").join("cache"),
        }
    }

    /// The key of what was loaded.
    pub fn key(&self, loaded: &Loaded) -> Key {
        let files: Vec<(u32, &SourceFile)> = loaded
            .packages
            .iter()
            .flat_map(|package| package.files.iter().map(|file| (package.id.0, file)))
            .collect();
        let contents: Vec<blake3::Hash> =
            files.par_iter().map(|(_, file)| blake3::hash(&file.bytes)).collect();
        let mut hasher = Fields(blake3::Hasher::new());
        hasher.add(self.program.as_bytes());
        hasher.add(format!("{:?}", loaded.build).as_bytes());
        for package in &loaded.packages {
            let module = loaded.module_of(package);
            hasher.add(format!("{}\0{}\0{:?}", package.id.0, package.import_path, package.role).as_bytes());
            hasher.add(format!("{:?}\0{:?}", module.language, module.kind).as_bytes());
            // Where each import leads depends on go.mod, go.work, vendor folders and what is downloaded.
            for path in package.files.iter().flat_map(|file| &file.imports).map(|import| &import.path) {
                hasher.add(format!("{path}\0{:?}", package.resolve_import(path)).as_bytes());
            }
        }
        for ((package, file), content) in files.iter().zip(contents) {
            let kind = format!("{package}\0{:?}\0{:?}", file.kind, file.language);
            hasher.add(kind.as_bytes());
            hasher.add(file.path.as_os_str().as_encoded_bytes());
            hasher.add(content.as_bytes());
        }
        Key(hasher.0.finalize().to_hex().to_string())
    }

    /// The result for a key, if it is there and whole.
    pub fn get(&self, key: &Key) -> Option<Outcome> {
        let path = self.path(key);
        let bytes = fs::read(&path).ok()?;
        let rest = bytes.strip_prefix(HEADER)?;
        let (sum, body) = rest.split_at_checked(blake3::OUT_LEN)?;
        if blake3::hash(body).as_bytes() != sum {
            return None;
        }
        let outcome = serde_json::from_slice(body).ok()?;
        // The time of the last use decides what is kept.
        if let Ok(file) = File::options().append(true).open(&path) {
            let _ = file.set_modified(SystemTime::now());
        }
        Some(outcome)
    }

    /// Keeps a result.
    pub fn put(&self, key: &Key, outcome: &Outcome) {
        if self.try_put(key, outcome).is_ok() {
            self.remove_oldest();
        }
    }

    fn try_put(&self, key: &Key, outcome: &Outcome) -> std::io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let body = serde_json::to_vec(outcome)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(HEADER)?;
        file.write_all(blake3::hash(&body).as_bytes())?;
        file.write_all(&body)?;
        file.persist(self.path(key))?;
        Ok(())
    }

    fn remove_oldest(&self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut used: Vec<(SystemTime, PathBuf)> = entries
            .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "result"))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        used.sort_unstable_by(|a, b| b.cmp(a));
        for (_, path) in used.into_iter().skip(KEPT) {
            let _ = fs::remove_file(path);
        }
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.folder.join(format!("{}.result", key.0))
    }
}

/// Hashes fields so that no two lists of them run into each other.
struct Fields(blake3::Hasher);

impl Fields {
    fn add(&mut self, field: &[u8]) {
        self.0.update(&(field.len() as u64).to_le_bytes());
        self.0.update(field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raceguard_analyzer::source::{BuildContext, Environment, LoadOptions, MemoryTree, load};
    use raceguard_evidence::SourceProblem;

    fn loaded(text: &str, build: &BuildContext) -> Loaded {
        let tree = MemoryTree::new().with_file("/m/go.mod", "module m\n").with_file("/m/a.go", text);
        load(&tree, &Environment::new("/m"), build, &[], &LoadOptions::default(), &mut |_| {})
    }

    fn cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().to_owned()).unwrap();
        (folder, cache)
    }

    fn outcome() -> Outcome {
        let error = SourceProblem { message: "expected ';'".into(), loss: true, ..SourceProblem::default() };
        Outcome { findings: Vec::new(), syntax_errors: vec![error] }
    }

    #[test]
    fn the_key_follows_content_and_build() {
        let (_folder, cache) = cache();
        let linux = BuildContext::default();
        let key = |text: &str, build: &BuildContext| cache.key(&loaded(text, build));
        let reference = key("package m\n", &linux);
        assert_eq!(key("package m\n", &linux), reference);
        assert_ne!(key("package m\n\n", &linux), reference);
        assert_ne!(key("package m\n", &BuildContext::new("windows", "amd64")), reference);
    }

    #[test]
    fn what_was_put_is_there_again() {
        let (_folder, cache) = cache();
        let key = Key("a".to_owned());
        assert_eq!(cache.get(&key), None);
        cache.put(&key, &outcome());
        assert_eq!(cache.get(&key), Some(outcome()));
    }

    #[test]
    fn a_damaged_entry_is_not_there_and_is_written_anew() {
        let (_folder, cache) = cache();
        let key = Key("a".to_owned());
        cache.put(&key, &outcome());
        let whole = fs::read(cache.path(&key)).unwrap();
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for damaged in [&whole[..whole.len() - 1], &whole[..10], b"", &flipped] {
            fs::write(cache.path(&key), damaged).unwrap();
            assert_eq!(cache.get(&key), None);
        }
        cache.put(&key, &outcome());
        assert_eq!(cache.get(&key), Some(outcome()));
    }

    #[test]
    fn the_number_of_entries_is_bounded() {
        let (folder, cache) = cache();
        for number in 0..KEPT + 5 {
            cache.put(&Key(number.to_string()), &outcome());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), KEPT);
    }
}
