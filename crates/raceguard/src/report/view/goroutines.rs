//! The goroutines of a race as a tree: who started whom.

use raceguard_evidence::{Goroutine, ModulePaths, Race};

use super::FrameView;

/// A goroutine in the tree; the tree is a list in which children follow their parents, one deeper.
pub(in crate::report) struct GoroutineNode<'a> {
    pub(in crate::report) who: String,
    /// `running`, `finished`; empty when the record does not hold the goroutine.
    pub(in crate::report) state: String,
    /// Roots have depth 0.
    pub(in crate::report) depth: usize,
    /// Which of the accesses it made: `later`, `earlier`; empty for an ancestor.
    pub(in crate::report) role: &'static str,
    /// The statement that started it.
    pub(in crate::report) created: Option<FrameView<'a>>,
}

/// `main goroutine`, `goroutine 7`.
pub(in crate::report) fn who(race: &Race, id: u64) -> String {
    match race.goroutine(id).and_then(|goroutine| goroutine.name.as_deref()) {
        Some(name) if !name.is_empty() => format!("{name} goroutine"),
        _ => format!("goroutine {id}"),
    }
}

/// Both goroutines of the race and their ancestors.
pub(super) fn tree<'a>(race: &'a Race, paths: &ModulePaths) -> Vec<GoroutineNode<'a>> {
    let mut nodes = Vec::new();
    let mut seen = Vec::new();
    let is_root = |goroutine: &&Goroutine| {
        goroutine.parent.is_none_or(|parent| parent == goroutine.id || race.goroutine(parent).is_none())
    };
    let roots = race.goroutines.iter().filter(is_root);
    // Goroutines that no root leads to are in a cycle, which only a damaged record has.
    for root in roots.chain(&race.goroutines) {
        add_with_descendants(race, root, paths, &mut seen, &mut nodes);
    }
    for access in &race.accesses {
        if !seen.contains(&access.goroutine) {
            seen.push(access.goroutine);
            nodes.push(node(race, access.goroutine, None, 0, paths));
        }
    }
    nodes
}

fn add_with_descendants<'a>(
    race: &'a Race,
    root: &'a Goroutine,
    paths: &ModulePaths,
    seen: &mut Vec<u64>,
    nodes: &mut Vec<GoroutineNode<'a>>,
) {
    let mut pending = vec![(root, 0)];
    while let Some((goroutine, depth)) = pending.pop() {
        if seen.contains(&goroutine.id) {
            continue;
        }
        seen.push(goroutine.id);
        nodes.push(node(race, goroutine.id, Some(goroutine), depth, paths));
        let children = race.goroutines.iter().filter(|child| child.parent == Some(goroutine.id));
        pending.extend(children.rev().map(|child| (child, depth + 1)));
    }
}

fn node<'a>(
    race: &'a Race,
    id: u64,
    goroutine: Option<&'a Goroutine>,
    depth: usize,
    paths: &ModulePaths,
) -> GoroutineNode<'a> {
    let role = if race.later().goroutine == id {
        "later"
    } else if race.earlier().goroutine == id {
        "earlier"
    } else {
        ""
    };
    GoroutineNode {
        who: who(race, id),
        state: goroutine.map_or("", |goroutine| goroutine.state.as_str()).to_owned(),
        depth,
        role,
        created: goroutine.and_then(|goroutine| FrameView::anchor(&goroutine.created_at, paths)),
    }
}
