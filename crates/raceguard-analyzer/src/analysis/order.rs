//! Happens-before between the events of a scope.
//!
//! `a` happens before `b` if a chain of program order, starts of goroutines, and releases matched with the acquires that
//! wait for them leads from one to the other. An acquire orders only what it dominates: events that can't be reached
//! around it. Which receive belongs to which send is told by counting: after as many receives as there are sends, all
//! sends have happened.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use super::scope::{AcquireKind, Event, EventKind, FrameId, Object, Path, ReleaseKind, Scope, ThreadId};
use crate::ir::place::{Place, Root};

/// A goroutine, and an event of it after which all of its events come later.
#[derive(Debug, Clone, Copy)]
struct Position {
    thread: ThreadId,
    since: usize,
    /// Whether only those events come later that the event dominates: it is an acquire.
    acquired: bool,
}

/// The order of a scope's events.
#[derive(Debug)]
pub struct Order<'s, 'a> {
    scope: &'s Scope<'a>,
    /// What others may wait for: the starts and releases of each goroutine, in order.
    outgoing: Vec<Vec<usize>>,
    /// Acquires at each object.
    acquires: HashMap<&'s Object, Vec<usize>>,
    /// Releases at each object.
    releases: HashMap<&'s Object, Vec<usize>>,
    /// The joins that each acquire of a branch, loop or function leads to.
    joins: HashMap<usize, Vec<usize>>,
    /// Acquires at channels made in the scope that nothing ever releases.
    dead: HashSet<usize>,
    /// Sends and closes at channels that nobody in sight receives from, and receives that nobody in sight ends.
    loose: Loose,
    memory: HashMap<(ThreadId, usize, Path), Arc<[Position]>>,
}

/// Channel operations without a partner in sight. Two channels that each lack one may be the same channel, known by
/// two names: one kept in a field or map, or handed to code that is not at hand.
#[derive(Debug, Default)]
struct Loose {
    releases: HashSet<usize>,
    acquires: Vec<usize>,
}

/// How much is asked of a wait before it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// In each execution the wait ends only after the release, and what follows it can't be reached around it.
    Strict,
    /// In some execution it may be so.
    Possible,
}

impl<'s, 'a> Order<'s, 'a> {
    /// Indexes the events.
    pub fn new(scope: &'s Scope<'a>) -> Self {
        let mut starts = Vec::new();
        let mut acquires: HashMap<&Object, Vec<usize>> = HashMap::new();
        let mut releases: HashMap<&Object, Vec<usize>> = HashMap::new();
        let mut joins: HashMap<usize, Vec<usize>> = HashMap::new();
        for (index, event) in scope.events.iter().enumerate() {
            match &event.kind {
                EventKind::Access(_) => {}
                EventKind::Spawn(_) => starts.push(index),
                EventKind::Join(join) => {
                    for &acquire in join.arms.iter().flatten() {
                        joins.entry(acquire).or_default().push(index);
                    }
                }
                EventKind::Release(object, _) => releases.entry(object).or_default().push(index),
                EventKind::Acquire(object, _) => acquires.entry(object).or_default().push(index),
            }
        }
        let outgoing = vec![Vec::new(); scope.threads.len()];
        let mut order = Self {
            scope,
            outgoing,
            acquires,
            releases,
            joins,
            dead: HashSet::new(),
            loose: Loose::default(),
            memory: HashMap::new(),
        };
        order.find_dead();
        order.find_loose();
        order.find_outgoing(starts);
        order
    }

    /// Lists the starts, and those releases that another goroutine may wait for.
    fn find_outgoing(&mut self, starts: Vec<usize>) {
        let mut all = starts;
        for (object, releases) in &self.releases {
            let waiting = self.acquires.get(object).map_or(&[][..], Vec::as_slice);
            let awaited = |release: usize| {
                let thread = self.event(release).thread;
                waiting.iter().any(|&wait| self.event(wait).thread != thread)
            };
            all.extend(
                releases.iter().copied().filter(|&it| awaited(it) || self.loose.releases.contains(&it)),
            );
        }
        all.sort_unstable();
        for index in all {
            let thread = self.event(index).thread;
            self.outgoing[thread.0 as usize].push(index);
        }
    }

    fn event(&self, index: usize) -> &'s Event<'a> {
        &self.scope.events[index]
    }

