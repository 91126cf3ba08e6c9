//! What functions of the standard library and of well-known modules do that matters to races.
//!
//! A function that is not listed and has no body at hand is taken to call the functions it is given now, in the same
//! goroutine, and to touch nothing.

use foldhash::{HashMap, HashMapExt as _};

use crate::ir::function::Target;
use crate::syntax::name::Name;
use crate::types::{FuncId, ObjectKind, Program};

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// `mu.Lock()`; of the receiver, like all locks below.
    Lock,
    /// `mu.Unlock()`
    Unlock,
    /// `mu.RLock()`
    ReadLock,
    /// `mu.RUnlock()`
    ReadUnlock,
    /// `mu.TryLock()`
    TryLock,
    /// `mu.TryRLock()`
    TryReadLock,
    /// `wg.Add(n)`
    GroupAdd,
    /// `wg.Done()`
    GroupDone,
    /// `wg.Wait()`, also of an errgroup.
    GroupWait,
    /// `wg.Go(f)`, also of an errgroup: the argument runs in a goroutine that `Wait` waits for.
    GroupGo(u8),
    /// `once.Do(f)`
    OnceDo,
    /// `cond.Signal()`, `cond.Broadcast()`
    Signal,
    /// `cond.Wait()`
    CondWait,
    /// The argument runs in a goroutine of its own.
    Spawn(u8),
    /// `time.AfterFunc(d, f)`
    Timer(u8),
    /// The argument may run at any time, many times at once: a handler.
    Handler(u8),
    /// The argument runs in many goroutines, and all are waited for.
    RunParallel(u8),
    /// The argument, a value with methods, is called from many goroutines: an http.Handler.
    HandlerObject(u8),
    /// The argument runs now.
    CallsNow(u8),
    /// The argument runs at the end of the test.
    Cleanup(u8),
    /// `t.Run(name, f)`
    Subtest(u8),
    /// `t.Parallel()`
    Parallel,
    /// An atomic read of what the first argument (or the receiver) points to.
    AtomicLoad,
    /// An atomic write, or read and write, of it.
    AtomicStore,
    /// The arguments from this one on are walked, maps included.
    Walks(u8),
    /// `maps.Copy(to, from)`
    CopyMap,
    /// The result is a new copy of the argument's top level.
    CloneMap,
    /// `pool.Get()`: what it gives is nobody else's.
    PoolGet,
    /// `pool.Put(x)`
    PoolPut,
    /// `t.Reset(d)` of a timer or ticker: what it fires happens after.
    TimerReset,
    /// `synctest.Wait()`: all other goroutines of the bubble are blocked or done.
    BubbleWait,
}

/// Path, receiver's type or nothing, names, effect.
type Row = (&'static str, &'static str, &'static [&'static str], Effect);

