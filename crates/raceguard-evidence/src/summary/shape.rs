//! The records that come in great numbers, by what has to be known or checked of them.
//!
//! Names and types of fields are those of [`Race`](crate::Race), [`Repeat`](crate::Repeat) and [`Span`](crate::Span). A test
//! compares what is accepted.

use super::object::{AnyObject, AnyText, Checked, Each, Name, object};
use crate::race::{AccessOp, GoroutineState, MapOp, ObjectKind};

/// A record with its envelope.
pub(super) trait Enveloped {
    /// Version of its schema.
    fn schema(&self) -> u64;
}

macro_rules! enveloped {
    ($($name:ident),*) => { $(
        impl Enveloped for $name<'_> {
            fn schema(&self) -> u64 {
                self.schema
            }
        }
    )* };
}

enveloped!(RaceShape, RepeatShape, SpanShape);

object!(
    /// A race.
    RaceShape<'a> {
        schema: u64,
        kind: AnyText,
        id: Name<'a>,
        pid: u64,
        accesses: [AccessShape<'a>; 2],
    } optional {
        time_unix_ns: u64,
        address: AnyText,
        size: u64,
        object: Option<ObjectShape<'a>>,
        goroutines: Each<GoroutineShape<'a>>,
        notes: Each<AnyText>,
    }
);

object!(
    /// An access.
    AccessShape<'a> {
        op: AccessOp,
    } optional {
        size: u64,
        map_op: Option<MapOp>,
        goroutine: Option<u64>,
        stack: Vec<FrameShape<'a>>,
    }
);

object!(
    /// A frame.
    FrameShape<'a> {
    } optional {
        function: Name<'a>,
        file: Name<'a>,
        line: u32,
        pc: Option<AnyText>,
        offset: Option<u64>,
        inlined: bool,
    }
);

object!(
    /// The object that holds the racy address.
    ObjectShape<'a> {
        kind: ObjectKind,
    } optional {
        start: Option<AnyText>,
        size: Option<u64>,
        allocated_by: Option<u64>,
        allocation: Each<FrameShape<'a>>,
        name: Option<AnyText>,
    }
);

object!(
    /// A goroutine.
    GoroutineShape<'a> {
    } optional {
        id: Option<u64>,
        name: Option<AnyText>,
        state: Checked<GoroutineState>,
        parent: Option<u64>,
        created_at: Each<FrameShape<'a>>,
        ancestors: Each<Each<FrameShape<'a>>>,
    }
);

object!(
    /// A repeat.
    RepeatShape<'a> {
        schema: u64,
        kind: AnyText,
        race: Name<'a>,
        pid: u64,
    } optional {
        time_unix_ns: u64,
    }
);

object!(
    /// A span.
    SpanShape<'a> {
        schema: u64,
        kind: AnyText,
    } optional {
        trace_id: AnyText,
        span_id: AnyText,
        parent_span_id: AnyText,
        name: AnyText,
        span_kind: AnyText,
        service: AnyText,
        instance: AnyText,
        version: AnyText,
        start_unix_ns: u64,
        end_unix_ns: u64,
        status: AnyText,
        status_message: AnyText,
        scope: AnyText,
        attributes: AnyObject,
        resource: AnyObject,
        links: Each<LinkShape<'a>>,
        events: Each<EventShape<'a>>,
    }
);

object!(
    /// A link of a span.
    LinkShape<'a> {
    } optional {
        trace_id: AnyText,
        span_id: AnyText,
    }
);

object!(
    /// An event of a span.
    EventShape<'a> {
    } optional {
        name: AnyText,
        time_unix_ns: u64,
        attributes: AnyObject,
    }
);
