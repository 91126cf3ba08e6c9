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
    /// Which of the accesses it made: `later`, `earlier`; empty for an ancestor. Of some ancestors nothing but the
    /// statement that started them is known.
    pub(in crate::report) role: &'static str,
    /// The statement that started it.
    pub(in crate::report) created: Option<FrameView<'a>>,
}

/// `main goroutine`, `goroutine 7`, or `a goroutine` when its number is not known.
pub(in crate::report) fn who(race: &Race, id: Option<u64>) -> String {
    match (race.goroutine(id).and_then(|goroutine| goroutine.name.as_deref()), id) {
        (Some(name), _) if !name.is_empty() => format!("{name} goroutine"),
        (_, Some(id)) => format!("goroutine {id}"),
        (_, None) => "a goroutine".to_owned(),
    }
}

/// Both goroutines of the race and their ancestors.
pub(super) fn tree<'a>(race: &'a Race, paths: &ModulePaths) -> Vec<GoroutineNode<'a>> {
    let mut nodes = Vec::new();
    let mut seen = Vec::new();
    let is_root = |goroutine: &&Goroutine| {
        let parent = goroutine.parent.filter(|parent| Some(*parent) != goroutine.id);
        parent.is_none_or(|parent| race.goroutine(Some(parent)).is_none())
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
    seen: &mut Vec<Option<u64>>,
    nodes: &mut Vec<GoroutineNode<'a>>,
) {
    if seen.contains(&root.id) {
        return;
    }
    let mut depth = 0;
    for statement in root.ancestor_go_statements().rev() {
        nodes.push(GoroutineNode {
            who: "ancestor".to_owned(),
            state: String::new(),
            depth,
            role: "",
            created: FrameView::anchor(statement, paths),
        });
        depth += 1;
    }
    let mut pending = vec![(root, depth)];
    while let Some((goroutine, depth)) = pending.pop() {
        if seen.contains(&goroutine.id) {
            continue;
        }
        seen.push(goroutine.id);
        nodes.push(node(race, goroutine.id, Some(goroutine), depth, paths));
        let is_child = |child: &&Goroutine| child.parent.is_some() && child.parent == goroutine.id;
        let children = race.goroutines.iter().filter(is_child);
        pending.extend(children.rev().map(|child| (child, depth + 1)));
    }
}

fn node<'a>(
    race: &'a Race,
    id: Option<u64>,
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
        created: goroutine
            .and_then(Goroutine::go_statement)
            .and_then(|statement| FrameView::anchor(statement, paths)),
    }
}
