//! Patterns for files in `raceguard.toml`.

use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// A pattern for files below a folder.
///
/// One without a slash matches a file or folder of that name anywhere; one with a slash matches a path from the
/// folder on, or a folder above it. `*` stands for anything in a name, `**` for any folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileGlob {
    folder: PathBuf,
    pattern: Pattern,
    has_slash: bool,
}

impl FileGlob {
    /// Reads a pattern; the error says what is wrong with it.
    pub fn new(folder: &Path, text: &str) -> Result<Self, String> {
        let trimmed = text.trim_start_matches("./").trim_end_matches('/');
        if trimmed.is_empty() {
            return Err("an empty pattern matches nothing".to_owned());
        }
        let pattern = Pattern::new(trimmed).map_err(|error| error.msg.to_owned())?;
        Ok(Self { folder: folder.to_owned(), pattern, has_slash: trimmed.contains('/') })
    }

    /// Whether a file, by its absolute path, matches.
    pub fn matches(&self, file: &Path) -> bool {
        let Ok(relative) = file.strip_prefix(&self.folder) else { return false };
        if self.has_slash {
            let mut above = relative.ancestors().filter(|path| !path.as_os_str().is_empty());
            return above.any(|path| self.pattern.matches_path_with(path, OPTIONS));
        }
        relative.iter().any(|name| self.pattern.matches_with(&name.to_string_lossy(), OPTIONS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, file: &str) -> bool {
        FileGlob::new(Path::new("/m"), pattern).unwrap().matches(Path::new(file))
    }

    #[test]
    fn names_match_anywhere_and_paths_from_the_folder_on() {
        assert!(matches("*.pb.go", "/m/api/v1/a.pb.go"));
        assert!(matches("gen", "/m/x/gen/a.go") && !matches("gen", "/m/x/generate/a.go"));
        assert!(matches("api/v1", "/m/api/v1/a.go") && !matches("api/v1", "/m/x/api/v1/a.go"));
        assert!(matches("./api/*/a.go", "/m/api/v1/a.go") && !matches("api/*.go", "/m/api/v1/a.go"));
        assert!(matches("**/legacy/**", "/m/x/y/legacy/a.go"));
        assert!(!matches("*.go", "/other/a.go"));
    }

    #[test]
    fn patterns_that_are_none_are_refused() {
        for pattern in ["", "./", "a[", "a**b"] {
            assert!(FileGlob::new(Path::new("/m"), pattern).is_err(), "{pattern:?}");
        }
    }
}
