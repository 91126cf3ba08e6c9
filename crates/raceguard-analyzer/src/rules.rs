//! The rules, one file each, in the order of their codes.
//!
//! A code never changes its meaning: `RG1xx` map traps, `RG2xx` other races by root cause, `RG3xx` locks, `RG4xx`
//! performance of maps.

mod collected;
mod fields;
mod guarded_maps;
mod import_edit;
mod lock_finding;
mod memory;
mod page;
mod path_checks;
mod path_facts;
pub mod rg101_concurrent_map_writes;
pub mod rg102_map_read_during_write;
pub mod rg103_map_iteration_during_write;
pub mod rg104_guarded_map_escapes;
pub mod rg105_map_shared_by_copy;
pub mod rg106_write_under_read_lock;
pub mod rg107_wrong_lock;
pub mod rg108_check_then_act;
pub mod rg109_snapshot_mutated;
pub mod rg110_nil_map_write;
pub mod rg111_map_handed_to_goroutine;
pub mod rg201_unsynchronised_global;
pub mod rg202_captured_variable;
pub mod rg203_channel_close;
pub mod rg204_pooled_object;
pub mod rg205_loop_variable;
pub mod rg206_captured_error;
pub mod rg207_slice_append;
pub mod rg208_wait_group;
pub mod rg209_parallel_subtests;
pub mod rg210_mixed_atomic;
pub mod rg211_double_checked_locking;
pub mod rg212_shadowed_variable;
pub mod rg213_unsynchronised_memory;
pub mod rg301_lock_upgrade;
pub mod rg302_missing_unlock;
pub mod rg303_lock_order_inversion;
pub mod rg304_copied_lock;
pub mod rg305_blocking_under_lock;
pub mod rg306_reentrant_lock;
pub mod rg401_sync_map_churn;
pub mod rg402_exclusive_lock_for_reads;
pub mod rg403_false_sharing;
pub mod rg404_map_copy_under_lock;
mod syntax_search;
mod wording;

use crate::analysis::models::Models;
use crate::analysis::units::Units;
use crate::finding::{Finding, Severity};
use crate::ir::function::Unit;
use crate::ir::lower::Input;
use crate::syntax::ast;
use crate::types::Program;

use collected::Collected;
use path_checks::PathContext;
use path_facts::summaries::Summaries;

/// A rule, and what users read about it. Every rule's file has one of these, and its page is made of it.
#[derive(Debug)]
pub struct Rule {
    /// Stable code, e.g. `RG103`.
    pub code: &'static str,
    /// Stable name in kebab case.
    pub name: &'static str,
    /// What is wrong, in one line.
    pub summary: &'static str,
    /// The severity of its findings when nothing is inferred.
    pub severity: Severity,
    /// What the rule looks for, in Markdown.
    pub what: &'static str,
    /// Why that is bad, in Markdown.
    pub why: &'static str,
    /// A program that it reports: a Go file with `// want RG103 "…"` comments, run as a test.
    pub bad: &'static str,
    /// The same program repaired: run as a test that nothing is reported.
    pub good: &'static str,
    /// What to do about a finding, in Markdown.
    pub remedy: &'static str,
    /// What it can't see, or may get wrong, in Markdown.
    pub limits: &'static str,
    /// Whether some of its findings come with a fix.
    pub fixable: bool,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code
    }
}

impl Eq for Rule {}

/// Every rule, by code.
pub const ALL: &[&Rule] = &[
    &rg101_concurrent_map_writes::RULE,
    &rg102_map_read_during_write::RULE,
    &rg103_map_iteration_during_write::RULE,
    &rg104_guarded_map_escapes::RULE,
    &rg105_map_shared_by_copy::RULE,
    &rg106_write_under_read_lock::RULE,
    &rg107_wrong_lock::RULE,
    &rg108_check_then_act::RULE,
    &rg109_snapshot_mutated::RULE,
    &rg110_nil_map_write::RULE,
    &rg111_map_handed_to_goroutine::RULE,
    &rg201_unsynchronised_global::RULE,
    &rg202_captured_variable::RULE,
    &rg203_channel_close::RULE,
    &rg204_pooled_object::RULE,
    &rg205_loop_variable::RULE,
    &rg206_captured_error::RULE,
    &rg207_slice_append::RULE,
    &rg208_wait_group::RULE,
    &rg209_parallel_subtests::RULE,
    &rg210_mixed_atomic::RULE,
    &rg211_double_checked_locking::RULE,
    &rg212_shadowed_variable::RULE,
    &rg213_unsynchronised_memory::RULE,
    &rg301_lock_upgrade::RULE,
    &rg302_missing_unlock::RULE,
    &rg303_lock_order_inversion::RULE,
    &rg304_copied_lock::RULE,
    &rg305_blocking_under_lock::RULE,
    &rg306_reentrant_lock::RULE,
    &rg401_sync_map_churn::RULE,
    &rg402_exclusive_lock_for_reads::RULE,
    &rg403_false_sharing::RULE,
    &rg404_map_copy_under_lock::RULE,
];

