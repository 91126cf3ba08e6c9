//! Execution traces of Go's runtime (`runtime/trace`, `go test -trace`, `/debug/pprof/trace`): the format since
//! Go 1.22.
//!
//! A trace is summed up while it is read: one [`ExecutionTrace`](crate::ExecutionTrace) record, one
//! [`TraceTask`](crate::TraceTask) for each type of user task, one [`TraceKey`](crate::TraceKey) for each key that was
//! logged inside a user region. A program shows its map accesses so:
//!
//! ```go
//! trace.WithRegion(ctx, "map_access", func() {
//!     trace.Log(ctx, "map_key", key)
//!     // the access
//! })
//! ```
//!
//! # The format
//!
//! After a header come *generations*, each of about a second. A generation is a row of batches: events of one thread,
//! or a part of the tables of strings and stacks, or the clock's frequency. The events of a thread are in order; those
//! of different threads have to be put in order ([`order`]). Versions differ little: Go 1.23 added coroutines, stacks
//! of goroutines that wait when a generation begins, and batches of experiments; Go 1.25 the wall clock; Go 1.26 a
//! mark at the end of a generation, which until then ended where the next one began. Go 1.27 writes what 1.26 does.
//!
//! # Bounds
//!
//! One generation is held at a time ([`LARGEST_GENERATION`]), and the state of what is alive. Sums are bounded by the
//! limits of their modules. What a damaged or cut off generation holds is lost, counted, and reading goes on with
//! the next one: each says what every goroutine is doing when it begins.

mod generation;
mod id_table;
mod key_sums;
mod merge;
mod names;
mod order;
mod places;
mod regions;
mod summary;
mod tasks;
mod wire;

use std::io::{self, Read};

use super::{ForeignError, Format, Input, Recognition, Sink};
use generation::Generation;
use order::{Broken, Order};
use summary::Summary;

/// Execution traces.
pub(super) const FORMAT: Format =
    Format { name: "go-trace", title: "execution trace of Go", recognise, read };

/// How many bytes of events a generation may have.
const LARGEST_GENERATION: usize = 512 << 20;

const HEADER_LENGTH: usize = 16;

/// The versions that are known: minor releases of Go in which the format changed.
const OLDEST: u32 = 22;
const MARKS_ENDS: u32 = 26;
const NEWEST: u32 = 26;

fn recognise(head: &[u8]) -> Recognition {
    if version(head).is_some() { Recognition::Sure } else { Recognition::No }
}

