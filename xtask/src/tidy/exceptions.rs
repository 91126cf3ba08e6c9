//! Exceptions in the text of a file: `tidy: allow(NAME) reason`, in a comment of whatever kind the file has.

const MARK: &str = "tidy: allow(";

struct Exception {
    line: usize,
    name: String,
    has_reason: bool,
    used: bool,
}

/// The exceptions of one file.
pub(super) struct Exceptions(Vec<Exception>);

impl Exceptions {
    /// Finds all exceptions. Only a comment that begins with one counts, so that text about exceptions is none.
    pub(super) fn read(text: &str) -> Self {
        let mut found = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let Some((before, after)) = line.split_once(MARK) else { continue };
            let Some((name, reason)) = after.split_once(')').filter(|_| opens_comment(before)) else {
                continue;
            };
            let reason = reason.trim().trim_end_matches("-->").trim_end_matches("*/").trim();
            let has_reason = !reason.is_empty();
            found.push(Exception { line: index + 1, name: name.to_owned(), has_reason, used: false });
        }
        Self(found)
    }

    /// Whether something about the file as a whole is excused.
    pub(super) fn excuse_file(&mut self, name: &str) -> bool {
        self.excuse(name, |_| true)
    }

    /// Whether something within these lines is excused.
    pub(super) fn excuse_lines(&mut self, name: &str, first: usize, last: usize) -> bool {
        self.excuse(name, |line| (first..=last).contains(&line))
    }

    /// Of several that fit, the last one is meant: it stands closest to what it excuses.
    fn excuse(&mut self, name: &str, here: impl Fn(usize) -> bool) -> bool {
        match self.0.iter_mut().rfind(|exception| exception.name == name && here(exception.line)) {
            Some(exception) => {
                exception.used = true;
                true
            }
            None => false,
        }
    }

    /// Exceptions that are wrong themselves.
    pub(super) fn leftovers(&self) -> Vec<(usize, String)> {
        let mut problems = Vec::new();
        for exception in &self.0 {
            if !exception.has_reason {
                problems.push((exception.line, "this exception carries no reason".to_owned()));
            } else if !exception.used {
                problems.push((exception.line, "this exception excuses nothing: remove it".to_owned()));
            }
        }
        problems
    }
}

/// Whether a comment opens right at the end of `before`: one that stands alone or behind code, not one in a quotation.
fn opens_comment(before: &str) -> bool {
    let before = before.trim_end();
    ["//", "#", "<!--", "/*"].iter().any(|opening| {
        before
            .strip_suffix(opening)
            .is_some_and(|code| code.is_empty() || code.ends_with(char::is_whitespace))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_stand_in_comments_of_every_kind() {
        let mark = MARK;
        let text = format!("// {mark}a) why\n# {mark}b) why\n<!-- {mark}c) -->\n// say `// {mark}d) no`\n");
        let mut exceptions = Exceptions::read(&text);
        assert!(exceptions.excuse_file("a"));
        assert!(exceptions.excuse_lines("b", 1, 2));
        assert!(!exceptions.excuse_lines("b", 3, 4));
        assert!(!exceptions.excuse_file("d"));
        assert_eq!(exceptions.leftovers(), [(3, "this exception carries no reason".to_owned())]);
    }
}