    /// Whether the two can't both happen: they stand in different arms of one branch.
    pub fn exclusive(&self, a: usize, b: usize) -> bool {
        exclusive(&self.event(a).path, &self.event(b).path)
    }

    /// Whether event `a` happens before event `b` in each execution in which both happen.
    pub fn before(&mut self, a: usize, b: usize) -> bool {
        let (from, to) = (self.event(a), self.event(b));
        if from.thread == to.thread {
            return a < b;
        }
        let reached = self.reached(a);
        reached.iter().any(|position| {
            position.thread == to.thread && self.follows(position, b, &from.path, Proof::Strict)
        })
    }

    /// Whether event `a` may happen before event `b` because of something that `b`'s goroutine waits for: at a channel
    /// whose partners are not all in sight or can't be counted, or in a branch that is not always taken.
    pub fn possibly_before(&self, a: usize, b: usize) -> bool {
        let (to, given) = (self.event(b), &self.event(a).path);
        let reached = self.search(a, Proof::Possible);
        reached.iter().any(|position| {
            position.thread == to.thread
                && position.acquired
                && self.follows(position, b, given, Proof::Possible)
                && !self.exclusive(position.since, b)
                && self.is_near(position.since, b)
        })
    }

    /// Whether an `Add` is made by a goroutine that the group counts itself: its own `Done` is still to come, so that no
    /// `Wait` can end before.
    pub fn adds_while_counted(&self, add: usize) -> bool {
        let EventKind::Access(touch) = &self.event(add).kind else { return false };
        let mut group = touch.place.clone();
        group.steps.pop();
        let group = Object::Group(group);
        let adding = self.event(add).thread;
        let Some(start) = self.scope.threads[adding.0 as usize].spawn else { return false };
        let inside = |index: &usize| self.descends(self.event(*index).thread, adding);
        let adds = self.of_kind(&group, ReleaseKind::Add);
        let counted = adds.filter(|index| !inside(index)).any(|index| index < start);
        let adds = self.of_kind(&group, ReleaseKind::Add).filter(inside).count();
        counted
            && !self.is_done_before(add, &group)
            && self.of_kind(&group, ReleaseKind::Done).filter(inside).count() > adds
    }

    /// Whether a goroutine has called `Done` for the last time when it calls `Add`: the group may be waited for already.
    fn is_done_before(&self, add: usize, group: &Object) -> bool {
        let adding = self.event(add).thread;
        let dones = self.of_kind(group, ReleaseKind::Done);
        dones.filter(|&done| self.event(done).thread == adding).max().is_some_and(|last| last < add)
    }

    /// Whether a goroutine is `from`, or was started by it or one that it started.
    fn descends(&self, thread: ThreadId, from: ThreadId) -> bool {
        let parent = |thread: &ThreadId| self.scope.threads[thread.0 as usize].parent;
        std::iter::successors(Some(thread), parent).any(|known| known == from)
    }

    /// Everything that an event reaches: the same for all events between two of the goroutine's synchronisations, as
    /// long as they stand under the same conditions.
    fn reached(&mut self, a: usize) -> Arc<[Position]> {
        let from = self.event(a);
        let next = self.outgoing[from.thread.0 as usize].partition_point(|&event| event <= a);
        let key = (from.thread, next, Arc::clone(&from.path));
        if let Some(known) = self.memory.get(&key) {
            return Arc::clone(known);
        }
        let reached: Arc<[Position]> = self.search(a, Proof::Strict).into();
        self.memory.insert(key, Arc::clone(&reached));
        reached
    }

    /// Whether an event comes after a position in each execution in which it happens and the conditions of `given`
    /// hold, as they do if what the order begins with happens.
    fn follows(&self, position: &Position, event: usize, given: &[(u32, u64)], proof: Proof) -> bool {
        event > position.since
            && (!position.acquired
                || proof == Proof::Possible && !self.is_guess(position.since)
                || dominates(self.event(position.since), self.event(event), given))
    }

    /// Whether a wait belongs to the way to an event: it is made by a function on that way, or at most two calls below
    /// one. What is waited for deeper down, in a logger or a pool, is seldom meant for what the caller does.
    fn is_near(&self, wait: usize, event: usize) -> bool {
        let caller = |frame: FrameId| self.scope.frame(frame).caller;
        let below = self.event(wait).frame;
        let waiting = [Some(below), caller(below), caller(below).and_then(caller)];
        std::iter::successors(Some(self.event(event).frame), |&frame| caller(frame))
            .any(|on_the_way| waiting.contains(&Some(on_the_way)))
    }

