//! Recognises accesses that the map implementation makes, and names the operation the user wrote.

use super::symbols::Frame;

/// Function name prefixes of Go's map implementation (runtime/map*.go, internal/runtime/maps, reflect), and what a
/// user does who ends up there.
const OPERATIONS: [(&str, &str); 14] = [
    ("runtime.mapaccess", "lookup"),
    ("runtime.mapassign", "insert"),
    ("runtime.mapdelete", "delete"),
    ("runtime.mapclear", "clear"),
    ("runtime.mapiter", "iterate"),
    ("runtime.mapIter", "iterate"),
    ("runtime.evacuate", "insert"),
    ("runtime.growWork", "insert"),
    ("internal/runtime/maps.(*Iter)", "iterate"),
    ("internal/runtime/maps.(*Map).Clear", "clear"),
    ("internal/runtime/maps.(*Map).Delete", "delete"),
    ("internal/runtime/maps.(*Map).Put", "insert"),
    ("internal/runtime/maps.runtime_mapassign", "insert"),
    ("internal/runtime/maps.runtime_mapaccess", "lookup"),
];

/// The map operation that the innermost frames of `stack` carry out, and how many frames belong to it.
pub(super) fn of(stack: &[Frame]) -> Option<(&'static str, usize)> {
    let mut operation = None;
    let mut inside = 0;
    for frame in stack {
        let known = OPERATIONS.iter().find(|(prefix, _)| frame.function.starts_with(prefix));
        let is_helper = frame.function.starts_with("internal/runtime/maps.")
            || frame.function.starts_with("runtime.reflect_map")
            || frame.function.starts_with("reflect.map");
        if known.is_none() && !is_helper {
            break;
        }
        operation = known.map(|(_, operation)| *operation).or(operation);
        inside += 1;
    }
    // The outermost recognised frame names the operation; with nothing outside there is no user statement.
    operation.filter(|_| inside < stack.len()).map(|operation| (operation, inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(functions: &[&str]) -> Vec<Frame> {
        let frame = |function: &&str| Frame {
            function: (*function).into(),
            file: String::new(),
            line: 1,
            pc: 0,
            offset: 0,
            inlined: false,
        };
        functions.iter().map(frame).collect()
    }

    #[test]
    fn operations_are_named_and_their_frames_counted() {
        assert_eq!(of(&stack(&["runtime.mapaccess1_faststr", "main.get"])), Some(("lookup", 1)));
        assert_eq!(of(&stack(&["runtime.mapassign_fast64ptr", "main.put"])), Some(("insert", 1)));
        let next = ["internal/runtime/maps.(*Iter).Next", "runtime.mapIterNext", "main.all"];
        assert_eq!(of(&stack(&next)), Some(("iterate", 2)));
    }

    #[test]
    fn other_stacks_are_left_alone() {
        assert_eq!(of(&stack(&["main.get"])), None);
        assert_eq!(of(&stack(&["runtime.slicebytetostring", "main.f"])), None);
        assert_eq!(of(&stack(&["runtime.mapaccess1"])), None, "no user statement to show instead");
    }
}
