//! Fingerprints: which races are the same race.
//!
//! The algorithm `RG1` (documented for users in `docs/evidence.md`; changing it needs a new prefix):
//!
//! 1. Of each access take its kind, and the map operation when there is one: `write`, `read map iterate`.
//! 2. Of its stack take the frames from the statement outwards: leading frames inside Go's runtime are dropped.
//! 3. Drop what says only which test came by. When the statement is outside test files, everything from the
//!    first frame in a test file outwards goes. When the statement is in a test file, everything from the first
//!    test function (`TestX`, `BenchmarkX`, `FuzzX`, `ExampleX`, their closures, methods named so) outwards goes.
//!    Then outermost frames of packages `runtime` and `testing` go. The statement itself always stays.
//! 4. Of each frame that is left take the function name, with `[...]` for every list of type arguments.
//! 5. Each access gives a block of lines: kind, then function names from the statement outwards, each ended by a
//!    newline. Sort the two blocks bytewise.
//! 6. SHA-256 over `race\n`, the first block, `\n`, the second block; the first 8 bytes in hex, after `RG1-`.
//!
//! A crash is fingerprinted likewise over `crash\n`, its message, and the stack of its first goroutine.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::crash::Crash;
use crate::frame::{Frame, FrameRef, statement_index};
use crate::hex::hex;
use crate::race::{AccessOp, MapOp, Race};
use crate::static_finding::Site;

