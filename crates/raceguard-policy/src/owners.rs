//! Who owns which file, as CODEOWNERS files of GitHub and GitLab say: the last line whose pattern fits counts.

use glob::{MatchOptions, Pattern};

/// The owners of files.
#[derive(Debug, Clone, Default)]
pub struct Owners {
    lines: Vec<Line>,
    /// Where the files that are asked for lie in the repository.
    folder: String,
}

#[derive(Debug, Clone)]
struct Line {
    patterns: Vec<Pattern>,
    owners: Vec<String>,
}

/// A `*` stays within one folder.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

impl Owners {
    /// Reads a CODEOWNERS file. Lines that are none are passed over, as the platforms do.
    pub fn parse(text: &str) -> Self {
        let mut owners_of_section: Vec<String> = Vec::new();
        let mut lines = Vec::new();
        for line in text.lines() {
            let line = line.split(" #").next().unwrap_or_default().trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(owners) = section(line) {
                owners_of_section = owners;
                continue;
            }
            let mut words = words(line).into_iter();
            let Some(pattern) = words.next() else { continue };
            let owners: Vec<String> = words.collect();
            let owners = if owners.is_empty() { owners_of_section.clone() } else { owners };
            lines.push(Line { patterns: patterns(&pattern), owners });
        }
        Self { lines, folder: String::new() }
    }

    /// The same for files that are given relative to a folder of the repository.
    #[must_use]
    pub fn inside(self, folder: &str) -> Self {
        Self { folder: folder.trim_matches('/').to_owned(), ..self }
    }

    /// The owners of a file, given relative to the repository or to [`Self::inside`].
    pub fn of(&self, file: &str) -> &[String] {
        let file = file.trim_start_matches('/');
        let file = if self.folder.is_empty() { file.to_owned() } else { format!("{}/{file}", self.folder) };
        let fits = |line: &&Line| line.patterns.iter().any(|it| it.matches_with(&file, OPTIONS));
        self.lines.iter().rev().find(fits).map(|line| line.owners.as_slice()).unwrap_or_default()
    }
}

/// The owners of a section's header, `[Payments][2] @payments`; nothing for other lines.
fn section(line: &str) -> Option<Vec<String>> {
    let header = line.strip_prefix('^').unwrap_or(line).strip_prefix('[')?;
    let rest = header.split_once(']')?.1;
    let rest = rest.strip_prefix('[').and_then(|it| it.split_once(']')).map_or(rest, |(_, rest)| rest);
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

/// The words of a line; `\ ` is a space inside a word.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.next_if_eq(&' ').is_some() => {
                words.last_mut().into_iter().for_each(|word| word.push(' '));
            }
            c if c.is_whitespace() => words.push(String::new()),
            c => words.last_mut().into_iter().for_each(|word| word.push(c)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A pattern as .gitignore has it: anchored when it has a slash before its end, and a folder stands for all in it.
fn patterns(pattern: &str) -> Vec<Pattern> {
    let anchored = pattern.trim_end_matches('/').contains('/');
    let inner = pattern.trim_start_matches('/');
    let is_folder = inner.ends_with('/');
    let inner = inner.trim_end_matches('/');
    let prefix = if anchored || inner.starts_with("**/") { "" } else { "**/" };
    let mut texts = vec![format!("{prefix}{inner}/**")];
    if !is_folder {
        texts.push(format!("{prefix}{inner}"));
    }
    // `docs/*` is about the files of the folder, not about those of its folders.
    if inner.ends_with("/*") {
        texts.remove(0);
    }
    texts.iter().filter_map(|text| Pattern::new(text).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_fitting_line_counts() {
        let owners = Owners::parse(
            "# who\n*            @everyone\n*.go         @gophers # all of Go\n/internal/pay/ @payments @security\n\
             docs/*       @writers\ninternal/gen\n",
        );
        for (file, expected) in [
            ("README.md", &["@everyone"][..]),
            ("cmd/a/main.go", &["@gophers"]),
            ("internal/pay/deep/a.go", &["@payments", "@security"]),
            ("other/internal/pay/a.md", &["@everyone"]),
            ("docs/a.md", &["@writers"]),
            ("docs/ci/a.md", &["@everyone"]),
            ("internal/gen/x.go", &[]),
        ] {
            assert_eq!(owners.of(file), expected, "{file}");
        }
        assert_eq!(owners.inside("internal/pay").of("a.go"), ["@payments", "@security"]);
        assert!(Owners::parse("").of("a.go").is_empty());
    }

    #[test]
    fn sections_lend_their_owners() {
        let owners =
            Owners::parse("[Payments][2] @pay\npay/\npay/special.go @one\n^[Docs]\n*.md\na\\ b.go @x\n");
        assert_eq!(owners.of("pay/a.go"), ["@pay"]);
        assert_eq!(owners.of("pay/special.go"), ["@one"]);
        assert!(owners.of("a.md").is_empty());
        assert_eq!(owners.of("a b.go"), ["@x"]);
    }
}
