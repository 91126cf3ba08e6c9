//! Names of fields and locks, read off source lines: an expression becomes a name that is the same wherever the
//! field is used, `example.com/m.Store.mu` for `s.mu` in a method of `*Store`.

use raceguard_evidence::{Frame, FunctionName};

use crate::operand::code_only;
use crate::source_text::SourceText;
use crate::statement::declared_function;

/// What a call on a lock does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "PascalCase")]
pub enum LockCall {
    /// `Lock`
    Lock,
    /// `RLock`
    RLock,
    /// `Unlock`
    Unlock,
    /// `RUnlock`
    RUnlock,
}

impl LockCall {
    /// All, longer names before those that end like them.
    pub(crate) const ALL: [Self; 4] = [Self::RUnlock, Self::Unlock, Self::RLock, Self::Lock];

    /// The method's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lock => "Lock",
            Self::RLock => "RLock",
            Self::Unlock => "Unlock",
            Self::RUnlock => "RUnlock",
        }
    }

    /// Of a frame of package sync: `sync.(*RWMutex).RLock`; with the type.
    pub(crate) fn of_frame(function: &str) -> Option<(&'static str, Self)> {
        let (of_type, method) = if let Some(method) = function.strip_prefix("sync.(*RWMutex).") {
            ("RWMutex", method)
        } else if let Some(method) = function.strip_prefix("sync.(*Mutex).") {
            ("Mutex", method)
        } else {
            ("Mutex", function.strip_prefix("internal/sync.(*Mutex).")?)
        };
        let call = match method {
            "Lock" | "lockSlow" => Self::Lock,
            "RLock" => Self::RLock,
            "Unlock" | "unlockSlow" => Self::Unlock,
            "RUnlock" | "rUnlockSlow" => Self::RUnlock,
            _ => return None,
        };
        Some((of_type, call))
    }

    /// Whether it takes the lock.
    pub fn acquires(self) -> bool {
        matches!(self, Self::Lock | Self::RLock)
    }

    /// Whether it is about reading alone.
    pub fn is_read(self) -> bool {
        matches!(self, Self::RLock | Self::RUnlock)
    }
}

/// A call on a lock on a source line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LockExpression {
    /// `s.mu`
    pub(crate) lock: String,
    pub(crate) call: LockCall,
    pub(crate) deferred: bool,
    /// The byte of the line after the lock.
    pub(crate) at: usize,
}

/// The calls on locks on a line of source, in their order.
pub(crate) fn lock_calls(line: &str) -> Vec<LockExpression> {
    let code = code_only(line);
    let mut found: Vec<LockExpression> = Vec::new();
    for call in LockCall::ALL {
        let pattern = format!(".{}()", call.name());
        for (at, _) in code.match_indices(&pattern) {
            let start = expression_start(&code, at);
            let lock = code[start..at].to_owned();
            if lock.is_empty() {
                continue;
            }
            let deferred = code[..start].trim_end().ends_with("defer");
            found.push(LockExpression { lock, call, deferred, at });
        }
    }
    found.sort_by_key(|expression| expression.at);
    found
}

/// Where the selector expression that ends at `end` starts: letters, digits, dots, and brackets with what they hold.
fn expression_start(code: &str, end: usize) -> usize {
    let mut depth = 0_usize;
    let mut start = end;
    for (at, c) in code[..end].char_indices().rev() {
        match c {
            ')' | ']' => depth += 1,
            '(' | '[' if depth == 0 => break,
            '(' | '[' => depth -= 1,
            _ if depth > 0 || c.is_alphanumeric() || c == '_' || c == '.' => {}
            _ => break,
        }
        start = at;
    }
    start
}

/// The receiver of the declaration around line `line`, from 1: its name and its type.
pub(crate) fn receiver(lines: &[String], line: u32) -> Option<(String, String)> {
    let declaration = declaration(lines, line).map(|(_, text)| text)?;
    let (name, of_type) = declaration.strip_prefix('(')?.split_once(')')?.0.split_once(' ')?;
    let of_type = of_type.trim().trim_start_matches('*').split('[').next()?;
    Some((name.to_owned(), of_type.to_owned()))
}

/// Whether line `line` lies in the declared function that `function` names: the source may be of another build.
pub(crate) fn is_inside(function: &str, lines: &[String], line: u32) -> bool {
    let declared = declared_function(function);
    let name = declared.rsplit('.').next().unwrap_or_default();
    let Some((_, text)) = declaration(lines, line) else { return false };
    let after_receiver =
        if text.starts_with('(') { text.split_once(") ").map_or("", |(_, rest)| rest) } else { text };
    after_receiver.strip_prefix(name).is_some_and(|rest| rest.starts_with(['(', '[']))
}

/// The line, from 1, of the function declaration around line `line`, and its text after `func `.
pub(crate) fn declaration(lines: &[String], line: u32) -> Option<(u32, &str)> {
    let before = lines.get(..usize::try_from(line).ok()?.min(lines.len()))?;
    let (at, text) =
        before.iter().enumerate().rev().find_map(|(at, line)| Some((at, line.strip_prefix("func ")?)))?;
    Some((u32::try_from(at).ok()? + 1, text))
}

/// The name of what `expression` stands for at `line` of a function: a field of the receiver or of a parameter by
/// its type, a package-level variable or a local one by what can be told apart.
pub(crate) fn qualified(expression: &str, function: &str, lines: &[String], line: u32) -> String {
    let package = FunctionName::parse(function).package();
    let (base, field) = expression.split_once('.').unwrap_or((expression, ""));
    let of_type = receiver(lines, line)
        .and_then(|(receiver, of_type)| (receiver == base).then_some(of_type))
        .or_else(|| parameter_type(base, declaration(lines, line)?.1));
    match of_type {
        Some(of_type) if field.is_empty() => format!("{package}.{of_type}"),
        Some(of_type) => format!("{package}.{of_type}.{field}"),
        None => unqualified(expression, function, lines, &package),
    }
}

