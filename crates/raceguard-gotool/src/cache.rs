//! Rewritten package archives on disk, so that a link step costs a hash instead of a copy.
//!
//! An entry's name is the hash of everything it is made of, so entries are never wrong and never updated;
//! they appear by rename, so that parallel link steps see a whole file or none. Where the user's cache can't
//! be written (a read-only home in CI), the archive goes to the folder of the build, which cmd/go removes.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use crate::archive;
use crate::error::{ArchiveError, ToolexecError};

/// Entries that no new one was written beside for this long belong to a Go that is no longer used.
const KEPT: Duration = Duration::from_hours(24 * 30);

/// The folder for raceguard's own cached files: `$XDG_CACHE_HOME/raceguard` or `~/.cache/raceguard`, as Go's
/// `os.UserCacheDir` has it. `None` when neither variable is usable.
pub fn user_cache_folder() -> Option<PathBuf> {
    cache_folder(env::var_os("XDG_CACHE_HOME"), env::var_os("HOME"))
}

fn cache_folder(xdg_cache_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |value: Option<OsString>| value.map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute(xdg_cache_home).or_else(|| Some(absolute(home)?.join(".cache")))?;
    Some(base.join("raceguard"))
}

/// Where rewritten archives are kept.
#[derive(Debug)]
pub struct ArchiveCache {
    preferred: Option<PathBuf>,
    fallback: PathBuf,
}

impl ArchiveCache {
    /// A cache in `preferred`, or in `fallback` where that can't be written.
    pub fn new(preferred: Option<PathBuf>, fallback: PathBuf) -> Self {
        Self { preferred, fallback }
    }

    /// The path of a copy of the archive `original` of `package` in which `members` (name, bytes) are replaced.
    pub fn rewritten(
        &self,
        package: &str,
        original: &Path,
        members: &[(&str, &[u8])],
    ) -> Result<PathBuf, ToolexecError> {
        let bytes = fs::read(original).map_err(|source| file_error("read", original.to_owned(), source))?;
        let name = format!("{}.a", content_key(&bytes, members));
        let known = self.preferred.iter().chain([&self.fallback]).map(|folder| folder.join(&name));
        if let Some(found) = known.into_iter().find(|path| path.is_file()) {
            return Ok(found);
        }
        let rewritten = archive::replace_members(&bytes, members).map_err(|source: ArchiveError| {
            ToolexecError::Archive { path: original.to_owned(), package: package.to_owned(), source }
        })?;
        let preferred = self.preferred.as_deref();
        if let Some(path) = preferred.and_then(|folder| write_whole(folder, &name, &rewritten).ok()) {
            return Ok(path);
        }
        write_whole(&self.fallback, &name, &rewritten)
            .map_err(|source| file_error("write", self.fallback.join(&name), source))
    }
}

fn content_key(archive: &[u8], members: &[(&str, &[u8])]) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(archive);
    for (name, bytes) in members {
        part(name.as_bytes());
        part(bytes);
    }
    hex(&hash.finalize())
}

/// `bytes` in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.extend(
            [byte >> 4, byte & 0xf].map(|digit| char::from_digit(digit.into(), 16).unwrap_or_default()),
        );
    }
    text
}

fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    // A name that is there stands for its whole content, also after the machine has died.
    file.as_file().sync_all()?;
    let path = folder.join(name);
    file.persist(&path).map_err(|error| error.error)?;
    remove_old_entries(folder);
    Ok(path)
}

/// Tidying up is best effort: another process may do the same at the same time.
fn remove_old_entries(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let age = entry
            .metadata()
            .and_then(|data| data.modified())
            .map(|time| SystemTime::now().duration_since(time));
        let is_ours = entry.path().extension().is_some_and(|extension| extension == "a");
        if is_ours && matches!(age, Ok(Ok(age)) if age > KEPT) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn file_error(action: &'static str, path: PathBuf, source: io::Error) -> ToolexecError {
    ToolexecError::File { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARCHIVE: &[u8] = b"!<arch>\na.o             0           0     0     644     2         `\nhi";

    fn original(folder: &Path) -> PathBuf {
        let path = folder.join("original.a");
        fs::write(&path, ARCHIVE).unwrap();
        path
    }

    #[test]
    fn one_entry_per_content() {
        let folder = tempfile::tempdir().unwrap();
        let original = original(folder.path());
        let entries = folder.path().join("cache");
        let cache = ArchiveCache::new(Some(entries.clone()), folder.path().join("unused"));
        let first = cache.rewritten("p", &original, &[("a.o", b"one")]).unwrap();
        assert_eq!(cache.rewritten("p", &original, &[("a.o", b"one")]).unwrap(), first);
        let second = cache.rewritten("p", &original, &[("a.o", b"two")]).unwrap();
        assert_ne!(first, second);
        assert!(fs::read(&first).unwrap().ends_with(b"one\0"));
        assert!(fs::read(&second).unwrap().ends_with(b"two\0"));
        assert_eq!(fs::read_dir(entries).unwrap().count(), 2, "no temporary files are left");
        assert!(!folder.path().join("unused").exists());
    }

    #[test]
    fn falls_back_to_the_folder_of_the_build() {
        let folder = tempfile::tempdir().unwrap();
        let original = original(folder.path());
        // A file where the cache folder should be can't be written into, not even by root.
        let blocked = folder.path().join("blocked");
        fs::write(&blocked, "").unwrap();
        let cache = ArchiveCache::new(Some(blocked), folder.path().join("build"));
        let path = cache.rewritten("p", &original, &[("a.o", b"one")]).unwrap();
        assert!(path.starts_with(folder.path().join("build")));
    }

    #[test]
    fn entries_of_long_ago_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let original = original(folder.path());
        let entries = folder.path().join("cache");
        let cache = ArchiveCache::new(Some(entries), folder.path().join("unused"));
        let old = cache.rewritten("p", &original, &[("a.o", b"one")]).unwrap();
        let long_ago = SystemTime::now() - 2 * KEPT;
        fs::File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
        cache.rewritten("p", &original, &[("a.o", b"two")]).unwrap();
        assert!(!old.exists());
    }

    #[test]
    fn a_missing_member_names_package_and_archive() {
        let folder = tempfile::tempdir().unwrap();
        let original = original(folder.path());
        let cache = ArchiveCache::new(None, folder.path().to_owned());
        let error = cache.rewritten("runtime/race", &original, &[("x.syso", b"")]).unwrap_err().to_string();
        assert!(error.contains("original.a (package runtime/race): it holds no member `x.syso`"), "{error}");
    }

    #[test]
    fn the_cache_folder_follows_the_rule_of_go() {
        let os = |text: &str| Some(OsString::from(text));
        assert_eq!(cache_folder(os("/x"), os("/home/me")), Some("/x/raceguard".into()));
        assert_eq!(cache_folder(os("relative"), os("/home/me")), Some("/home/me/.cache/raceguard".into()));
        assert_eq!(cache_folder(None, os("/home/me")), Some("/home/me/.cache/raceguard".into()));
        assert_eq!(cache_folder(None, None), None);
    }
}
