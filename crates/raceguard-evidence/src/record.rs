//! One record of evidence: its schema version, its kind, and how it is read from and written as JSON.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::coverage::Coverage;
use crate::crash::Crash;
use crate::execution_trace::{ExecutionTrace, TraceKey, TraceTask};
use crate::goroutine_dump::GoroutineDump;
use crate::metric::Metric;
use crate::profile::Profile;
use crate::race::{Race, Repeat};
use crate::run::{Attribution, Exit, Process, Run, RunEnd, Test};
use crate::source::Source;
use crate::span::Span;
use crate::static_finding::{SourceProblem, StaticFinding};

/// The newest schema version that this crate reads, and the one it writes.
pub const SCHEMA_VERSION: u64 = 1;

/// Fields of a record that this version does not know; kept when the record is written again.
pub type Extra = Map<String, Value>;

/// One line of evidence.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Record {
    /// The run itself.
    Run(Run),
    /// A process of the run started.
    Process(Process),
    /// A data race.
    Race(Box<Race>),
    /// A known racy pair was seen again.
    Repeat(Repeat),
    /// A process of the run ended.
    Exit(Exit),
    /// The program died.
    Crash(Box<Crash>),
    /// A test or package ended.
    Test(Test),
    /// A race was attributed to tests.
    Attribution(Attribution),
    /// Static analysis found something.
    StaticFinding(Box<StaticFinding>),
    /// Source that could not be read or understood.
    SourceProblem(SourceProblem),
    /// A file of a foreign format was read.
    Source(Source),
    /// All goroutines of a process at one moment.
    GoroutineDump(Box<GoroutineDump>),
    /// A profile of pprof.
    Profile(Box<Profile>),
    /// Which statements tests executed.
    Coverage(Coverage),
    /// An execution trace as a whole.
    ExecutionTrace(Box<ExecutionTrace>),
    /// Regions of a trace with one key.
    TraceKey(Box<TraceKey>),
    /// Tasks of a trace.
    TraceTask(TraceTask),
    /// A span of OpenTelemetry.
    Span(Box<Span>),
    /// A value of a metric of OpenTelemetry.
    Metric(Box<Metric>),
    /// The run ended.
    RunEnd(RunEnd),
    /// A kind this version does not know, with `schema` and `kind`.
    Unknown(Extra),
}

/// What every record has.
#[derive(Deserialize)]
struct Envelope<'a> {
    schema: Option<Value>,
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
}

/// Why a line is not a record.
#[derive(Debug)]
pub(crate) enum RecordError {
    /// Written by a newer version.
    NewerSchema(u64),
    /// Not a record of this format; says what is wrong.
    Malformed(String),
}

impl Record {
    /// Reads a record from one line of JSON.
    pub(crate) fn from_line(line: &[u8]) -> Result<Self, RecordError> {
        let malformed = |error: serde_json::Error| RecordError::Malformed(error.to_string());
        let envelope: Envelope<'_> = serde_json::from_slice(line).map_err(malformed)?;
        match envelope.schema.as_ref().map(Value::as_u64) {
            Some(Some(found)) if found > SCHEMA_VERSION => return Err(RecordError::NewerSchema(found)),
            Some(Some(1..)) => {}
            _ => return Err(RecordError::Malformed("no schema version".to_owned())),
        }
        let Some(kind) = envelope.kind else {
            return Err(RecordError::Malformed("no kind".to_owned()));
        };
        let mut record =
            Self::of_kind(&kind, line).map_err(|error| RecordError::Malformed(format!("{kind}: {error}")))?;
        if !matches!(record, Self::Unknown(_)) {
            // `to_json` writes them anew.
            let extra = record.extra_mut();
            extra.shift_remove("schema");
            extra.shift_remove("kind");
        }
        Ok(record)
    }

