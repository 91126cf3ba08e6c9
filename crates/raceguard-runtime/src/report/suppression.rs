//! Suppressions: patterns, in a file that `GORACE=suppressions=` names, of races that are not to be reported.
//!
//! As with ThreadSanitizer, `race:` looks at all frames of both accesses and `race_top:` at the innermost ones.

use alloc::vec::Vec;

use super::symbols::Frame;

/// A line of a suppressions file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Suppression {
    /// Of functions and files; see [`matches`].
    pattern: Vec<u8>,
    top_only: bool,
}

/// The suppressions in a file; comments and kinds of other sanitizers are passed over.
pub fn parse(contents: &[u8]) -> Vec<Suppression> {
    let of_line = |line: &[u8]| {
        let line = line.trim_ascii();
        let (pattern, top_only) = match line.strip_prefix(b"race:") {
            Some(pattern) => (pattern, false),
            None => (line.strip_prefix(b"race_top:")?, true),
        };
        Some(Suppression { pattern: pattern.to_vec(), top_only })
    };
    contents.split(|&byte| byte == b'\n').filter_map(of_line).collect()
}

/// Whether an access with this stack, innermost frame first, is suppressed.
pub(super) fn applies(suppressions: &[Suppression], stack: &[Frame]) -> bool {
    suppressions.iter().any(|suppression| {
        let frames = if suppression.top_only { &stack[..stack.len().min(1)] } else { stack };
        frames.iter().any(|frame| {
            matches(&suppression.pattern, &frame.function) || matches(&suppression.pattern, &frame.file)
        })
    })
}

/// ThreadSanitizer's patterns: a substring, `*` for anything, `^` and `$` for the ends.
fn matches(pattern: &[u8], text: &str) -> bool {
    let text = text.as_bytes();
    let at_start = pattern.first() == Some(&b'^');
    let at_end = pattern.last() == Some(&b'$');
    let pattern = &pattern[usize::from(at_start)..];
    let pattern = if at_end { &pattern[..pattern.len() - 1] } else { pattern };
    let mut position = 0;
    let mut parts = pattern.split(|&byte| byte == b'*').enumerate().peekable();
    while let Some((index, part)) = parts.next() {
        let anchored = index == 0 && at_start;
        let last = parts.peek().is_none();
        let rest = &text[position..];
        let found = match (anchored, last && at_end) {
            (true, false) => rest.starts_with(part).then_some(0),
            (true, true) => (rest == part).then_some(0),
            (false, true) => rest.ends_with(part).then(|| rest.len() - part.len()),
            (false, false) if part.is_empty() => Some(0),
            (false, false) => rest.windows(part.len()).position(|window| window == part),
        };
        let Some(at) = found else { return false };
        position += at + part.len();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(functions: &[&str]) -> Vec<Frame> {
        let frame = |function: &&str| Frame {
            function: (*function).into(),
            file: "/src/service.go".into(),
            line: 1,
            pc: 0,
            offset: 0,
            inlined: false,
        };
        functions.iter().map(frame).collect()
    }

    #[test]
    fn patterns() {
        assert!(matches(b"main.f", "example.com/main.foo"));
        assert!(matches(b"^main.*$", "main.foo") && !matches(b"^main.*$", "x/main.foo"));
        assert!(matches(b"a*c", "xabcx") && !matches(b"a*c$", "xabcx"));
        assert!(!matches(b"^foo$", "foobar") && matches(b"^foo$", "foo"));
    }

    #[test]
    fn race_means_any_frame_and_race_top_the_innermost() {
        let access = stack(&["runtime.mapassign_faststr", "main.put", "main.serve"]);
        for (line, expected) in [
            (&b"race:main.serve"[..], true),
            (b"race:runtime.mapassign", true),
            (b"race_top:runtime.mapassign", true),
            (b"race_top:main.put", false),
            (b"race_top:service.go", true),
            (b"deadlock:main.put", false),
            (b"# race:main.put", false),
        ] {
            assert_eq!(applies(&parse(line), &access), expected, "{}", line.escape_ascii());
        }
        assert!(!applies(&parse(b"race:f\nrace_top:f\n"), &[]));
    }
}
