//! What to do about a race: which rule it falls under, and one line of advice that names what raced.
//!
//! The table is read from the top; the first row whose signs are all there decides. Signs are read off the
//! operations, the frames and, when the sources are there, the two statements.

use raceguard_evidence::{Access, FunctionName, MapOp, Race};

use crate::operand::{is_append, is_read_modify_write};
use crate::rule::{
    CAPTURED_VARIABLE, CHANNEL_CLOSE, DATA_RACE, LOST_UPDATE, MAP_ITERATION_DURING_WRITE,
    MAP_READ_DURING_WRITE, MAP_WRITES, MIXED_ATOMIC, POOLED_OBJECT, Rule, SLICE_APPEND, WAIT_GROUP,
};

/// What advice rests on.
pub struct Facts<'a> {
    /// The race.
    pub race: &'a Race,
    /// Source line of the later and of the earlier statement, where the sources are there.
    pub lines: [Option<&'a str>; 2],
    /// What raced, as the source names it.
    pub subject: Option<&'a str>,
}

/// A rule and the advice for one case of it.
struct Row {
    rule: &'static Rule,
    applies: fn(&Facts<'_>) -> bool,
    /// `{}` stands for what raced.
    advice: &'static str,
    /// Stands for what raced when the source does not tell.
    unnamed: &'static str,
}

const ROWS: &[Row] = &[
    Row {
        rule: &MAP_ITERATION_DURING_WRITE,
        applies: |facts| facts.has_map_op(|op| *op == MapOp::Iterate),
        advice: "hold one lock around every write to {} and around the whole loop, or loop over a copy \
                 made under the lock (maps.Clone)",
        unnamed: "the map",
    },
    Row {
        rule: &MAP_WRITES,
        applies: |facts| {
            facts.race.accesses.iter().all(|access| access.map_op.as_ref().is_some_and(MapOp::is_write))
        },
        advice: "guard every access to {} with one sync.Mutex kept beside it, or shard it by key when that \
                 lock is contended",
        unnamed: "the map",
    },
    Row {
        rule: &MAP_READ_DURING_WRITE,
        applies: |facts| facts.has_map_op(|_| true),
        advice: "guard every access to {}, reads too, with one sync.RWMutex, or make it a sync.Map if keys \
                 are written once and read often",
        unnamed: "the map",
    },
    Row {
        rule: &WAIT_GROUP,
        applies: |facts| facts.any_statement(|function| function.starts_with("sync.(*WaitGroup).")),
        advice: "call Add on {} before the go statement it counts, never inside that goroutine, or use \
                 WaitGroup.Go",
        unnamed: "the WaitGroup",
    },
    Row {
        rule: &CHANNEL_CLOSE,
        applies: |facts| facts.any_runtime_frame(|function| function == "runtime.closechan"),
        advice: "close {} only after the last send: let the only sender close it, or wait for all senders \
                 first",
        unnamed: "the channel",
    },
    Row {
        rule: &MIXED_ATOMIC,
        applies: |facts| facts.race.later().op.is_atomic() != facts.race.earlier().op.is_atomic(),
        advice: "use sync/atomic on both sides: give {} an atomic type, so that a plain access does not \
                 compile",
        unnamed: "the variable",
    },
    Row {
        rule: &POOLED_OBJECT,
        applies: |facts| {
            let allocation = facts.race.object.as_ref().map_or(&[][..], |object| &object.allocation);
            allocation.iter().any(|frame| frame.function == "sync.(*Pool).Get")
        },
        advice: "keep no reference to {} after Put: copy what must outlive it, and put it back last",
        unnamed: "the pooled object",
    },
    Row {
        rule: &SLICE_APPEND,
        applies: |facts| {
            facts.any_line(is_append) || facts.any_runtime_frame(|function| function == "runtime.growslice")
        },
        advice: "guard the appends to {} with a mutex, or let each goroutine fill its own index or its own \
                 slice",
        unnamed: "the slice",
    },
    Row {
        rule: &LOST_UPDATE,
        applies: |facts| facts.lines.iter().all(|line| line.is_some_and(is_read_modify_write)),
        advice: "updates get lost: make {} an atomic (atomic.Int64 and its Add), or hold one mutex from \
                 the read to the write",
        unnamed: "the value",
    },
    Row {
        rule: &CAPTURED_VARIABLE,
        applies: |facts| facts.is_captured_variable(),
        advice: "{} is captured by a goroutine's closure: declare it inside, pass its value as an \
                 argument, or guard it",
        unnamed: "the variable",
    },
    Row {
        rule: &DATA_RACE,
        applies: |_| true,
        advice: "order the two accesses to {}: guard both with the same mutex, or hand the value over \
                 through a channel",
        unnamed: "the memory",
    },
];

/// The rule a race falls under, and the line of advice.
pub fn advise(facts: &Facts<'_>) -> (&'static Rule, String) {
    let row = ROWS.iter().find(|row| (row.applies)(facts)).unwrap_or(&ROWS[ROWS.len() - 1]);
    let subject = facts.subject.map_or_else(|| row.unnamed.to_owned(), |subject| format!("`{subject}`"));
    (row.rule, row.advice.replace("{}", &subject))
}

impl Facts<'_> {
    fn has_map_op(&self, wanted: impl Fn(&MapOp) -> bool) -> bool {
        self.race.accesses.iter().filter_map(|access| access.map_op.as_ref()).any(wanted)
    }