    /// Reads the line again as what its kind says: reading it into typed fields at once is several times as fast as
    /// going through a [`Value`].
    fn of_kind(kind: &str, line: &[u8]) -> Result<Self, serde_json::Error> {
        fn typed<T: DeserializeOwned>(line: &[u8]) -> Result<T, serde_json::Error> {
            serde_json::from_slice(line)
        }
        Ok(match kind {
            "run" => Self::Run(typed(line)?),
            "process" => Self::Process(typed(line)?),
            "race" => Self::Race(Box::new(typed(line)?)),
            "repeat" => Self::Repeat(typed(line)?),
            "exit" => Self::Exit(typed(line)?),
            "crash" => Self::Crash(Box::new(typed(line)?)),
            "test" => Self::Test(typed(line)?),
            "attribution" => Self::Attribution(typed(line)?),
            "static_finding" => Self::StaticFinding(Box::new(typed(line)?)),
            "source_problem" => Self::SourceProblem(typed(line)?),
            "source" => Self::Source(typed(line)?),
            "goroutine_dump" => Self::GoroutineDump(Box::new(typed(line)?)),
            "profile" => Self::Profile(Box::new(typed(line)?)),
            "coverage" => Self::Coverage(typed(line)?),
            "execution_trace" => Self::ExecutionTrace(Box::new(typed(line)?)),
            "trace_key" => Self::TraceKey(Box::new(typed(line)?)),
            "trace_task" => Self::TraceTask(typed(line)?),
            "span" => Self::Span(Box::new(typed(line)?)),
            "metric" => Self::Metric(Box::new(typed(line)?)),
            "run_end" => Self::RunEnd(typed(line)?),
            _ => Self::Unknown(typed(line)?),
        })
    }

    /// The `kind` of the record.
    pub fn kind(&self) -> &str {
        match self {
            Self::Run(_) => "run",
            Self::Process(_) => "process",
            Self::Race(_) => "race",
            Self::Repeat(_) => "repeat",
            Self::Exit(_) => "exit",
            Self::Crash(_) => "crash",
            Self::Test(_) => "test",
            Self::Attribution(_) => "attribution",
            Self::StaticFinding(_) => "static_finding",
            Self::SourceProblem(_) => "source_problem",
            Self::Source(_) => "source",
            Self::GoroutineDump(_) => "goroutine_dump",
            Self::Profile(_) => "profile",
            Self::Coverage(_) => "coverage",
            Self::ExecutionTrace(_) => "execution_trace",
            Self::TraceKey(_) => "trace_key",
            Self::TraceTask(_) => "trace_task",
            Self::Span(_) => "span",
            Self::Metric(_) => "metric",
            Self::RunEnd(_) => "run_end",
            Self::Unknown(fields) => fields.get("kind").and_then(Value::as_str).unwrap_or_default(),
        }
    }

    /// The [`Source`] that the record was made from, when it is foreign evidence.
    pub fn source(&self) -> Option<&str> {
        self.extra().get("source").and_then(Value::as_str)
    }

    /// Says which [`Source`] the record was made from.
    pub fn set_source(&mut self, id: &str) {
        self.extra_mut().insert("source".to_owned(), id.into());
    }

    /// The record as a JSON object, `schema` and `kind` first.
    pub fn to_json(&self) -> Value {
        self.serialised(serde_json::value::Serializer)
    }

    fn extra(&self) -> &Extra {
        match self {
            Self::Run(record) => &record.extra,
            Self::Process(record) => &record.extra,
            Self::Race(record) => &record.extra,
            Self::Repeat(record) => &record.extra,
            Self::Exit(record) => &record.extra,
            Self::Crash(record) => &record.extra,
            Self::Test(record) => &record.extra,
            Self::Attribution(record) => &record.extra,
            Self::StaticFinding(record) => &record.extra,
            Self::SourceProblem(record) => &record.extra,
            Self::Source(record) => &record.extra,
            Self::GoroutineDump(record) => &record.extra,
            Self::Profile(record) => &record.extra,
            Self::Coverage(record) => &record.extra,
            Self::ExecutionTrace(record) => &record.extra,
            Self::TraceKey(record) => &record.extra,
            Self::TraceTask(record) => &record.extra,
            Self::Span(record) => &record.extra,
            Self::Metric(record) => &record.extra,
            Self::RunEnd(record) => &record.extra,
            Self::Unknown(fields) => fields,
        }
    }

