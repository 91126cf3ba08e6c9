//! The dashboard: pages that the server renders, usable with links and forms alone.
//!
//! Each page is one file here and one template in `templates/`: a handler that asks the store, a struct that holds what
//! is shown, in words, and the template, which escapes every value. Scripts (`assets/`) only add to what is there:
//! counts that change by themselves, charts to look into, times in the reader's zone.
//!
//! Invariants:
//!
//! - What came from evidence reaches a page through the escaping of a template, never otherwise.
//! - No page holds inline script or style: the policy that goes with each forbids both.
//! - A page asks only tables of counts, so that its time does not grow with the records.
//! - Whoever is not logged in sees the login and the assets. Only an admin's session changes anything, with its form token.
//!
//! Start reading at [`shell`], then [`session`], then [`overview`].

pub(crate) mod alerts;
pub(crate) mod assets;
pub(crate) mod audit;
pub(crate) mod bundle;
pub(crate) mod cause;
pub(crate) mod causes;
mod chart;
mod exemplar;
pub(crate) mod fault;
mod finding_list;
pub(crate) mod findings;
mod format;
mod graph;
pub(crate) mod ingest;
pub(crate) mod live;
pub(crate) mod locks;
pub(crate) mod login;
mod occurrences;
pub(crate) mod overview;
pub(crate) mod policies;
pub(crate) mod preferences;
mod questions;
pub(crate) mod services;
pub(crate) mod session;
mod shell;
mod stack;
pub(crate) mod text;
