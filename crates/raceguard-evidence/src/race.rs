//! A data race as the runtime records it: two accesses, their goroutines, and the object they met on.

use serde::{Deserialize, Serialize};

use crate::frame::{Frame, statement_index};
use crate::record::Extra;

/// A data race, recorded the moment it was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Race {
    /// `<pid>-<n>`, unique within a run.
    pub id: String,
    /// Process in which the race happened.
    pub pid: u64,
    /// When it was found, in nanoseconds since the Unix epoch.
    #[serde(default)]
    pub time_unix_ns: u64,
    /// Racy address, as `0x…`.
    #[serde(default)]
    pub address: String,
    /// Bytes that both accesses touch.
    #[serde(default)]
    pub size: u64,
    /// The object that holds the address, when known.
    #[serde(default)]
    pub object: Option<Object>,
    /// The later access, by which the race was found, then the earlier one.
    pub accesses: [Access; 2],
    /// Both goroutines and all their known ancestors.
    #[serde(default)]
    pub goroutines: Vec<Goroutine>,
    /// What a reader must know to judge the record, e.g. that memory ran out and something was left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Race {
    /// The access by which the race was found.
    pub fn later(&self) -> &Access {
        &self.accesses[0]
    }

    /// The access that happened first.
    pub fn earlier(&self) -> &Access {
        &self.accesses[1]
    }

    /// The goroutine with the number `id`, or the one without a number, when the record holds it.
    pub fn goroutine(&self, id: Option<u64>) -> Option<&Goroutine> {
        self.goroutines.iter().find(|goroutine| goroutine.id == id)
    }

    /// The goroutine `id` and its ancestors, nearest first, as far as the record holds them as goroutines.
    pub fn ancestry(&self, id: Option<u64>) -> Vec<&Goroutine> {
        let mut chain: Vec<&Goroutine> = Vec::new();
        let mut next = self.goroutine(id);
        while let Some(goroutine) = next {
            // Numbers may be reused, so a damaged record could name a goroutine as its own ancestor.
            if chain.iter().any(|known| known.id == goroutine.id) {
                break;
            }
            chain.push(goroutine);
            next = goroutine.parent.and_then(|parent| self.goroutine(Some(parent)));
        }
        chain
    }
}

/// One of the two accesses of a race.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Access {
    /// What was done to the memory.
    pub op: AccessOp,
    /// Bytes accessed.
    #[serde(default)]
    pub size: u64,
    /// What was done to the map, when the access is part of a map operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map_op: Option<MapOp>,
    /// Number of the goroutine that did it, when known.
    #[serde(default)]
    pub goroutine: Option<u64>,
    /// Where, innermost frame first.
    #[serde(default)]
    pub stack: Vec<Frame>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Access {
    /// Position in the stack of the statement that made the access: the first frame outside Go's runtime, or
    /// the innermost one when every frame is inside.
    pub fn statement_index(&self) -> usize {
        statement_index(self.stack.iter().map(Frame::as_ref))
    }

    /// The frame of the statement that made the access; `None` when the stack is empty.
    pub fn statement(&self) -> Option<&Frame> {
        self.stack.get(self.statement_index())
    }
}

/// What an access did to the memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum AccessOp {
    /// Plain read.
    #[serde(rename = "read")]
    Read,
    /// Plain write.
    #[serde(rename = "write")]
    Write,
    /// Read through `sync/atomic`.
    #[serde(rename = "atomic read")]
    AtomicRead,
    /// Write through `sync/atomic`.
    #[serde(rename = "atomic write")]
    AtomicWrite,
    /// A kind this version does not know.
    #[serde(untagged)]
    Other(String),
}

impl AccessOp {
    /// The name in a record.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::AtomicRead => "atomic read",
            Self::AtomicWrite => "atomic write",
            Self::Other(name) => name,
        }
    }

    /// Whether the access went through `sync/atomic`.
    pub fn is_atomic(&self) -> bool {
        matches!(self, Self::AtomicRead | Self::AtomicWrite)
    }

    /// Whether the access changed the memory.
    pub fn is_write(&self) -> bool {
        matches!(self, Self::Write | Self::AtomicWrite)
    }
}

/// What an access did to a map.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum MapOp {
    /// `m[k] = v`, also for a key that is there.
    Insert,
    /// `delete(m, k)`.
    Delete,
    /// `m[k]`, `v, ok := m[k]`.
    Lookup,
    /// `range m`.
    Iterate,
    /// `clear(m)`.
    Clear,
    /// An operation this version does not know.
    #[serde(untagged)]
    Other(String),
}

impl MapOp {
    /// The name in a record.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Insert => "insert",
            Self::Delete => "delete",
            Self::Lookup => "lookup",
            Self::Iterate => "iterate",
            Self::Clear => "clear",
            Self::Other(name) => name,
        }
    }

    /// Whether the operation changes the map.
    pub fn is_write(&self) -> bool {
        matches!(self, Self::Insert | Self::Delete | Self::Clear)
    }
}

