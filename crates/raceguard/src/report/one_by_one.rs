//! Arrays of a JSON document whose items are made while they are written, so that a report on many thousands of
//! findings never lies in memory as a whole.

use serde::{Serialize, Serializer};

/// Serialises as the array of what the function's iterator yields.
pub(crate) struct OneByOne<F>(pub(super) F);

impl<F, I> Serialize for OneByOne<F>
where
    F: Fn() -> I,
    I: IntoIterator,
    I::Item: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}
