//! Guards questions on declarations against answers that ask themselves.

use std::cell::RefCell;

use super::object::ObjectId;

/// What is asked of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// Its declared type.
    Type,
    /// Its underlying type.
    Underlying,
    /// The constraints of its type parameters.
    Constraints,
    /// Its value.
    Value,
}

struct Open {
    object: ObjectId,
    question: Question,
    cyclic: bool,
}

thread_local! {
    static OPEN: RefCell<Vec<Open>> = const { RefCell::new(Vec::new()) };
}

/// How many questions may wait for each other.
const MAX_OPEN: usize = 200;

/// Computes an answer. None if it depends on itself; then all questions on the way are answered by their default, so
/// that the answers are the same whichever of them is asked first.
pub(super) fn compute<T: Default>(
    object: ObjectId,
    question: Question,
    answer: impl FnOnce() -> Option<T>,
) -> Option<T> {
    if !open(object, question) {
        return None;
    }
    let answer = answer();
    let cyclic = OPEN.with_borrow_mut(|open| open.pop().is_none_or(|top| top.cyclic));
    if cyclic { Some(T::default()) } else { answer }
}

fn open(object: ObjectId, question: Question) -> bool {
    OPEN.with_borrow_mut(|open| {
        let known = open.iter().position(|entry| entry.object == object && entry.question == question);
        let from = match known {
            Some(position) => position,
            None if open.len() >= MAX_OPEN => 0,
            None => {
                open.push(Open { object, question, cyclic: false });
                return true;
            }
        };
        for entry in &mut open[from..] {
            entry.cyclic = true;
        }
        false
    })
}
