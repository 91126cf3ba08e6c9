//! Words that must not be in the repository: paths of somebody's machine, notes to oneself, debugging left behind.

use super::exceptions::Exceptions;

struct Forbidden {
    word: &'static str,
    why: &'static str,
    /// What may stand right before the word and makes it something else: `context.TODO()` is Go's own name.
    not_after: &'static [char],
}

const FORBIDDEN: [Forbidden; 8] = [
    Forbidden { word: "/root/", why: MACHINE, not_after: PATH }, // tidy: allow(words) the list itself
    Forbidden { word: "/work/", why: MACHINE, not_after: PATH }, // tidy: allow(words) the list itself
    Forbidden { word: "TODO", why: NOTE, not_after: NAME },      // tidy: allow(words) the list itself
    Forbidden { word: "FIXME", why: NOTE, not_after: NAME },     // tidy: allow(words) the list itself
    Forbidden { word: "XXX", why: NOTE, not_after: NAME },       // tidy: allow(words) the list itself
    Forbidden { word: "dbg!(", why: DEBUGGING, not_after: NAME }, // tidy: allow(words) the list itself
    Forbidden { word: "todo!(", why: UNFINISHED, not_after: NAME }, // tidy: allow(words) the list itself
    Forbidden { word: "unimplemented!(", why: UNFINISHED, not_after: NAME }, // tidy: allow(words) the list itself
];

const MACHINE: &str = "a path of somebody's machine: write it relative to the repository";
const NOTE: &str = "a note to oneself: do it, or open an issue";
const DEBUGGING: &str = "debugging left behind: remove it";
const UNFINISHED: &str = "unfinished code: finish it, or return an error";
const PATH: &[char] = &['.', '-', '_', '}', ')'];
const NAME: &[char] = &['.', '_'];

/// The lines with forbidden words; an exception stands on the line or on the one above.
pub(super) fn check(text: &str, exceptions: &mut Exceptions) -> Vec<(usize, String)> {
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for forbidden in FORBIDDEN.iter().filter(|forbidden| forbidden.stands_in(line)) {
            if !exceptions.excuse_lines("words", index, index + 1) {
                problems.push((index + 1, format!("`{}` is {}", forbidden.word, forbidden.why)));
            }
        }
    }
    problems
}

impl Forbidden {
    fn stands_in(&self, line: &str) -> bool {
        line.match_indices(self.word).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            before.is_none_or(|before| !before.is_alphanumeric() && !self.not_after.contains(&before))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check(text, &mut Exceptions::read(text)).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn words_count_only_where_they_stand_alone() {
        let note = FORBIDDEN[2].word;
        assert_eq!(lines(&format!("// {note}: later\nctx := context.{note}()\nPSEUDO{note}S\n")), [1]);
        let folder = FORBIDDEN[1].word;
        assert_eq!(lines(&format!("see {folder}main\nexample.com/a{folder}b\n")), [1]);
    }

    #[test]
    fn an_exception_excuses_its_line_and_the_next() {
        let word = FORBIDDEN[3].word;
        let exception = concat!("// tidy: ", "allow(words) shown in a test");
        assert_eq!(lines(&format!("{exception}\n{word}\n{word}\n")), [3]);
    }
}
