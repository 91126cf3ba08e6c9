//! The order of packages in which imported ones come first, and the circles that have none.

use std::collections::VecDeque;

/// Strongly connected components of a graph, each after all components it has edges to (Tarjan 1972). Kept
/// iterative: the graph comes from input and may be one long chain.
pub(crate) fn components(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut search = Search {
        edges,
        number: vec![0; edges.len()],
        low: vec![0; edges.len()],
        on_stack: vec![false; edges.len()],
        stack: Vec::new(),
        next: 1,
        found: Vec::new(),
    };
    for start in 0..edges.len() {
        if search.number[start] == 0 {
            search.run(start);
        }
    }
    search.found
}

struct Search<'a> {
    edges: &'a [Vec<usize>],
    /// Order of discovery; 0 is undiscovered.
    number: Vec<usize>,
    /// Lowest number on the stack that is reachable.
    low: Vec<usize>,
    on_stack: Vec<bool>,
    stack: Vec<usize>,
    next: usize,
    found: Vec<Vec<usize>>,
}

impl Search<'_> {
    fn run(&mut self, start: usize) {
        self.discover(start);
        // A node and the index of its next edge.
        let mut path = vec![(start, 0)];
        while let Some((node, edge)) = path.last_mut() {
            let node = *node;
            if let Some(&target) = self.edges[node].get(*edge) {
                *edge += 1;
                if self.number[target] == 0 {
                    self.discover(target);
                    path.push((target, 0));
                } else if self.on_stack[target] {
                    self.low[node] = self.low[node].min(self.number[target]);
                }
                continue;
            }
            path.pop();
            if let Some((parent, _)) = path.last() {
                self.low[*parent] = self.low[*parent].min(self.low[node]);
            }
            if self.low[node] == self.number[node] {
                self.close(node);
            }
        }
    }

    fn discover(&mut self, node: usize) {
        self.number[node] = self.next;
        self.low[node] = self.next;
        self.next += 1;
        self.stack.push(node);
        self.on_stack[node] = true;
    }

    fn close(&mut self, root: usize) {
        let start = self.stack.iter().rposition(|node| *node == root).unwrap_or(0);
        let mut component = self.stack.split_off(start);
        for node in &component {
            self.on_stack[*node] = false;
        }
        component.sort_unstable();
        self.found.push(component);
    }
}

/// A shortest circle through a node, beginning and ending with it, if there is one.
pub(crate) fn circle(edges: &[Vec<usize>], start: usize) -> Option<Vec<usize>> {
    let mut from = vec![None; edges.len()];
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for &target in &edges[node] {
            if target == start {
                let mut path = vec![start, node];
                while let Some(previous) =
                    from[path[path.len() - 1]].filter(|_| path[path.len() - 1] != start)
                {
                    path.push(previous);
                }
                path.reverse();
                return Some(path);
            }
            if from[target].is_none() {
                from[target] = Some(node);
                queue.push_back(target);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imported_packages_come_first() {
        // 0 → 1 → 2 → 1, 0 → 3, 4 alone.
        let edges = vec![vec![1, 3], vec![2], vec![1], vec![], vec![]];
        assert_eq!(components(&edges), [vec![1, 2], vec![3], vec![0], vec![4]]);
    }

    #[test]
    fn a_long_chain_needs_no_deep_stack() {
        let length = 200_000;
        let edges: Vec<Vec<usize>> =
            (0..length).map(|node| if node + 1 < length { vec![node + 1] } else { vec![] }).collect();
        let found = components(&edges);
        assert_eq!((found.len(), &found[0], &found[length - 1]), (length, &vec![length - 1], &vec![0]));
    }

    #[test]
    fn a_circle_is_the_shortest() {
        let edges = vec![vec![1, 3], vec![2], vec![0], vec![0], vec![4], vec![]];
        assert_eq!(circle(&edges, 0), Some(vec![0, 3, 0]));
        assert_eq!(circle(&edges, 1), Some(vec![1, 2, 0, 1]));
        assert_eq!(circle(&edges, 4), Some(vec![4, 4]));
        assert_eq!(circle(&edges, 5), None);
    }
}