    /// Whether an acquire is a guess itself: a look at a variable that others write under a lock, or a function that is
    /// only named as one that waits.
    fn is_guess(&self, acquire: usize) -> bool {
        matches!(&self.event(acquire).kind, EventKind::Acquire(Object::Flag(_) | Object::Bubble, _))
    }

    fn search(&self, a: usize, proof: Proof) -> Vec<Position> {
        let given = &self.event(a).path;
        let mut queue = vec![Position { thread: self.event(a).thread, since: a, acquired: false }];
        let mut seen: HashSet<(ThreadId, usize)> = HashSet::new();
        let mut reached = Vec::new();
        while let Some(position) = queue.pop() {
            let Position { thread, since, acquired } = position;
            if !seen.insert((thread, since)) {
                continue;
            }
            for &join in self.joins.get(&since).into_iter().flatten() {
                if acquired && self.is_joined(join, |event| event == since || seen.contains(&(thread, event)))
                {
                    queue.push(Position { thread, since: join, acquired: true });
                }
            }
            let outgoing = &self.outgoing[thread.0 as usize];
            for &next in &outgoing[outgoing.partition_point(|&event| event <= since)..] {
                if !self.follows(&position, next, given, proof) || self.exclusive(since, next) {
                    continue;
                }
                match &self.event(next).kind {
                    EventKind::Spawn(child) => {
                        queue.push(Position { thread: *child, since: next, acquired: false });
                    }
                    EventKind::Release(object, kind) => {
                        let waiting = self.acquires.get(object).into_iter().flatten();
                        let ended =
                            waiting.filter(|&&acquire| self.matches(next, *kind, acquire, object, proof));
                        let ended = ended.copied().chain(self.loose_partners(next, object, proof));
                        queue.extend(ended.map(|acquire| Position {
                            thread: self.event(acquire).thread,
                            since: acquire,
                            acquired: true,
                        }));
                    }
                    _ => {}
                }
            }
            reached.push(position);
        }
        reached
    }