    fn any_line(&self, wanted: impl Fn(&str) -> bool) -> bool {
        self.lines.iter().flatten().any(|line| wanted(line))
    }

    fn any_statement(&self, wanted: impl Fn(&str) -> bool) -> bool {
        self.race.accesses.iter().filter_map(Access::statement).any(|frame| wanted(&frame.function))
    }

    /// Looks at the frames inside Go's runtime that are between the statement and the access.
    fn any_runtime_frame(&self, wanted: impl Fn(&str) -> bool) -> bool {
        let inside = self.race.accesses.iter().flat_map(|access| &access.stack[..access.statement_index()]);
        inside.into_iter().any(|frame| wanted(&frame.function))
    }

    /// One side is a closure, the other the function around it or another closure in it, and what raced is a
    /// plain variable: by its name in the source, or because that function allocated it.
    fn is_captured_variable(&self) -> bool {
        let [Some(later), Some(earlier)] = self.race.accesses.each_ref().map(Access::statement) else {
            return false;
        };
        let outer = enclosing_function(&later.function);
        let closures = later.name().is_closure() || earlier.name().is_closure();
        if !closures || outer != enclosing_function(&earlier.function) {
            return false;
        }
        match self.subject {
            Some(subject) => !subject.contains(['.', '[', '*']),
            None => {
                self.race.object.as_ref().is_some_and(|object| {
                    object.allocation.first().is_some_and(|frame| frame.function == outer)
                })
            }
        }
    }
}

/// The declared function that a closure is in: `m.F` for `m.F.func1.2`.
fn enclosing_function(function: &str) -> &str {
    let mut end = function.len();
    while let Some(dot) = function[..end].rfind('.') {
        if !FunctionName::parse(&function[..end]).is_closure() {
            break;
        }
        end = dot;
    }
    &function[..end]
}

#[cfg(test)]
mod tests {
    use raceguard_evidence::{AccessOp, Extra, Frame, Object, ObjectKind};

    use super::*;

    fn access(op: AccessOp, map_op: Option<MapOp>, functions: &[&str]) -> Access {
        let stack = functions.iter().map(|function| Frame::new(*function, "/m/a.go", 1)).collect();
        Access { op, size: 8, map_op, goroutine: Some(1), stack, extra: Extra::new() }
    }

    fn race(later: Access, earlier: Access) -> Race {
        Race {
            id: "1-1".into(),
            pid: 1,
            time_unix_ns: 0,
            address: String::new(),
            size: 8,
            object: None,
            accesses: [later, earlier],
            goroutines: vec![],
            notes: vec![],
            extra: Extra::new(),
        }
    }

