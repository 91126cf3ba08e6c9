//! Which statement of a cluster is wrong, and which lock it lacks.

use super::{Blame, Guard, StatementSummary};
use crate::statement::short_function;

/// The lock that some statements hold and others lack, as far as static analysis saw them.
pub(super) fn guard(statements: &[StatementSummary]) -> Option<Guard> {
    let mut locks: Vec<(&str, usize)> = Vec::new();
    for lock in statements.iter().filter_map(|statement| statement.locks.as_ref()).flatten() {
        let name = plain_name(lock);
        match locks.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => locks.push((name, 1)),
        }
    }
    let (lock, _) = locks.into_iter().max_by_key(|(_, count)| *count)?;
    let holds = |statement: &&StatementSummary| {
        statement.locks.as_ref().is_some_and(|locks| locks.iter().any(|held| plain_name(held) == lock))
    };
    let names = |wanted: bool| {
        let mut names: Vec<String> = Vec::new();
        for statement in statements.iter().filter(|statement| statement.locks.is_some()) {
            let name = short_function(&statement.function);
            if holds(&statement) == wanted && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    };
    Some(Guard { lock: lock.to_owned(), held_in: names(true), missing_in: names(false) })
}

/// The lock without its mode: `(*Cache).mu (read)` is `(*Cache).mu`.
fn plain_name(lock: &str) -> &str {
    lock.split(" (").next().unwrap_or(lock)
}

/// The statement that is wrong: one that lacks the guard which others hold, or else one that writes.
pub(super) fn blame(statements: &[StatementSummary], guard: Option<&Guard>) -> Option<Blame> {
    if let Some(guard) = guard {
        let lacks = |statement: &StatementSummary| {
            statement
                .locks
                .as_ref()
                .is_some_and(|locks| !locks.iter().any(|held| plain_name(held) == guard.lock))
        };
        if let Some(place) = statements.iter().position(lacks) {
            let reason = format!("it does not hold {}, which {} holds", guard.lock, guard.held_in.join(", "));
            return Some(Blame { statement: place, reason });
        }
        let read_only = |statement: &StatementSummary| {
            statement.operation.is_write()
                && statement
                    .locks
                    .as_ref()
                    .is_some_and(|locks| locks.iter().any(|held| held.ends_with("(read)")))
        };
        if let Some(place) = statements.iter().position(read_only) {
            let reason = format!("it writes while {} is held for reading only", guard.lock);
            return Some(Blame { statement: place, reason });
        }
    }
    let unlocked = statements.iter().all(|statement| statement.locks.as_ref().is_none_or(Vec::is_empty));
    let writes = statements.iter().position(|statement| statement.operation.is_write())?;
    let reason = if unlocked && statements.iter().any(|statement| statement.locks.is_some()) {
        "it writes, and none of the statements holds a lock"
    } else {
        "it writes"
    };
    Some(Blame { statement: writes, reason: reason.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::Operation;

    fn statement(function: &str, operation: Operation, locks: Option<&[&str]>) -> StatementSummary {
        StatementSummary {
            function: function.to_owned(),
            file: "a.go".to_owned(),
            line: 1,
            operation,
            occurrences: 1,
            locks: locks.map(|locks| locks.iter().map(|lock| (*lock).to_owned()).collect()),
            started_at: Vec::new(),
            covered: None,
        }
    }

    #[test]
    fn the_statement_without_the_lock_is_wrong() {
        let statements = [
            statement("m.(*C).Put", Operation::MapInsert, Some(&["(*C).mu"])),
            statement("m.(*C).Get", Operation::MapLookup, Some(&[])),
        ];
        let guard = guard(&statements).expect("a guard");
        assert_eq!(
            (guard.lock.as_str(), guard.missing_in.as_slice()),
            ("(*C).mu", &["m.(*C).Get".to_owned()][..])
        );
        assert_eq!(blame(&statements, Some(&guard)).expect("a blame").statement, 1);
    }

    #[test]
    fn a_write_under_the_read_lock_is_wrong() {
        let statements = [
            statement("m.(*C).Get", Operation::MapLookup, Some(&["(*C).mu (read)"])),
            statement("m.(*C).Put", Operation::MapInsert, Some(&["(*C).mu (read)"])),
        ];
        let guard = guard(&statements).expect("a guard");
        assert_eq!(blame(&statements, Some(&guard)).expect("a blame").statement, 1);
    }

    #[test]
    fn without_locks_the_write_is_named() {
        let statements =
            [statement("m.Get", Operation::Read, None), statement("m.Put", Operation::Write, None)];
        assert_eq!(guard(&statements), None);
        assert_eq!(blame(&statements, None).expect("a blame").statement, 1);
    }
}