/// The minor release of Go in the header, `go 1.26 trace` and three zero bytes.
fn version(head: &[u8]) -> Option<u32> {
    let rest = head.get(..HEADER_LENGTH)?.strip_prefix(b"go 1.")?;
    let digits = rest.strip_suffix(b" trace\0\0\0")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn read(input: &mut Input<'_>, sink: &mut dyn Sink) -> Result<(), ForeignError> {
    let mut header = Vec::new();
    let length = HEADER_LENGTH as u64;
    (&mut *input).take(length).read_to_end(&mut header).map_err(|error| input.read_error(error))?;
    let Some(version) = version(&header) else {
        return Err(input.malformed("it does not begin as an execution trace", "byte 0"));
    };
    if version < OLDEST {
        let what = format!(
            "it has the format of Go 1.{version}; formats are read from Go 1.22 on: record the trace again with a \
             program built by a newer Go"
        );
        return Err(input.malformed(what, "byte 0"));
    }
    if version > NEWEST {
        sink.warn(format!(
            "its format, of Go 1.{version}, is newer than what is known; it is read as that of 1.26"
        ));
    }
    sink.source().producer = format!("go 1.{version}");
    let mut reader = Reader { input, version, next: None };
    let mut generation = Generation::default();
    let mut trace = Trace::default();
    loop {
        let end = reader.read_generation(&mut generation, sink)?;
        if end.has_content {
            trace.play(&generation, end.is_complete, reader.input.position(), sink);
        }
        if end.is_last {
            break;
        }
    }
    drop(generation);
    trace.finish(format!("go 1.{version}"), sink)
}

/// The sums and what they need to go on.
#[derive(Default)]
struct Trace {
    order: Order,
    summary: Summary,
    threads: usize,
    processors: usize,
}

impl Trace {
    fn play(&mut self, generation: &Generation, is_complete: bool, at: u64, sink: &mut dyn Sink) {
        if generation.clock.tick_ns <= 0.0 {
            sink.skip("generations without a clock", at);
            sink.warn(format!(
                "generation {} of the trace is not whole: it has no clock, and its events were left out",
                generation.number
            ));
            return;
        }
        let played = merge::play(generation, &mut self.order, &mut self.summary);
        self.note_machine();
        if let Err(Broken(why)) = played {
            if is_complete {
                sink.skip("generations whose events could be read only in part", at);
            }
            sink.warn(format!(
                "generation {} of the trace could be read only in part: {why}",
                generation.number
            ));
            self.order.start_over();
            self.summary.start_over();
        }
    }

    fn note_machine(&mut self) {
        self.threads = self.threads.max(self.order.threads());
        self.processors = self.processors.max(self.order.processors());
    }

    fn finish(self, version: String, sink: &mut dyn Sink) -> Result<(), ForeignError> {
        drop(self.order);
        self.summary.finish(version, self.threads, self.processors, sink)
    }
}

/// How the reading of a generation ended.
struct End {
    /// Whether there is anything to play.
    has_content: bool,
    is_complete: bool,
    is_last: bool,
}

/// Head of a batch: what it is of. Its content is in the reader's buffer.
struct Head {
    generation: u64,
    thread: u64,
    time: u64,
}

struct Reader<'r, 'i> {
    input: &'r mut Input<'i>,
    version: u32,
    /// The first batch of the next generation, which ended the one before.
    next: Option<(Head, Vec<u8>)>,
}

/// What comes next in the file.
enum Part {
    Batch(Head, Vec<u8>),
    /// A batch of an experiment.
    Experiment,
    EndOfGeneration,
    EndOfFile,
    /// The file ends within a batch.
    CutOff,
}

impl Reader<'_, '_> {
    fn read_generation(
        &mut self,
        generation: &mut Generation,
        sink: &mut dyn Sink,
    ) -> Result<End, ForeignError> {
        generation.begin(0);
        let mut begun = false;
        if let Some((head, content)) = self.next.take() {
            generation.begin(head.generation);
            generation.add(head.thread, head.time, &content, self.input.position(), sink);
            begun = true;
        }
        loop {
            let at = self.input.position();
            match self.read_part()? {
                Part::Batch(head, content) => {
                    if !begun {
                        generation.begin(head.generation);
                        begun = true;
                    } else if head.generation != generation.number {
                        self.next = Some((head, content));
                        return Ok(self.ended_by_next(generation.number, sink));
                    }
                    if generation.events.len() + content.len() > LARGEST_GENERATION {
                        sink.skip("batches beyond 512 MiB of a generation", at);
                        continue;
                    }
                    generation.add(head.thread, head.time, &content, at, sink);
                }
                Part::Experiment => sink.skip("batches of experiments", at),
                Part::EndOfGeneration => {
                    return Ok(End { has_content: begun, is_complete: true, is_last: false });
                }
                Part::EndOfFile => return Ok(self.ended_by_file(generation.number, begun, sink)),
                Part::CutOff => {
                    sink.warn(format!(
                        "the trace is cut off or damaged at byte {at}: what came before was read"
                    ));
                    return Ok(self.cut_off(generation.number, begun, at, sink));
                }
            }
        }
    }

    fn marks_ends(&self) -> bool {
        self.version >= MARKS_ENDS
    }

    /// Where ends are marked, a generation that has no mark lost its end.
    fn ended_by_next(&self, number: u64, sink: &mut dyn Sink) -> End {
        if self.marks_ends() {
            sink.warn(format!("generation {number} of the trace has no end"));
        }
        End { has_content: true, is_complete: !self.marks_ends(), is_last: false }
    }

    fn ended_by_file(&self, number: u64, begun: bool, sink: &mut dyn Sink) -> End {
        if begun && self.marks_ends() {
            return self.cut_off(number, begun, self.input.position(), sink);
        }
        End { has_content: begun, is_complete: true, is_last: true }
    }

    /// The tables may have been to come: where ends are marked it is known that some were, and nothing is played.
    fn cut_off(&self, number: u64, begun: bool, at: u64, sink: &mut dyn Sink) -> End {
        if begun && self.marks_ends() {
            sink.skip("generations cut off", at);
            sink.warn(format!(
                "generation {number} of the trace is cut off and was left out: the program was killed, or the trace \
                 not stopped"
            ));
        }
        End { has_content: begun && !self.marks_ends(), is_complete: false, is_last: true }
    }

    fn read_part(&mut self) -> Result<Part, ForeignError> {
        match self.try_read_part() {
            Ok(part) => Ok(part),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Part::CutOff),
            Err(error) => Err(self.input.read_error(error)),
        }
    }

    /// An unexpected end of file stands for damage of any kind.
    fn try_read_part(&mut self) -> io::Result<Part> {
        let damaged = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let mut kind = [0];
        if self.input.read(&mut kind)? == 0 {
            return Ok(Part::EndOfFile);
        }
        match kind[0] {
            wire::END_OF_GENERATION => return Ok(Part::EndOfGeneration),
            wire::EVENT_BATCH => {}
            wire::EXPERIMENTAL_BATCH => {
                let mut experiment = [0];
                self.input.read_exact(&mut experiment)?;
            }
            _ => return Err(damaged()),
        }
        let head =
            Head { generation: self.read_number()?, thread: self.read_number()?, time: self.read_number()? };
        let length = self.read_number()?;
        if length > wire::LARGEST_BATCH || head.generation == 0 {
            return Err(damaged());
        }
        let mut content = vec![0; usize::try_from(length).unwrap_or(0)];
        self.input.read_exact(&mut content)?;
        if kind[0] == wire::EXPERIMENTAL_BATCH {
            return Ok(Part::Experiment);
        }
        Ok(Part::Batch(head, content))
    }

    fn read_number(&mut self) -> io::Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.input.read_exact(&mut byte)?;
            number |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                return Ok(number);
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
