//! The locks that the functions on a stack hold, by their source.

use raceguard_evidence::Frame;
use serde::Serialize;

use crate::naming::{LockCall, LockExpression, declaration, lock_calls, qualified};
use crate::operand::code_only;
use crate::source_text::SourceText;

/// A lock that a goroutine holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldLock {
    /// Field or variable, `example.com/m.Store.mu`.
    pub lock: String,
    /// The call that took it.
    pub call: LockCall,
    /// The function that took it.
    pub function: String,
    /// The line of the call.
    pub line: u32,
    /// The lock as the line spells it.
    #[serde(skip)]
    pub(super) expression: String,
}

/// The locks that the functions of `stack` took above their lines and have not released there. The line of a frame
/// itself does not count: that is where it waits, or where it called the next frame.
///
/// This follows the blocks of the source: what a closure does above the line does not count, nor a release in a
/// block that left the function or the loop. A release in any other block counts, taken or not.
pub(super) fn held(stack: &[&Frame], sources: &SourceText<'_>) -> Vec<HeldLock> {
    let mut all: Vec<HeldLock> = Vec::new();
    for frame in stack {
        let Some(lines) = sources.lines(&frame.file) else { continue };
        let Some((start, _)) = declaration(&lines, frame.line) else { continue };
        let (from, to) = (start as usize - 1, (frame.line as usize).saturating_sub(1).min(lines.len()));
        let Some(body) = lines.get(from..to) else { continue };
        let mut walk = Walk::default();
        for (offset, text) in body.iter().enumerate() {
            let line = u32::try_from(from + offset + 1).unwrap_or(u32::MAX);
            walk.line(text, &|expression| HeldLock {
                lock: qualified(&expression.lock, &frame.function, &lines, line),
                call: expression.call,
                function: frame.function.clone(),
                line,
                expression: expression.lock.clone(),
            });
        }
        all.extend(walk.held);
    }
    all
}

/// The locks held while the lines of a function go by.
#[derive(Default)]
struct Walk {
    held: Vec<HeldLock>,
    blocks: Vec<Block>,
    /// Whether the last statement left the block around it.
    left: bool,
}

/// A block that is open.
struct Block {
    /// The locks held where it begins, outside of it.
    outside: Vec<HeldLock>,
    is_closure: bool,
}

impl Walk {
    fn line(&mut self, text: &str, name: &dyn Fn(&LockExpression) -> HeldLock) {
        let code = code_only(text);
        // A statement that leaves stands before the brace that closes its block, on an earlier line as gofmt writes it.
        if !code.trim().trim_start_matches('}').is_empty() {
            self.left = leaves(code.trim_start().trim_start_matches('}').trim_start());
        }
        let mut calls = lock_calls(text).into_iter().peekable();
        let mut since = 0;
        for (at, c) in code.char_indices().filter(|(_, c)| matches!(c, '{' | '}' | ';')) {
            while let Some(expression) = calls.next_if(|expression| expression.at < at) {
                self.call(&expression, name(&expression));
            }
            match c {
                '{' => self.open(is_function_literal(&code[since..at])),
                '}' => self.close(),
                _ => {}
            }
            since = at + 1;
        }
        for expression in calls {
            self.call(&expression, name(&expression));
        }
    }

    fn call(&mut self, expression: &LockExpression, named: HeldLock) {
        if expression.call.acquires() {
            self.held.push(named);
        } else if !expression.deferred {
            let released = if expression.call.is_read() { LockCall::RLock } else { LockCall::Lock };
            let taken = |held: &HeldLock| held.lock == named.lock && held.call == released;
            if let Some(at) = self.held.iter().rposition(taken) {
                self.held.remove(at);
            }
        }
    }

    fn open(&mut self, is_closure: bool) {
        let outside = self.held.clone();
        // The closure's own frame holds what it takes; what is held around it belongs to the frame of the function
        // around it, which is on the stack only if that is what calls it.
        if is_closure {
            self.held.clear();
        }
        self.blocks.push(Block { outside, is_closure });
    }

    fn close(&mut self) {
        let Some(block) = self.blocks.pop() else { return };
        if block.is_closure || self.left {
            self.held = block.outside;
        }
        self.left = false;
    }
}

/// Whether the text before a brace ends with the head of a function literal: `go func(id int) (err error) `.
fn is_function_literal(head: &str) -> bool {
    let Some(at) = head.rfind("func(").or_else(|| head.rfind("func (")) else { return false };
    let is_word = head[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
    // `func (s *Store) Put(` is a declaration: it stands at the start of its line.
    at > 0 && !is_word
}

/// Whether the statement leaves the block around it.
fn leaves(statement: &str) -> bool {
    ["return", "continue", "break", "goto", "panic(", "os.Exit(", "log.Fatal"].iter().any(|word| {
        statement.strip_prefix(word).is_some_and(|rest| {
            word.ends_with('(') || *word == "log.Fatal" || rest.is_empty() || rest.starts_with([' ', ';'])
        })
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use raceguard_evidence::ModulePaths;

    use super::*;

    const SOURCE: &str = "package m

func (s *Store) Get(k string) int {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return 0
	}
	s.read()
	s.mu.Unlock()
	s.log()
}

func main() {
	var a, b sync.Mutex
	go func() {
		a.Lock()
		b.Lock()
	}()
	go func() {
		b.Lock()
		defer b.Unlock()
		a.Lock()
	}()
	func() { a.Lock(); defer a.Unlock() }()
	wait()
}
";

    fn held_at(function: &str, line: u32) -> Vec<String> {
        let paths = ModulePaths::new("example.com/m", "/m");
        let read = |_: &Path| Some(SOURCE.to_owned());
        let sources = SourceText::new(&paths, &read);
        let frame = Frame::new(function, "/m/a.go", line);
        held(&[&frame], &sources).into_iter().map(|held| held.lock).collect()
    }

    #[test]
    fn a_release_before_a_return_is_of_another_path() {
        assert_eq!(held_at("example.com/m.(*Store).Get", 9), ["example.com/m.Store.mu"]);
        assert_eq!(held_at("example.com/m.(*Store).Get", 11), Vec::<String>::new());
    }

    #[test]
    fn closures_hold_what_they_take_themselves() {
        assert_eq!(held_at("example.com/m.main.func1", 18), ["example.com/m.main:a"]);
        assert_eq!(held_at("example.com/m.main.func2", 23), ["example.com/m.main:b"]);
        assert_eq!(held_at("example.com/m.main", 26), Vec::<String>::new());
    }
}