    /// The waits that a send or close without a partner in sight may end.
    fn loose_partners<'o>(
        &'o self,
        release: usize,
        object: &'o Object,
        proof: Proof,
    ) -> impl Iterator<Item = usize> + 'o {
        let ended = proof == Proof::Possible && self.loose.releases.contains(&release);
        let thread = self.event(release).thread;
        let acquires = if ended { self.loose.acquires.as_slice() } else { &[] };
        acquires.iter().copied().filter(move |&acquire| match (object, &self.event(acquire).kind) {
            (Object::Channel(one), EventKind::Acquire(Object::Channel(other), _)) => {
                self.event(acquire).thread != thread && self.scope.may_be_one(one, other)
            }
            _ => false,
        })
    }

    fn find_loose(&mut self) {
        let channel = |object: &Object| matches!(object, Object::Channel(_));
        let mut loose = Loose::default();
        for (object, releases) in self.releases.iter().filter(|(object, _)| channel(object)) {
            let waiting = self.acquires.get(object).map_or(&[][..], Vec::as_slice);
            for &release in releases {
                let sends = matches!(
                    self.event(release).kind,
                    EventKind::Release(_, ReleaseKind::Send | ReleaseKind::Close)
                );
                let thread = self.event(release).thread;
                if sends
                    && !waiting.iter().any(|&wait| self.event(wait).thread != thread && self.receives(wait))
                {
                    loose.releases.insert(release);
                }
            }
        }
        for (object, acquires) in self.acquires.iter().filter(|(object, _)| channel(object)) {
            let Object::Channel(place) = object else { continue };
            if self.scope.is_clock(place) || is_new(place) {
                continue;
            }
            let releases = self.releases.get(object).map_or(&[][..], Vec::as_slice);
            for &acquire in acquires {
                let thread = self.event(acquire).thread;
                let ended = releases.iter().any(|&release| {
                    self.event(release).thread != thread
                        && matches!(
                            self.event(release).kind,
                            EventKind::Release(_, ReleaseKind::Send | ReleaseKind::Close)
                        )
                });
                if self.receives(acquire) && !ended {
                    loose.acquires.push(acquire);
                }
            }
        }
        loose.acquires.sort_unstable();
        self.loose = loose;
    }

    fn receives(&self, acquire: usize) -> bool {
        matches!(self.event(acquire).kind, EventKind::Acquire(_, AcquireKind::Receive | AcquireKind::Closed))
    }

    /// Whether each arm of a branch, as far as it can be taken, has waited.
    fn is_joined(&self, join: usize, reached: impl Fn(usize) -> bool) -> bool {
        let EventKind::Join(join) = &self.event(join).kind else { return false };
        join.arms.iter().all(|arm| arm.iter().any(|&event| reached(event) || self.dead.contains(&event)))
    }

    /// Finds waits that never end: at channels made in the scope that nobody uses from the other side.
    fn find_dead(&mut self) {
        let waits = self
            .acquires
            .iter()
            .filter(|(object, _)| matches!(object, Object::Channel(place) if is_new(place)));
        let mut dead = HashSet::new();
        for (object, acquires) in waits {
            let releases = self.releases.get(object).map_or(&[][..], Vec::as_slice);
            for &wait in acquires {
                let EventKind::Acquire(_, awaited) = self.event(wait).kind else { continue };
                let ends = |index: usize| match &self.event(index).kind {
                    EventKind::Release(_, kind) => match awaited {
                        AcquireKind::Receive => matches!(kind, ReleaseKind::Send | ReleaseKind::Close),
                        AcquireKind::Send => *kind == ReleaseKind::Receive,
                        _ => true,
                    },
                    _ => false,
                };
                let buffered = awaited == AcquireKind::Send
                    && matches!(object, Object::Channel(place) if self.scope.capacities.get(place) != Some(&0));
                let thread = self.event(wait).thread;
                if !buffered
                    && !releases.iter().any(|&release| self.event(release).thread != thread && ends(release))
                {
                    dead.insert(wait);
                }
            }
        }
        self.dead = dead;
    }

    /// Whether an event comes after `acquire` because its goroutine starts after it, or is its own.
    fn starts_after(&self, acquire: usize, event: usize) -> bool {
        let waiting = self.event(acquire).thread;
        let mut index = event;
        loop {
            if self.event(index).thread == waiting {
                return index > acquire;
            }
            let thread = &self.scope.threads[self.event(index).thread.0 as usize];
            match thread.spawn {
                Some(spawn) => index = spawn,
                None => return false,
            }
        }
    }

    /// Whether the acquire can end only after the release.
    fn matches(
        &self,
        release: usize,
        kind: ReleaseKind,
        acquire: usize,
        object: &Object,
        proof: Proof,
    ) -> bool {
        let EventKind::Acquire(_, waits) = self.event(acquire).kind else { return false };
        if self.event(release).thread == self.event(acquire).thread || self.exclusive(release, acquire) {
            return false;
        }
        match (kind, waits) {
            (ReleaseKind::Done, AcquireKind::Wait) => self.is_counted(release, acquire, object),
            (ReleaseKind::Close | ReleaseKind::Send, AcquireKind::Closed)
            | (ReleaseKind::Once, AcquireKind::Once)
            | (ReleaseKind::Store, AcquireKind::Load)
            | (ReleaseKind::Signal, AcquireKind::Cond)
            | (ReleaseKind::Unlock, AcquireKind::Lock) => true,
            (ReleaseKind::Close | ReleaseKind::Send, AcquireKind::Receive) if proof == Proof::Possible => {
                true
            }
            (ReleaseKind::Close, AcquireKind::Receive) => {
                let sends = self.count(object, ReleaseKind::Send, release, acquire);
                sends == 0 || self.position(object, acquire, AcquireKind::Receive) > sends
            }
            (ReleaseKind::Send, AcquireKind::Receive) => {
                self.is_counterpart(object, release, ReleaseKind::Send, acquire, AcquireKind::Receive, 0)
            }
            (ReleaseKind::Receive, AcquireKind::Send) => {
                let Object::Channel(place) = object else { return false };
                let Some(&capacity) = self.scope.capacities.get(place) else { return false };
                let Ok(capacity) = usize::try_from(capacity) else { return false };
                self.is_counterpart(
                    object,
                    release,
                    ReleaseKind::Receive,
                    acquire,
                    AcquireKind::Send,
                    capacity,
                )
            }
            _ => false,
        }
    }

    /// Whether a `Wait` knows of the goroutine of a `Done`: its `Add` was not made in that goroutine itself.
    fn is_counted(&self, done: usize, wait: usize, object: &Object) -> bool {
        let thread = self.event(done).thread;
        let adds: Vec<usize> = self.of_kind(object, ReleaseKind::Add).collect();
        let waiting = self.event(wait).thread;
        let own = adds.iter().any(|&add| self.event(add).thread == thread && add < done);
        let others = adds.iter().any(|&add| {
            let adding = self.event(add).thread;
            let late = adding != waiting && self.is_done_before(add, object);
            adding != thread && !late && (add < done || adding == waiting && add < wait)
        });
        !own || others || waiting == thread
    }

    fn of_kind<'o>(&'o self, object: &Object, wanted: ReleaseKind) -> impl Iterator<Item = usize> + 'o {
        let releases = self.releases.get(object).into_iter().flatten().copied();
        releases.filter(
            move |&index| matches!(&self.event(index).kind, EventKind::Release(_, kind) if *kind == wanted),
        )
    }

    /// The number of releases of a kind that may end the acquire: those that exclude `with`, and those that come after
    /// the acquire, are left out.
    fn count(&self, object: &Object, wanted: ReleaseKind, with: usize, acquire: usize) -> usize {
        let waiting = self.event(acquire).thread;
        let unbuffered =
            matches!(object, Object::Channel(place) if self.scope.capacities.get(place) == Some(&0));
        let counts = |other: usize| {
            // What a goroutine sends on an unbuffered channel, another one receives.
            let own = unbuffered && self.event(other).thread == waiting;
            other == with || !own && !self.exclusive(other, with) && !self.starts_after(acquire, other)
        };
        self.of_kind(object, wanted).filter(|&other| counts(other)).count()
    }

    /// How many acquires of a kind the goroutine of `acquire` has done when that one has ended.
    fn position(&self, object: &Object, acquire: usize, wanted: AcquireKind) -> usize {
        let thread = self.event(acquire).thread;
        let acquires = self.acquires.get(object).into_iter().flatten();
        acquires
            .filter(|&&other| {
                let event = self.event(other);
                other <= acquire
                    && event.thread == thread
                    && matches!(&event.kind, EventKind::Acquire(_, kind) if *kind == wanted)
                    && dominates(event, self.event(acquire), &[])
            })
            .count()
    }

    /// Whether the acquire can't have ended without this release, with `slack` acquires that don't wait.
    fn is_counterpart(
        &self,
        object: &Object,
        release: usize,
        released: ReleaseKind,
        acquire: usize,
        acquired: AcquireKind,
        slack: usize,
    ) -> bool {
        let Some(position) = self.position(object, acquire, acquired).checked_sub(slack) else {
            return false;
        };
        let total = self.count(object, released, release, acquire);
        if position >= total {
            return position > 0;
        }
        let thread = self.event(release).thread;
        let alone = self.of_kind(object, released).all(|other| self.event(other).thread == thread);
        let waiting = self.event(acquire).thread;
        let sole = self.acquires.get(object).into_iter().flatten().all(|&other| {
            let event = self.event(other);
            event.thread == waiting
                || !matches!(&event.kind, EventKind::Acquire(_, kind) if *kind == acquired)
        });
        let own = self.of_kind(object, released).filter(|&other| other <= release).count();
        alone && sole && own <= position
    }
}

/// Whether a channel is known by the place that makes it.
fn is_new(place: &Place) -> bool {
    matches!(place.root, Root::Site(_)) && place.steps.is_empty()
}

/// Whether two paths take different arms of one branch.
fn exclusive(a: &[(u32, u64)], b: &[(u32, u64)]) -> bool {
    a.iter().any(|&(node, arms)| b.iter().any(|&(other, others)| node == other && arms & others == 0))
}

/// Whether `b`, later in the same goroutine, can only be reached through `a` when the conditions of `given` hold.
fn dominates(a: &Event<'_>, b: &Event<'_>, given: &[(u32, u64)]) -> bool {
    let holds = |path: &[(u32, u64)], node: u32, arms: u64| {
        path.iter().any(|&(other, others)| node == other && others & !arms == 0)
    };
    a.path.iter().all(|&(node, arms)| holds(&b.path, node, arms) || holds(given, node, arms))
}