    fn extra_mut(&mut self) -> &mut Extra {
        match self {
            Self::Run(record) => &mut record.extra,
            Self::Process(record) => &mut record.extra,
            Self::Race(record) => &mut record.extra,
            Self::Repeat(record) => &mut record.extra,
            Self::Exit(record) => &mut record.extra,
            Self::Crash(record) => &mut record.extra,
            Self::Test(record) => &mut record.extra,
            Self::Attribution(record) => &mut record.extra,
            Self::StaticFinding(record) => &mut record.extra,
            Self::SourceProblem(record) => &mut record.extra,
            Self::Source(record) => &mut record.extra,
            Self::GoroutineDump(record) => &mut record.extra,
            Self::Profile(record) => &mut record.extra,
            Self::Coverage(record) => &mut record.extra,
            Self::ExecutionTrace(record) => &mut record.extra,
            Self::TraceKey(record) => &mut record.extra,
            Self::TraceTask(record) => &mut record.extra,
            Self::Span(record) => &mut record.extra,
            Self::Metric(record) => &mut record.extra,
            Self::RunEnd(record) => &mut record.extra,
            Self::Unknown(fields) => fields,
        }
    }

    /// The record as one line of JSON, newline included.
    pub fn to_line(&self) -> String {
        let mut line = Vec::with_capacity(1024);
        self.append_line(&mut line);
        String::from_utf8(line).unwrap_or_default()
    }

    /// Appends the record as one line of JSON, newline included.
    pub fn append_line(&self, lines: &mut Vec<u8>) {
        self.serialised(&mut serde_json::Serializer::new(&mut *lines));
        lines.push(b'\n');
    }

    /// Records have string keys only, and memory takes all that is written: this can't fail.
    fn serialised<S: Serializer>(&self, serializer: S) -> S::Ok {
        fn of<S: Serializer, T: Serialize>(kind: &str, record: &T, serializer: S) -> Result<S::Ok, S::Error> {
            Enveloped { schema: SCHEMA_VERSION, kind, record }.serialize(serializer)
        }
        let result = match self {
            Self::Run(record) => of(self.kind(), record, serializer),
            Self::Process(record) => of(self.kind(), record, serializer),
            Self::Race(record) => of(self.kind(), record, serializer),
            Self::Repeat(record) => of(self.kind(), record, serializer),
            Self::Exit(record) => of(self.kind(), record, serializer),
            Self::Crash(record) => of(self.kind(), record, serializer),
            Self::Test(record) => of(self.kind(), record, serializer),
            Self::Attribution(record) => of(self.kind(), record, serializer),
            Self::StaticFinding(record) => of(self.kind(), record, serializer),
            Self::SourceProblem(record) => of(self.kind(), record, serializer),
            Self::Source(record) => of(self.kind(), record, serializer),
            Self::GoroutineDump(record) => of(self.kind(), record, serializer),
            Self::Profile(record) => of(self.kind(), record, serializer),
            Self::Coverage(record) => of(self.kind(), record, serializer),
            Self::ExecutionTrace(record) => of(self.kind(), record, serializer),
            Self::TraceKey(record) => of(self.kind(), record, serializer),
            Self::TraceTask(record) => of(self.kind(), record, serializer),
            Self::Span(record) => of(self.kind(), record, serializer),
            Self::Metric(record) => of(self.kind(), record, serializer),
            Self::RunEnd(record) => of(self.kind(), record, serializer),
            Self::Unknown(fields) => fields.serialize(serializer),
        };
        result.unwrap_or_else(|error| unreachable!("a record can be written as JSON: {error}"))
    }
}

/// A record with what every record has in front.
#[derive(Serialize)]
struct Enveloped<'a, T> {
    schema: u64,
    kind: &'a str,
    #[serde(flatten)]
    record: &'a T,
}

macro_rules! record_from {
    ($($type:ident),*) => {$(
        impl From<$type> for Record {
            fn from(record: $type) -> Self {
                Self::$type(record.into())
            }
        }
    )*};
}
record_from!(
    Run,
    Process,
    Race,
    Repeat,
    Exit,
    Crash,
    Test,
    Attribution,
    StaticFinding,
    SourceProblem,
    Source,
    GoroutineDump,
    Profile,
    Coverage,
    ExecutionTrace,
    TraceKey,
    TraceTask,
    Span,
    Metric,
    RunEnd
);
