//! Why a check could not be made, and what the user does next.

use std::io;
use std::path::PathBuf;

/// An error of `raceguard check` or `raceguard rule`.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// `raceguard.toml` can't be used.
    #[error("{}:{line}: {message}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
        /// What to write instead.
        hint: String,
    },
    /// Flags that can't be used.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to write instead.
        hint: String,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// `read`, `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file that was to be fixed has another content by now.
    #[error("{} has changed while it was analysed, so nothing was written", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A baseline that is none.
    #[error("{} is no baseline: {reason}", path.display())]
    Baseline {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// `git` could not tell what has changed.
    #[error("cannot tell what has changed since {base}: {reason}")]
    Diff {
        /// As the user wrote it.
        base: String,
        /// Git's own words.
        reason: String,
        /// What to do.
        hint: &'static str,
    },
}

impl CheckError {
    /// What the user does next.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Config { hint, .. } | Self::Usage { hint, .. } => hint.clone(),
            Self::File { action: "read", .. } => "check the path, and that the file can be read".to_owned(),
            Self::File { .. } => "check that the folder can be written, and that there is space".to_owned(),
            Self::Changed { .. } => "run `raceguard check --fix` again".to_owned(),
            Self::Baseline { .. } => "write it anew with `raceguard check --update-baseline`".to_owned(),
            Self::Diff { hint, .. } => (*hint).to_owned(),
        })
        .filter(|hint| !hint.is_empty())
    }
}

/// The nearest of `known` to a misspelt word, if one is near.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let distance = |known: &str| strsim::damerau_levenshtein(&word, &known.to_lowercase());
    let best = known.into_iter().map(|known| (distance(known), known)).min()?;
    (best.0 <= (word.chars().count() / 3).max(2)).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_has_a_nearest_one_unless_all_are_far() {
        assert_eq!(nearest("selct", ["ignore", "select"]), Some("select"));
        assert_eq!(nearest("rg110", ["RG101", "RG110"]), Some("RG110"));
        assert_eq!(nearest("colour", ["select", "ignore"]), None);
        assert_eq!(nearest("x", []), None);
    }
}
