//! What is wrong with a policy: where exactly, and what to write instead.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// A mistake in a file of policies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The file, as the user named it.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file.display(), self.line, self.column, self.message)
    }
}

/// Everything that is wrong with policies, by place. Nothing is evaluated while there is one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    /// The problems, by place.
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds one; the same thing at the same place is said once.
    pub fn push(&mut self, problem: Problem) {
        if let Err(at) = self.list.binary_search(&problem) {
            self.list.insert(at, problem);
        }
    }

    /// Adds those of another file.
    pub fn extend(&mut self, other: Self) {
        other.list.into_iter().for_each(|problem| self.push(problem));
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{problem}")?;
            if !problem.hint.is_empty() {
                write!(f, "\n  hint: {}", problem.hint)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A place in a file, lines and columns from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column in characters.
    pub column: usize,
}

impl Position {
    /// A problem at this place.
    pub fn problem(self, file: &Path, message: impl Into<String>, hint: impl Into<String>) -> Problem {
        Problem {
            file: file.to_owned(),
            line: self.line,
            column: self.column,
            message: message.into(),
            hint: hint.into(),
        }
    }
}

/// The nearest of `known` to a misspelt word, if one is near.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let distance = |known: &str| strsim::damerau_levenshtein(&word, &known.to_lowercase());
    let best = known.into_iter().map(|known| (distance(known), known)).min()?;
    (best.0 <= (word.chars().count() / 3).max(2)).then_some(best.1)
}

/// `did you mean X? There are X, Y`, or only what there is.
pub fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let all = known.join(", ");
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? There are {all}"),
        None if known.is_empty() => String::new(),
        None => format!("there are {all}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_told_by_place_and_once() {
        let at = |line, column| Position { line, column };
        let mut problems = Problems::default();
        problems.push(at(4, 1).problem(Path::new("p.yaml"), "late", ""));
        problems.push(at(2, 3).problem(Path::new("p.yaml"), "early", "mend it"));
        problems.push(at(4, 1).problem(Path::new("p.yaml"), "late", ""));
        assert_eq!(problems.to_string(), "p.yaml:2:3: early\n  hint: mend it\np.yaml:4:1: late");
    }

    #[test]
    fn a_misspelt_word_is_recognised() {
        assert_eq!(
            suggestion("treshold", ["threshold", "window"]),
            "did you mean `threshold`? There are threshold, window"
        );
        assert_eq!(suggestion("colour", ["id", "window"]), "there are id, window");
    }
}