/// Identifies a race or crash across tests, processes, runs and machines, e.g. `RG1-0f3a6bb1c2d4e5f6`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of a race.
    pub fn of_race(race: &Race) -> Self {
        let [first, second] = &race.accesses;
        let stacks = [first, second].map(|access| access.stack.iter().map(Frame::as_ref).collect::<Vec<_>>());
        Self::of_accesses([
            (&first.op, first.map_op.as_ref(), &stacks[0]),
            (&second.op, second.map_op.as_ref(), &stacks[1]),
        ])
    }

    /// The fingerprint of a race by its accesses: kind, map operation, stack.
    pub(crate) fn of_accesses(accesses: [AccessParts<'_>; 2]) -> Self {
        let mut blocks = accesses.map(access_block);
        blocks.sort_unstable();
        Self::hash(&format!("race\n{}\n{}", blocks[0], blocks[1]))
    }

    /// The fingerprint of a crash.
    pub fn of_crash(crash: &Crash) -> Self {
        let mut text = format!("crash\n{}\n", crash.message);
        if let Some(goroutine) = crash.goroutines.first() {
            let stack: Vec<_> = goroutine.stack.iter().map(Frame::as_ref).collect();
            push_functions(&mut text, &stack);
        }
        Self::hash(&text)
    }

    /// The fingerprint of what static analysis found: SHA-256 over `static`, the rule, the subject, and a block
    /// of action and function for each site, the blocks sorted. No line and no path enters.
    pub fn of_static_finding(rule: &str, subject: &str, sites: &[Site]) -> Self {
        let block = |site: &Site| format!("{}\n{}\n", site.action, normalised_function(&site.function));
        let mut blocks: Vec<String> = sites.iter().map(block).collect();
        blocks.sort_unstable();
        Self::hash(&format!("static\n{rule}\n{subject}\n{}", blocks.join("\n")))
    }

    fn hash(text: &str) -> Self {
        let digest = Sha256::digest(text.as_bytes());
        Self(format!("RG1-{}", hex(&digest[..8])))
    }

    /// The fingerprint as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Kind, map operation and stack of an access.
pub(crate) type AccessParts<'a> = (&'a AccessOp, Option<&'a MapOp>, &'a [FrameRef<'a>]);

fn access_block((op, map_op, stack): AccessParts<'_>) -> String {
    let mut block = op.as_str().to_owned();
    if let Some(map_op) = map_op {
        block.push_str(" map ");
        block.push_str(map_op.as_str());
    }
    block.push('\n');
    push_functions(&mut block, stack);
    block
}

fn push_functions(text: &mut String, stack: &[FrameRef<'_>]) {
    let statement = statement_index(stack.iter().copied());
    for frame in &stack[statement.min(stack.len())..identity_end(stack, statement)] {
        push_normalised(text, frame.function);
        text.push('\n');
    }
}

/// Where the part of the stack ends that identifies a race, exclusive; always behind the statement.
fn identity_end(stack: &[FrameRef<'_>], statement: usize) -> usize {
    let Some(first) = stack.get(statement) else { return stack.len() };
    let outer = statement + 1;
    let of_test_file = first.is_in_test_file();
    let by_test =
        |frame: FrameRef<'_>| if of_test_file { frame.is_test_entry() } else { frame.is_in_test_file() };
    let rest = &stack[outer..];
    let mut end = rest.iter().position(|frame| by_test(*frame)).map_or(stack.len(), |at| outer + at);
    while end > outer && stack[end - 1].is_harness() {
        end -= 1;
    }
    end
}

/// The function name with `[...]` for every list of type arguments, however Go spelled them.
pub fn normalised_function(function: &str) -> String {
    let mut name = String::with_capacity(function.len());
    push_normalised(&mut name, function);
    name
}

fn push_normalised(name: &mut String, function: &str) {
    // Most functions have no type arguments.
    if memchr::memchr2(b'[', b']', function.as_bytes()).is_none() {
        name.push_str(function);
        return;
    }
    let mut depth = 0_usize;
    for c in function.chars() {
        match c {
            '[' => {
                if depth == 0 {
                    name.push_str("[...]");
                }
                depth += 1;
            }
            ']' => depth = depth.saturating_sub(1),
            _ if depth == 0 => name.push(c),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::race::Access;
    use crate::record::Extra;

    fn stack(frames: &[(&str, &str)]) -> Vec<Frame> {
        frames.iter().map(|(function, file)| Frame::new(*function, *file, 1)).collect()
    }

    fn access(op: AccessOp, map_op: Option<MapOp>, frames: &[(&str, &str)]) -> Access {
        Access { op, size: 8, map_op, goroutine: Some(1), stack: stack(frames), extra: Extra::new() }
    }

    fn race(accesses: [Access; 2]) -> Race {
        Race {
            id: "1-1".into(),
            pid: 1,
            time_unix_ns: 0,
            address: "0xc000012345".into(),
            size: 8,
            object: None,
            accesses,
            goroutines: Vec::new(),
            notes: Vec::new(),
            extra: Extra::new(),
        }
    }

    fn put_and_get(test: &str) -> Race {
        race([
            access(
                AccessOp::Write,
                Some(MapOp::Insert),
                &[("runtime.mapassign", "map.go"), ("m.(*C).Put", "/m/c.go"), (test, "/m/c_test.go")],
            ),
            access(
                AccessOp::Read,
                Some(MapOp::Lookup),
                &[
                    ("internal/runtime/maps.(*Map).Get", "map.go"),
                    ("m.(*C).Get", "/m/c.go"),
                    (test, "/m/c_test.go"),
                    ("testing.tRunner", "testing.go"),
                ],
            ),
        ])
    }

    #[test]
    fn the_value_is_stable() {
        // Pinned: a change of the algorithm needs a new prefix, for baselines and servers keep these values.
        assert_eq!(Fingerprint::of_race(&put_and_get("m.TestA")).as_str(), "RG1-b505774bd6c6f426");
    }

    #[test]
    fn the_order_of_the_pair_and_the_test_do_not_matter() {
        let mut swapped = put_and_get("m.TestB.func1");
        swapped.accesses.reverse();
        assert_eq!(Fingerprint::of_race(&put_and_get("m.TestA")), Fingerprint::of_race(&swapped));
    }

    #[test]
    fn lines_addresses_goroutines_and_go_versions_do_not_matter() {
        let mut other = put_and_get("m.TestA");
        other.address = "0x1".into();
        other.accesses[0].goroutine = Some(99);
        other.accesses[0].stack[1].line = 77;
        other.accesses[0].stack[0].function = "internal/runtime/maps.(*Map).PutSlotFastStr".into();
        assert_eq!(Fingerprint::of_race(&put_and_get("m.TestA")), Fingerprint::of_race(&other));
    }

    #[test]
    fn kinds_and_functions_matter() {
        let reference = Fingerprint::of_race(&put_and_get("m.TestA"));
        let mut other_op = put_and_get("m.TestA");
        other_op.accesses[0].map_op = Some(MapOp::Delete);
        assert_ne!(reference, Fingerprint::of_race(&other_op));
        let mut other_function = put_and_get("m.TestA");
        other_function.accesses[1].stack[1].function = "m.(*C).Peek".into();
        assert_ne!(reference, Fingerprint::of_race(&other_function));
    }

    #[test]
    fn what_goes_in_of_a_stack() {
        let functions = |frames: &[(&str, &str)]| {
            let stack = stack(frames);
            let mut text = String::new();
            push_functions(&mut text, &stack.iter().map(Frame::as_ref).collect::<Vec<_>>());
            text
        };
        let test = "/m/a_test.go";
        // Production code, called back from a test: cut at the test's first frame.
        assert_eq!(functions(&[("m.Put", "/m/a.go"), ("m.cb", test), ("m.Walk", "/m/a.go")]), "m.Put\n");
        // A helper in a test file stays, the test that called it goes.
        assert_eq!(
            functions(&[("m.helper", test), ("m.TestA", test), ("testing.tRunner", "t.go")]),
            "m.helper\n"
        );
        // A statement of the test itself stays.
        assert_eq!(functions(&[("m.TestA.func1", test), ("testing.tRunner", "t.go")]), "m.TestA.func1\n");
        // Without tests, harness frames alone go.
        assert_eq!(
            functions(&[("main.f", "/m/a.go"), ("main.main", "/m/a.go"), ("runtime.main", "p.go")]),
            "main.f\nmain.main\n"
        );
        assert_eq!(functions(&[("runtime.gcStart", "g.go"), ("runtime.main", "p.go")]), "runtime.gcStart\n");
        assert_eq!(functions(&[]), "");
    }

    #[test]
    fn type_arguments_are_one_spelling() {
        assert_eq!(normalised_function("m.F[go.shape.int].func1"), "m.F[...].func1");
        assert_eq!(normalised_function("m.(*T[...]).M"), "m.(*T[...]).M");
        assert_eq!(normalised_function("m.(*T[a.B[int],string]).M"), "m.(*T[...]).M");
        // Unbalanced brackets can't come from Go, and must not lose the rest of the name.
        assert_eq!(normalised_function("m.F]x"), "m.Fx");
    }
}