const ROWS: &[Row] = &[
    ("sync", "Mutex", &["Lock"], Effect::Lock),
    ("sync", "Mutex", &["Unlock"], Effect::Unlock),
    ("sync", "Mutex", &["TryLock"], Effect::TryLock),
    ("sync", "RWMutex", &["Lock"], Effect::Lock),
    ("sync", "RWMutex", &["Unlock"], Effect::Unlock),
    ("sync", "RWMutex", &["RLock"], Effect::ReadLock),
    ("sync", "RWMutex", &["RUnlock"], Effect::ReadUnlock),
    ("sync", "RWMutex", &["TryLock"], Effect::TryLock),
    ("sync", "RWMutex", &["TryRLock"], Effect::TryReadLock),
    ("sync", "WaitGroup", &["Add"], Effect::GroupAdd),
    ("sync", "WaitGroup", &["Done"], Effect::GroupDone),
    ("sync", "WaitGroup", &["Wait"], Effect::GroupWait),
    ("sync", "WaitGroup", &["Go"], Effect::GroupGo(0)),
    ("sync", "Once", &["Do"], Effect::OnceDo),
    ("sync", "", &["OnceFunc", "OnceValue", "OnceValues"], Effect::OnceDo),
    ("sync", "Cond", &["Signal", "Broadcast"], Effect::Signal),
    ("sync", "Cond", &["Wait"], Effect::CondWait),
    ("sync", "Map", &["Range"], Effect::CallsNow(0)),
    ("sync", "Pool", &["Get"], Effect::PoolGet),
    ("sync", "Pool", &["Put"], Effect::PoolPut),
    ("golang.org/x/sync/errgroup", "Group", &["Go", "TryGo"], Effect::GroupGo(0)),
    ("golang.org/x/sync/errgroup", "Group", &["Wait"], Effect::GroupWait),
    ("golang.org/x/sync/singleflight", "Group", &["Do"], Effect::CallsNow(1)),
    ("golang.org/x/sync/singleflight", "Group", &["DoChan"], Effect::Spawn(1)),
    ("time", "", &["AfterFunc"], Effect::Timer(1)),
    ("time", "Timer", &["Reset"], Effect::TimerReset),
    ("time", "Ticker", &["Reset"], Effect::TimerReset),
    ("testing/synctest", "", &["Wait"], Effect::BubbleWait),
    ("internal/synctest", "", &["Wait"], Effect::BubbleWait),
    ("internal/synctest", "", &["Run"], Effect::CallsNow(0)),
    ("context", "", &["AfterFunc"], Effect::Spawn(1)),
    ("runtime", "", &["SetFinalizer"], Effect::Spawn(1)),
    ("runtime", "", &["AddCleanup"], Effect::Spawn(1)),
    ("net/http", "", &["HandleFunc"], Effect::Handler(1)),
    ("net/http", "ServeMux", &["HandleFunc"], Effect::Handler(1)),
    ("net/http", "", &["Handle", "ListenAndServe", "Serve"], Effect::HandlerObject(1)),
    ("net/http", "ServeMux", &["Handle"], Effect::HandlerObject(1)),
    ("net/http", "", &["HandlerFunc"], Effect::Handler(0)),
    ("net/http/httptest", "", &["NewServer", "NewTLSServer"], Effect::HandlerObject(0)),
    ("net/rpc", "", &["Register"], Effect::HandlerObject(0)),
    ("net/rpc", "Server", &["Register"], Effect::HandlerObject(0)),
    ("expvar", "", &["Publish"], Effect::HandlerObject(1)),
    ("testing", "T", &["Run"], Effect::Subtest(1)),
    ("testing", "B", &["Run"], Effect::CallsNow(1)),
    ("testing", "B", &["RunParallel"], Effect::RunParallel(0)),
    ("testing", "T", &["Parallel"], Effect::Parallel),
    ("testing", "common", &["Cleanup"], Effect::Cleanup(0)),
    ("testing/synctest", "", &["Test"], Effect::CallsNow(1)),
    ("testing/synctest", "", &["Run"], Effect::CallsNow(0)),
    (
        "fmt",
        "",
        &["Print", "Println", "Sprint", "Sprintln", "Errorf", "Printf", "Sprintf", "Append", "Appendln"],
        Effect::Walks(0),
    ),
    ("fmt", "", &["Fprint", "Fprintln", "Fprintf", "Appendf"], Effect::Walks(1)),
    (
        "log",
        "",
        &["Print", "Println", "Printf", "Fatal", "Fatalf", "Fatalln", "Panic", "Panicf"],
        Effect::Walks(0),
    ),
    (
        "log",
        "Logger",
        &["Print", "Println", "Printf", "Fatal", "Fatalf", "Panic", "Panicf"],
        Effect::Walks(0),
    ),
    ("log/slog", "", &["Debug", "Info", "Warn", "Error"], Effect::Walks(1)),
    ("log/slog", "Logger", &["Debug", "Info", "Warn", "Error", "With"], Effect::Walks(1)),
    ("encoding/json", "", &["Marshal", "MarshalIndent"], Effect::Walks(0)),
    ("encoding/json", "Encoder", &["Encode"], Effect::Walks(0)),
    ("encoding/gob", "Encoder", &["Encode"], Effect::Walks(0)),
    ("encoding/xml", "", &["Marshal", "MarshalIndent"], Effect::Walks(0)),
    ("encoding/xml", "Encoder", &["Encode"], Effect::Walks(0)),
    ("gopkg.in/yaml.v3", "", &["Marshal"], Effect::Walks(0)),
    ("gopkg.in/yaml.v2", "", &["Marshal"], Effect::Walks(0)),
    ("text/template", "Template", &["Execute"], Effect::Walks(1)),
    ("html/template", "Template", &["Execute"], Effect::Walks(1)),
    ("text/template", "Template", &["ExecuteTemplate"], Effect::Walks(2)),
    ("html/template", "Template", &["ExecuteTemplate"], Effect::Walks(2)),
    ("reflect", "", &["DeepEqual"], Effect::Walks(0)),
    ("maps", "", &["Clone"], Effect::CloneMap),
    ("maps", "", &["Copy"], Effect::CopyMap),
    ("maps", "", &["Keys", "Values", "All", "Equal", "EqualFunc"], Effect::Walks(0)),
    ("golang.org/x/exp/maps", "", &["Clone", "Keys", "Values"], Effect::Walks(0)),
    ("testing", "common", &["Log", "Logf", "Error", "Errorf", "Fatal", "Fatalf"], Effect::Walks(0)),
];

