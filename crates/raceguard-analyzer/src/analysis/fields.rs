//! Races on fields and package-level variables, across functions.
//!
//! [`scope`](super::scope) sees what one function starts. Most map races are elsewhere: a method that forgets the lock
//! its siblings take, called by goroutines that live in other functions. Here memory is named by field ([`key`]),
//! whatever the instance. For each function, accesses are listed with the locks held ([`facts`]); what callers hold at
//! all calls is held in the callee too, and goroutines and handlers spread from where they start ([`contexts`]). Two
//! accesses are reported if there is evidence that they run at once, and no lock excludes it ([`pairs`]).

mod candidates;
mod contexts;
mod facts;
mod formatted;
mod guards;
mod handlers;
mod hidden;
mod key;
mod lock_state;
mod lock_walk;
mod mend;
mod ownership;
mod pairs;
mod parameters;
mod publication;
mod relation;
mod report;

use foldhash::{HashMap, HashMapExt as _};
use rayon::prelude::*;

use self::contexts::Contexts;
use self::facts::{Facts, FieldAccess, NodeRef};
use self::key::MemoryKey;
use crate::finding::Finding;
use crate::rules::ProgramContext;

/// Reports fields and package-level variables that are accessed without order.
pub fn check(context: &ProgramContext<'_>, findings: &mut Vec<Finding>) {
    let facts = Facts::collect(context);
    let contexts = Contexts::new(context, &facts);
    let mut by_key: HashMap<&MemoryKey, Vec<(NodeRef, &FieldAccess)>> = HashMap::new();
    for (node, known) in facts.nodes() {
        for access in &known.accesses {
            by_key.entry(&access.key).or_default().push((node, access));
        }
    }
    let mut keys: Vec<&MemoryKey> = by_key.keys().copied().collect();
    keys.sort_unstable();
    let found: Vec<Vec<Finding>> = keys
        .par_iter()
        .map(|key| {
            let whole = key.whole().and_then(|whole| by_key.get(&whole)).map_or(&[][..], Vec::as_slice);
            pairs::check_key(context, &contexts, key, &by_key[key], whole)
        })
        .collect();
    findings.extend(found.into_iter().flatten());
    formatted::check(context, &facts, &contexts, findings);
}