/// The object that holds the racy address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// Where the object lives.
    pub kind: ObjectKind,
    /// Its address, as `0x…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Its size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Number of the goroutine that allocated it, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocated_by: Option<u64>,
    /// Stack of the allocation, innermost frame first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allocation: Vec<Frame>,
    /// Name of a global variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Where an object lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ObjectKind {
    /// Allocated on the heap.
    Heap,
    /// A package-level variable.
    Global,
    /// A place this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// A goroutine that takes part in a race, or an ancestor of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Goroutine {
    /// The detector's number of it, when known: 1 is main, 0 is the goroutine of package initialisation.
    #[serde(default)]
    pub id: Option<u64>,
    /// `main` for the main goroutine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it had ended when the race was found.
    #[serde(default = "GoroutineState::running")]
    pub state: GoroutineState,
    /// Number of the goroutine that started it, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u64>,
    /// Stack of the `go` statement, innermost frame first.
    #[serde(default)]
    pub created_at: Vec<Frame>,
    /// The same of the goroutine that ran that statement, then of the one before it, and so on, as far as known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ancestors: Vec<Vec<Frame>>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Goroutine {
    /// The `go` statement that started it, if the program has one: main and helpers of Go's own are started from
    /// within Go's runtime.
    pub fn go_statement(&self) -> Option<&[Frame]> {
        program_stack(&self.created_at)
    }

    /// The `go` statements that started its ancestors, nearest first.
    pub fn ancestor_go_statements(&self) -> impl DoubleEndedIterator<Item = &[Frame]> {
        self.ancestors.iter().filter_map(|stack| program_stack(stack))
    }
}

fn program_stack(stack: &[Frame]) -> Option<&[Frame]> {
    (!stack.iter().all(Frame::is_runtime_internal)).then_some(stack)
}

/// Whether a goroutine had ended when the race was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum GoroutineState {
    /// Still alive.
    Running,
    /// Ended.
    Finished,
    /// A state this version does not know.
    #[serde(untagged)]
    Other(String),
}

impl GoroutineState {
    fn running() -> Self {
        Self::Running
    }

    /// The name in a record.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Other(name) => name,
        }
    }
}

/// A racy pair that was already reported was seen again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeat {
    /// The `id` of the race.
    pub race: String,
    /// Process in which it was seen.
    pub pid: u64,
    /// When, in nanoseconds since the Unix epoch.
    #[serde(default)]
    pub time_unix_ns: u64,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(functions: &[&str]) -> Access {
        Access {
            op: AccessOp::Write,
            size: 8,
            map_op: None,
            goroutine: Some(7),
            stack: functions.iter().map(|function| Frame::new(*function, "", 0)).collect(),
            extra: Extra::new(),
        }
    }

    #[test]
    fn the_statement_lies_outside_the_map_implementation() {
        let insert =
            access(&["internal/runtime/maps.(*Map).PutSlot", "runtime.mapassign", "m.Put", "m.main"]);
        assert_eq!(insert.statement().map(|f| f.function.as_str()), Some("m.Put"));
        let runtime_only = access(&["runtime.gcStart", "runtime.main"]);
        assert_eq!(runtime_only.statement().map(|f| f.function.as_str()), Some("runtime.gcStart"));
        assert_eq!(access(&[]).statement(), None);
    }

    #[test]
    fn ancestry_ends_at_an_unknown_parent_and_at_a_cycle() {
        let goroutine = |id, parent| Goroutine {
            id: Some(id),
            name: None,
            state: GoroutineState::Running,
            parent,
            created_at: Vec::new(),
            ancestors: Vec::new(),
            extra: Extra::new(),
        };
        let mut race = Race {
            id: "1-1".into(),
            pid: 1,
            time_unix_ns: 0,
            address: String::new(),
            size: 8,
            object: None,
            accesses: [access(&["m.A"]), access(&["m.B"])],
            goroutines: vec![goroutine(7, Some(3)), goroutine(3, Some(99))],
            notes: Vec::new(),
            extra: Extra::new(),
        };
        let ids = |race: &Race| race.ancestry(Some(7)).iter().filter_map(|g| g.id).collect::<Vec<_>>();
        assert_eq!(ids(&race), [7, 3]);
        race.goroutines[1].parent = Some(7);
        assert_eq!(ids(&race), [7, 3]);
    }

    #[test]
    fn what_the_go_runtime_starts_has_no_go_statement() {
        let stack = |functions: &[&str]| access(functions).stack;
        let goroutine = Goroutine {
            id: None,
            name: None,
            state: GoroutineState::Finished,
            parent: None,
            created_at: stack(&["sync.(*WaitGroup).Go", "m.Serve"]),
            ancestors: vec![stack(&["m.main"]), stack(&["runtime.newproc"])],
            extra: Extra::new(),
        };
        assert_eq!(goroutine.go_statement().map(<[Frame]>::len), Some(2));
        let ancestors: Vec<_> = goroutine.ancestor_go_statements().map(|s| s[0].function.as_str()).collect();
        assert_eq!(ancestors, ["m.main"]);
        let main = Goroutine { created_at: stack(&["runtime.newproc"]), ..goroutine };
        assert_eq!(main.go_statement(), None);
    }
}