/// Functions of sync/atomic by the beginning of their names, and methods of its types by name.
fn atomic_effect(name: &str) -> Effect {
    if name.starts_with("Load") { Effect::AtomicLoad } else { Effect::AtomicStore }
}

/// What the functions of a program do.
#[derive(Debug)]
pub struct Models {
    /// By the number of the function.
    effects: Vec<Option<Effect>>,
    missing: HashMap<(Name, Name), Effect>,
}

impl Models {
    /// Looks up what is known of the program's functions.
    pub fn new(program: &Program) -> Self {
        let mut by_name: HashMap<(&str, &str, &str), Effect> = HashMap::new();
        let mut missing = HashMap::new();
        for &(path, receiver, names, effect) in ROWS {
            for &name in names {
                by_name.insert((path, receiver, name), effect);
                if receiver.is_empty() {
                    missing.insert((Name::new(path), Name::new(name)), effect);
                }
            }
        }
        for (name, effect) in BY_METHOD_NAME {
            missing.insert((Name::new(""), Name::new(name)), *effect);
        }
        let mut effects = vec![None; program.function_count()];
        for package in program.packages() {
            let path = package.path.as_str();
            let atomic = path == "sync/atomic";
            if !atomic && !ROWS.iter().any(|row| row.0 == path) {
                continue;
            }
            for object in package.objects() {
                let (func, receiver) = match object.kind {
                    ObjectKind::Func(func) => (func, ""),
                    ObjectKind::Method { func, receiver: Some(receiver), .. } => {
                        (func, program.object(receiver).name.as_str())
                    }
                    _ => continue,
                };
                let name = object.name.as_str();
                let effect = if atomic {
                    Some(atomic_effect(name))
                } else {
                    by_name.get(&(path, receiver, name)).copied()
                };
                if let Some(slot) = effects.get_mut(func.0 as usize)
                    && effect.is_some()
                {
                    *slot = effect;
                }
            }
        }
        Self { effects, missing }
    }

    /// What a call of `target` does, if it is known.
    pub fn effect(&self, target: &Target) -> Option<Effect> {
        match target {
            Target::Interface(_, name, _) => locker_effect(name.as_str()),
            Target::Missing(path, name) => self.missing.get(&(*path, *name)).copied(),
            Target::Function(func)
            | Target::Value(
                crate::ir::place::Value::Function(func) | crate::ir::place::Value::Method(func, _),
            ) => self.of(*func),
            _ => None,
        }
    }

    /// What a function does, if it is listed.
    pub fn of(&self, func: FuncId) -> Option<Effect> {
        self.effects.get(func.0 as usize).copied().flatten()
    }
}

/// Methods of sync.Locker.
fn locker_effect(name: &str) -> Option<Effect> {
    match name {
        "Lock" => Some(Effect::Lock),
        "Unlock" => Some(Effect::Unlock),
        "RLock" => Some(Effect::ReadLock),
        "RUnlock" => Some(Effect::ReadUnlock),
        _ => None,
    }
}

/// Methods of types that are not known, because their package is not there.
const BY_METHOD_NAME: &[(&str, Effect)] = &[
    ("Lock", Effect::Lock),
    ("Unlock", Effect::Unlock),
    ("RLock", Effect::ReadLock),
    ("RUnlock", Effect::ReadUnlock),
    ("TryLock", Effect::TryLock),
    ("Go", Effect::GroupGo(0)),
    ("Wait", Effect::GroupWait),
];
