//! How long single operations take while all threads work.

use std::time::Instant;

use super::{Filled, Plan, ReadsAndWrites};
use crate::data::Data;
use crate::latencies::Latencies;
use crate::sequence::Operation;
use crate::subject::Subject;
use crate::threads::{repeat, together};

/// One of this many operations is timed, since the clock costs as much as the operation.
const SAMPLED: u32 = 16;

/// Samples of each kind that are kept.
const ROOM: usize = 1 << 20;

impl<D: Data, M: Subject<D::Key, D::Value>> Filled<D, M> {
    pub(super) fn measure_latency(&self, plan: &Plan) -> ReadsAndWrites {
        let threads = together(&plan.cores, |thread| {
            let mut handle = self.map.handle();
            let (mut reads, mut writes) = (Latencies::with_room(ROOM), Latencies::with_room(ROOM));
            let mut number = 0_u32;
            repeat(plan.time, &plan.sequences[thread], |code| {
                let operation = Operation::of(code);
                number = number.wrapping_add(1);
                let begin = number.is_multiple_of(SAMPLED).then(Instant::now);
                let result = self.step::<false>(&mut handle, operation, plan.hold);
                if let Some(begin) = begin {
                    let took = begin.elapsed();
                    if matches!(operation, Operation::Read(_)) { &mut reads } else { &mut writes }.add(took);
                }
                result
            });
            (reads, writes)
        });
        let (mut reads, mut writes) = (Latencies::with_room(0), Latencies::with_room(0));
        for (one_reads, one_writes) in threads {
            reads.append(one_reads);
            writes.append(one_writes);
        }
        ReadsAndWrites { reads: reads.quantiles(), writes: writes.quantiles() }
    }
}
