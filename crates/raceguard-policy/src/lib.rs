//! Policies over evidence: what a gate lets through.
//!
//! A policy says in YAML what it goes over, which items match (a CEL expression), how many it takes, and what follows.
//! The way of a policy: [`yaml`] keeps the place of everything, [`reader`] checks it as a whole, [`evaluate()`] applies it
//! to [`Facts`] and keeps why it came to what. [`examples`] runs the examples that each policy carries, [`schema`] gives
//! editors the format, [`store`] keeps revisions, [`trigger`] is what a server does when evidence comes in. `docs/policy.md` is the reference.
//!
//! Invariants:
//!
//! - Nothing is evaluated while anything is wrong with any policy: [`read`] gives all policies or all problems.
//! - A condition that is accepted never meets an unknown name, a wrong type or an unexpected `null`.
//! - A policy that can't be evaluated comes to [`Level::Broken`], which is worse than failing.
//! - What was not measured is told as such: [`Status::Unmeasured`].
//!
//! What is deliberately absent: reading of evidence, knowledge of CI systems, rendering.
//!
//! Start reading at [`facts`], then [`policy`], then [`evaluate()`].

pub mod condition;
mod default_policy;
mod digest;
mod evaluate;
pub mod examples;
pub mod facts;
pub mod owners;
pub mod policy;
pub mod problem;
pub mod reader;
pub mod schema;
pub mod store;
pub mod trigger;
pub mod yaml;

pub use default_policy::{NAME as DEFAULT_NAME, TEXT as DEFAULT_TEXT, default_policy};
pub use evaluate::{Evaluation, Match, Outcome, Question, Reached, SetAside, Snapshot, Status, evaluate};
pub use facts::Facts;
pub use policy::{Level, Policy, PolicySet};
pub use problem::{Problem, Problems};
pub use reader::read;