    fn code(race: &Race, lines: [Option<&str>; 2], subject: Option<&str>) -> &'static str {
        advise(&Facts { race, lines, subject }).0.code
    }

    fn plain(later: &str, earlier: &str) -> Race {
        race(access(AccessOp::Write, None, &[later]), access(AccessOp::Write, None, &[earlier]))
    }

    #[test]
    fn map_operations_decide_first() {
        let map = |a: MapOp, b: MapOp| {
            let later = access(AccessOp::Write, Some(a), &["runtime.mapassign", "m.A"]);
            code(&race(later, access(AccessOp::Read, Some(b), &["m.B"])), [Some("m[k]++"); 2], None)
        };
        assert_eq!(map(MapOp::Insert, MapOp::Iterate), "RG103");
        assert_eq!(map(MapOp::Insert, MapOp::Delete), "RG101");
        assert_eq!(map(MapOp::Clear, MapOp::Insert), "RG101");
        assert_eq!(map(MapOp::Insert, MapOp::Lookup), "RG102");
    }

    #[test]
    fn advice_names_what_raced_or_says_what_it_is() {
        let later = access(AccessOp::Write, Some(MapOp::Insert), &["m.A"]);
        let race = race(later.clone(), later);
        let advice = |subject| advise(&Facts { race: &race, lines: [None, None], subject }).1;
        assert!(advice(Some("r.routes")).contains("access to `r.routes` with"));
        assert!(advice(None).contains("access to the map with"));
    }

    #[test]
    fn statements_decide_on_counters_and_slices() {
        let race = plain("m.A", "m.B");
        assert_eq!(code(&race, [Some("s.n++"), Some("s.n -= 2")], Some("s.n")), "RG214");
        assert_eq!(code(&race, [Some("s.n++"), Some("return s.n")], Some("s.n")), "RG213");
        assert_eq!(code(&race, [Some("out = append(out, x)"), None], Some("out")), "RG207");
        assert_eq!(code(&race, [None, None], None), "RG213");
    }

    #[test]
    fn a_variable_is_captured_when_function_and_closure_share_it() {
        let race_in_f = plain("m.F.func1", "m.F");
        assert_eq!(code(&race_in_f, [Some("err = f()"), Some("return err")], Some("err")), "RG202");
        assert_eq!(code(&race_in_f, [Some("s.err = f()"), None], Some("s.err")), "RG213");
        assert_eq!(code(&plain("m.F.func1", "m.F.func2"), [None, None], Some("err")), "RG202");
        assert_eq!(code(&plain("m.F.func1", "m.G"), [None, None], Some("err")), "RG213");
        let mut allocated = plain("m.F.gowrap1", "m.F");
        assert_eq!(code(&allocated, [None, None], None), "RG213");
        allocated.object = Some(Object {
            kind: ObjectKind::Heap,
            start: None,
            size: None,
            allocated_by: None,
            allocation: vec![Frame::new("m.F", "", 0)],
            name: None,
            extra: Extra::new(),
        });
        assert_eq!(code(&allocated, [None, None], None), "RG202");
    }

    #[test]
    fn frames_decide_on_channels_wait_groups_and_pools() {
        let close = access(AccessOp::Write, None, &["runtime.closechan", "m.A"]);
        let send = access(AccessOp::Read, None, &["runtime.chansend", "runtime.chansend1", "m.B"]);
        assert_eq!(code(&race(close, send), [None, None], None), "RG203");
        assert_eq!(
            code(&plain("sync.(*WaitGroup).Add", "sync.(*WaitGroup).Wait"), [None, None], None),
            "RG208"
        );
        let mut pooled = plain("m.A", "m.B");
        pooled.object = Some(Object {
            kind: ObjectKind::Heap,
            start: None,
            size: None,
            allocated_by: None,
            allocation: vec![Frame::new("m.init.func1", "", 0), Frame::new("sync.(*Pool).Get", "", 0)],
            name: None,
            extra: Extra::new(),
        });
        assert_eq!(code(&pooled, [Some("b.n++"), Some("b.n++")], None), "RG204");
    }

    #[test]
    fn one_atomic_side_is_a_mix() {
        let atomic = access(AccessOp::AtomicWrite, None, &["sync/atomic.AddInt64", "m.A"]);
        let race = race(atomic, access(AccessOp::Read, None, &["m.B"]));
        assert_eq!(code(&race, [None, Some("return n")], Some("n")), "RG210");
    }

    #[test]
    fn every_rule_of_the_table_has_one_line_of_advice() {
        for row in ROWS {
            assert!(row.advice.contains("{}") && !row.advice.contains('\n'), "{}", row.rule.code);
        }
    }
}
