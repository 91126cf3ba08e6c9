//! Waiting as a flame graph: stacks of mutex and block profiles added up from the outermost function inwards.

use raceguard_evidence::{Frame, Profile, ProfileKind, Record};
use serde::Serialize;

use crate::evidence::Evidence;
use crate::statement::short_function;

/// A function in a flame graph, with what it calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FlameNode {
    /// Function, or for the root the kind of profile.
    pub name: String,
    /// Waiting in it and all it calls.
    pub wait_ns: u64,
    /// Most waiting first.
    pub children: Vec<FlameNode>,
}

/// Deeper frames are left out.
const MAX_DEPTH: usize = 48;
/// Parts of the whole smaller than one of this many are left out.
const SMALLEST: u64 = 1_000;

/// One tree for each kind of profile in the evidence that has waiting.
pub(crate) fn flames(evidence: &Evidence) -> Vec<FlameNode> {
    let records = evidence.runs.iter().flat_map(|run| &run.evidence.foreign);
    of_profiles(records.filter_map(|record| match record {
        Record::Profile(profile) => Some(&**profile),
        _ => None,
    }))
}

/// One tree for each kind of profile that has waiting.
pub fn of_profiles<'a>(profiles: impl IntoIterator<Item = &'a Profile>) -> Vec<FlameNode> {
    let mut trees = vec![
        FlameNode {
            name: "waits caused, by who released the lock (mutex profile)".to_owned(),
            ..FlameNode::default()
        },
        FlameNode { name: "waits suffered (block profile)".to_owned(), ..FlameNode::default() },
    ];
    for profile in profiles {
        match profile.profile {
            ProfileKind::Mutex => add_profile(&mut trees[0], profile),
            ProfileKind::Block => add_profile(&mut trees[1], profile),
            _ => {}
        }
    }
    trees.retain(|tree| tree.wait_ns > 0);
    for tree in &mut trees {
        let smallest = tree.wait_ns / SMALLEST;
        tree.prune(smallest);
    }
    trees
}

fn add_profile(root: &mut FlameNode, profile: &Profile) {
    let Some(delay) = profile.value_index("delay") else { return };
    for sample in &profile.samples {
        let wait = sample.values.get(delay).and_then(|value| u64::try_from(*value).ok()).unwrap_or(0);
        let mut stack: Vec<&Frame> = profile.stack(sample).collect();
        stack.reverse();
        root.add(&stack[..stack.len().min(MAX_DEPTH)], wait);
    }
}

impl FlameNode {
    fn add(&mut self, stack: &[&Frame], wait_ns: u64) {
        self.wait_ns += wait_ns;
        let Some((first, rest)) = stack.split_first() else { return };
        let name = short_function(&first.function);
        let place = self.children.iter().position(|child| child.name == name).unwrap_or(self.children.len());
        if place == self.children.len() {
            self.children.push(Self { name, ..Self::default() });
        }
        self.children[place].add(rest, wait_ns);
    }

    fn prune(&mut self, smallest: u64) {
        self.children.retain(|child| child.wait_ns > smallest);
        self.children.sort_by_key(|child| std::cmp::Reverse(child.wait_ns));
        for child in &mut self.children {
            child.prune(smallest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_share_what_they_begin_with() {
        let frames = ["main.main", "m.A", "m.B"].map(|name| Frame::new(name, "", 0));
        let mut root = FlameNode::default();
        root.add(&[&frames[0], &frames[1]], 10);
        root.add(&[&frames[0], &frames[2]], 30);
        root.prune(5);
        assert_eq!((root.wait_ns, root.children.len()), (40, 1));
        let names: Vec<&str> = root.children[0].children.iter().map(|child| child.name.as_str()).collect();
        assert_eq!(names, ["m.B", "m.A"]);
    }
}
