//! The lines of a goroutine dump as Go prints it.

use super::CrashGoroutine;
use crate::frame::Frame;

/// The first line of a goroutine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header<'a> {
    /// Go's number of it.
    pub(crate) id: u64,
    /// `chan receive, 2 minutes, locked to thread`.
    pub(crate) state: &'a str,
    /// What stands between braces: `tenant: "a b", k: v`; empty when nothing does.
    pub(crate) labels: &'a str,
}

/// `goroutine 18 [running]:`, also with `gp=0x… m=0 mp=0x…` between number and state, and with labels of the
/// profiler behind it: `goroutine 18 [select] {tenant: a}:`.
pub(crate) fn header(line: &str) -> Option<Header<'_>> {
    let rest = line.strip_prefix("goroutine ")?;
    let (id, rest) = rest.split_once(' ')?;
    let id = id.parse().ok()?;
    let (between, rest) = rest.split_once('[')?;
    if !(between.is_empty() || between.starts_with("gp=") && between.len() < 100) {
        return None;
    }
    let (state, rest) = rest.strip_suffix(':')?.split_once(']')?;
    let labels = if rest.is_empty() { "" } else { rest.trim_start().strip_prefix('{')?.strip_suffix('}')? };
    Some(Header { id, state, labels })
}

/// The goroutine that a line begins.
pub(super) fn goroutine_header(line: &str) -> Option<CrashGoroutine> {
    let header = header(line)?;
    Some(CrashGoroutine { id: header.id, state: header.state.to_owned(), ..CrashGoroutine::default() })
}

/// `example.com/m.(*T).M(0xc000012345, {0x1, 0x2})` or, for an inlined call, `example.com/m.(*T).M(...)`.
pub(super) fn function_line(line: &str) -> Option<Frame> {
    if line.starts_with(char::is_whitespace) || !line.ends_with(')') {
        return None;
    }
    // Arguments hold no parentheses, receivers stand before them.
    let arguments = line.rfind('(')?;
    let function = &line[..arguments];
    if function.is_empty() || function.contains(' ') {
        return None;
    }
    Some(Frame { inlined: &line[arguments..] == "(...)", ..Frame::new(function, "", 0) })
}

/// `created by main.main in goroutine 1`; older Go leaves the goroutine out.
pub(super) fn created_by_line(line: &str) -> Option<(Frame, Option<u64>)> {
    let rest = line.strip_prefix("created by ")?;
    let (function, parent) = match rest.split_once(" in goroutine ") {
        Some((function, parent)) => (function, parent.trim().parse().ok()),
        None => (rest, None),
    };
    (!function.is_empty() && !function.contains(' ')).then(|| (Frame::new(function, "", 0), parent))
}

/// `\t/path/file.go:12 +0x39`, with the offset left out for inlined calls.
pub(super) fn position_line(line: &str) -> Option<(String, u32, Option<u64>)> {
    frame_position(line.strip_prefix('\t')?)
}

const OFFSET: &str = " +0x";

/// The same without the tab.
pub(crate) fn frame_position(rest: &str) -> Option<(String, u32, Option<u64>)> {
    let (position, offset) = match memchr::memmem::find(rest.as_bytes(), OFFSET.as_bytes()) {
        Some(at) => {
            let digits = rest[at + OFFSET.len()..].split(' ').next().unwrap_or_default();
            (&rest[..at], u64::from_str_radix(digits, 16).ok())
        }
        None => (rest.split(" fp=").next().unwrap_or(rest), None),
    };
    let (file, line) = position.trim_end().rsplit_once(':')?;
    Some((file.to_owned(), line.parse().ok()?, offset))
}

/// Lines inside a dump that are neither frame nor position and do not end it.
pub(super) fn is_remark(line: &str) -> bool {
    line.is_empty()
        || line.starts_with("...")
        || line.starts_with('\t')
        || line.starts_with("[signal ")
        || line.starts_with("[recovered]")
        || line.starts_with("runtime stack:")
        || line.starts_with("goroutine running on other thread")
        || line.starts_with("[originating from goroutine")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_hold_number_and_state() {
        let header = |line| goroutine_header(line).map(|goroutine| (goroutine.id, goroutine.state));
        assert_eq!(header("goroutine 18 [running]:"), Some((18, "running".into())));
        assert_eq!(
            header("goroutine 1 [chan receive, 2 minutes]:"),
            Some((1, "chan receive, 2 minutes".into()))
        );
        assert_eq!(header("goroutine 1 gp=0xc0 m=0 mp=0x5 [running]:"), Some((1, "running".into())));
        assert_eq!(header("goroutine 7 [select] {tenant: \"a]b\", k: v}:"), Some((7, "select".into())));
        assert_eq!(super::header("goroutine 7 [select] {tenant: a}:").map(|h| h.labels), Some("tenant: a"));
        assert_eq!(header("goroutine 7 [select] and more:"), None);
        assert_eq!(header("goroutine x [running]:"), None);
        assert_eq!(header("goroutine 18"), None);
    }

    #[test]
    fn frames_hold_function_and_position() {
        let function = |line| function_line(line).map(|frame| (frame.function, frame.inlined));
        assert_eq!(function("main.(*T).Put(...)"), Some(("main.(*T).Put".into(), true)));
        assert_eq!(function("main.f({0x49?, 0x0?}, 0x1)"), Some(("main.f".into(), false)));
        assert_eq!(function("some log line (of a program)"), None);
        assert_eq!(function("\tmain.f()"), None);
        assert_eq!(position_line("\t/a b/f.go:12 +0x39"), Some(("/a b/f.go".into(), 12, Some(0x39))));
        assert_eq!(position_line("\t/a/f.go:7"), Some(("/a/f.go".into(), 7, None)));
        assert_eq!(
            position_line("\t/a/f.go:7 +0x5c fp=0xc0 sp=0xc1 pc=0x4"),
            Some(("/a/f.go".into(), 7, Some(0x5c)))
        );
        assert_eq!(position_line("/a/f.go:7"), None);
    }

    #[test]
    fn creators_hold_function_and_parent() {
        let creator = |line| created_by_line(line).map(|(frame, parent)| (frame.function, parent));
        assert_eq!(creator("created by main.main in goroutine 1"), Some(("main.main".into(), Some(1))));
        assert_eq!(creator("created by main.main"), Some(("main.main".into(), None)));
        assert_eq!(creator("created by the user yesterday"), None);
    }
}