/// The rule with this code or name; capital and small letters are the same.
pub fn find(code_or_name: &str) -> Option<&'static Rule> {
    ALL.iter().copied().find(|rule| {
        rule.code.eq_ignore_ascii_case(code_or_name) || rule.name.eq_ignore_ascii_case(code_or_name)
    })
}

/// A function while its syntax tree is at hand.
#[derive(Debug, Clone, Copy)]
pub struct BodyContext<'a> {
    /// The tree, and what names and types mean.
    pub input: &'a Input<'a>,
    /// The body.
    pub block: &'a ast::Block,
    /// What it was lowered to.
    pub unit: &'a Unit,
}

/// Everything that is known of a program.
#[derive(Debug, Clone, Copy)]
pub struct ProgramContext<'a> {
    /// Packages, names and types.
    pub program: &'a Program,
    /// What library functions do.
    pub models: &'a Models,
    /// The functions of the analysed packages.
    pub units: &'a Units,
}

/// Looks at one function.
pub type BodyCheck = fn(&BodyContext<'_>, &mut Vec<Finding>);

/// Looks at the whole program.
pub type ProgramCheck = fn(&ProgramContext<'_>, &mut Vec<Finding>);

/// Looks at what holds on every way through one function.
type PathCheck = fn(&PathContext<'_>, &mut Vec<Finding>);

/// Notes what a rule about the whole program needs of one function.
type PathCollector = fn(&PathContext<'_>, &mut Collected);

/// Looks at what was noted in all functions.
type PathProgramCheck = fn(&ProgramContext<'_>, &Summaries, &Collected, &mut Vec<Finding>);

/// What runs over each function.
pub const BODY_CHECKS: &[BodyCheck] = &[
    rg105_map_shared_by_copy::check,
    rg108_check_then_act::sync_map::check,
    rg212_shadowed_variable::check,
    rg304_copied_lock::check,
    rg401_sync_map_churn::check,
];

/// What runs over the whole program.
pub const PROGRAM_CHECKS: &[ProgramCheck] =
    &[crate::analysis::races::check, crate::analysis::fields::check, path_checks::check];

/// What runs over the ways through each function.
const PATH_CHECKS: &[PathCheck] = &[
    rg108_check_then_act::check,
    rg109_snapshot_mutated::check,
    rg110_nil_map_write::check,
    rg203_channel_close::check,
    rg204_pooled_object::check,
    rg211_double_checked_locking::check,
    rg301_lock_upgrade::check,
    rg302_missing_unlock::check,
    rg305_blocking_under_lock::check,
    rg306_reentrant_lock::check,
    rg403_false_sharing::check,
];

/// What takes notes of the ways through each function.
const PATH_COLLECTORS: &[PathCollector] = &[
    guarded_maps::collect,
    rg104_guarded_map_escapes::collect,
    rg105_map_shared_by_copy::returned::collect,
    rg105_map_shared_by_copy::used_outside::collect,
    rg106_write_under_read_lock::callback::collect,
    rg403_false_sharing::fields::collect,
    rg303_lock_order_inversion::collect,
    rg404_map_copy_under_lock::collect,
];

/// What runs over the notes of all functions.
const PATH_PROGRAM_CHECKS: &[PathProgramCheck] = &[
    rg104_guarded_map_escapes::check,
    rg105_map_shared_by_copy::returned::check,
    rg105_map_shared_by_copy::used_outside::check,
    rg106_write_under_read_lock::callback::check,
    rg403_false_sharing::fields::check,
    rg303_lock_order_inversion::check,
    rg402_exclusive_lock_for_reads::check,
    rg404_map_copy_under_lock::check,
];
