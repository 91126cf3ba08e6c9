//! A map field of a new struct that nobody made.

use crate::ir::function::{Access, How};
use crate::ir::place::{Root, SiteId, Step, Value};
use crate::rules::path_checks::PathContext;
use crate::rules::path_facts::{Trace, What};

/// The new object whose map field a write goes to, if nothing was put into the field and nobody else was given the
/// object before.
pub(super) fn field_of_new(context: &PathContext<'_>, trace: &Trace<'_>, write: &Access) -> Option<SiteId> {
    let (How::MapInsert, Root::Site(site), [Step::Field(_), Step::Map]) =
        (write.how, write.place.root, write.place.steps.as_slice())
    else {
        return None;
    };
    let text = context.wording().source(context.unit.site(site).span);
    if !text.ends_with("{}") && !text.starts_with("new(") {
        return None;
    }
    let is_given = |value: &Value| value.identity().is_some_and(|place| place.root == write.place.root);
    let touched = context.traces.iter().flat_map(|trace| &trace.steps).any(|step| match step.what {
        What::Access(access) => {
            access.write && !access.how.is_map() && write.place.strip(&access.place).is_some()
        }
        What::Assign(assign) => is_given(&assign.value),
        What::Call(call) => call.receiver.iter().chain(&call.args).any(is_given),
        _ => false,
    });
    (!touched && trace.body == context.unit.site(site).body).then_some(site)
}