/// The type of the parameter `name` of the declaration, if it is one that this package declares: `Account` for
/// `to` of `Transfer(from, to *Account, amount int)`.
fn parameter_type(name: &str, declaration: &str) -> Option<String> {
    let after_receiver =
        if declaration.starts_with('(') { declaration.split_once(')')?.1 } else { declaration };
    let parameters = after_receiver.split_once('(')?.1.split(')').next()?;
    let mut parts = parameters.split(',').map(str::trim).skip_while(|part| {
        let own = part.split(' ').next().unwrap_or_default();
        own != name
    });
    // `from, to *Account`: the type stands after the last name of its group.
    let of_type = parts.find_map(|part| Some(part.split_once(' ')?.1.trim()))?;
    let of_type = of_type.trim_start_matches('*').split('[').next()?;
    let is_own = of_type.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && of_type.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_own.then(|| of_type.to_owned())
}

fn unqualified(expression: &str, function: &str, lines: &[String], package: &str) -> String {
    let base = expression.split(['.', '[']).next().unwrap_or(expression);
    if is_package_level(base, lines) {
        format!("{package}.{expression}")
    } else {
        format!("{}:{expression}", declared_function(function))
    }
}

/// Whether the file declares `name` outside functions: `var name …`, or `name …` inside `var (…)`.
pub(crate) fn is_package_level(name: &str, lines: &[String]) -> bool {
    let declares = |text: &str| {
        text.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '\t', ',', '=']) || rest.is_empty())
    };
    let mut in_group = false;
    lines.iter().any(|line| {
        in_group = if in_group { !line.starts_with(')') } else { line.starts_with("var (") };
        line.strip_prefix("var ").is_some_and(declares)
            || (in_group && line.strip_prefix('\t').is_some_and(declares))
    })
}

/// The lock that the frame `frame` calls `call` on, by the source: `example.com/m.Store.mu`.
///
/// A deferred call is shown at the line where its function ends, so the nearest such `defer` above is taken then.
pub(crate) fn lock_of_call(frame: &Frame, call: LockCall, sources: &SourceText<'_>) -> Option<String> {
    lock_named_at(frame, call, sources).map(|named| named.lock)
}

/// A lock as one place of the source names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedLock {
    /// `example.com/m.Store.mu`
    pub(crate) lock: String,
    /// `s.mu`
    pub(crate) expression: String,
}

/// As [`lock_of_call`], with the expression.
pub(crate) fn lock_named_at(frame: &Frame, call: LockCall, sources: &SourceText<'_>) -> Option<NamedLock> {
    let lines = sources.lines(&frame.file)?;
    let at_line = lines.get(usize::try_from(frame.line).ok()?.checked_sub(1)?)?;
    let here = lock_calls(at_line).into_iter().find(|expression| expression.call == call);
    let expression = here.or_else(|| {
        let (start, _) = declaration(&lines, frame.line)?;
        let body = lines.get(usize::try_from(start).ok()?..usize::try_from(frame.line).ok()?)?;
        let mut deferred = body.iter().rev().flat_map(|line| lock_calls(line));
        deferred.find(|expression| expression.deferred && expression.call == call)
    })?;
    let lock = qualified(&expression.lock, &frame.function, &lines, frame.line);
    Some(NamedLock { lock, expression: expression.lock })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn calls_on_locks_are_read_off_a_line() {
        let of = |line: &str| {
            lock_calls(line).into_iter().map(|e| (e.lock, e.call, e.deferred)).collect::<Vec<_>>()
        };
        assert_eq!(of("\ts.mu.Lock()"), [("s.mu".to_owned(), LockCall::Lock, false)]);
        assert_eq!(
            of("\tdefer s.shards[i&7].mu.RUnlock() // s.x.Lock()"),
            [("s.shards[i&7].mu".to_owned(), LockCall::RUnlock, true)]
        );
        assert_eq!(of("a.Lock(); b.Unlock()").len(), 2);
        assert_eq!(of("fmt.Println(\"s.Lock()\")"), []);
    }

    #[test]
    fn names_are_qualified_by_what_the_file_declares() {
        let file = lines(
            "package m\n\nvar (\n\tmu sync.Mutex\n)\n\nfunc (s *Store[K]) Get() {\n\ts.mu.Lock()\n\tx.mu.Lock()\n}",
        );
        let name = |expression| qualified(expression, "example.com/m.(*Store[...]).Get", &file, 8);
        assert_eq!(name("s.mu"), "example.com/m.Store.mu");
        assert_eq!(name("mu"), "example.com/m.mu");
        assert_eq!(name("x.mu"), "example.com/m.(*Store).Get:x.mu");
        assert_eq!(name("s"), "example.com/m.Store");
        let file = lines(
            "package m\n\nfunc transfer(from, to *Account, mu *sync.Mutex, n int) {\n\tto.mu.Lock()\n}",
        );
        let name = |expression| qualified(expression, "example.com/m.transfer", &file, 4);
        assert_eq!(name("from.mu"), "example.com/m.Account.mu");
        assert_eq!(name("to.mu"), "example.com/m.Account.mu");
        assert_eq!(name("mu"), "example.com/m.transfer:mu");
    }
}
