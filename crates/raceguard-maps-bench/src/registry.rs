//! The list of everything that is measured.

use std::sync::Arc;

use raceguard_maps as maps;

use crate::bench::{Bench, Deep, Filled};
use crate::data::{Data, Numbers, Texts};
use crate::go::{self, Go, GoMap};
use crate::subject::Subject;
use crate::subjects::arc_swap::{Cached, Plain, Swapped};
use crate::subjects::counting::Counting;
use crate::subjects::evmap::Evmap;
use crate::subjects::left_right::LeftRight;
use crate::subjects::locks::{Hashbrown, OneLock, Shards, StdMap};
use crate::subjects::nothing::{FreshMemory, Nothing};
use crate::subjects::ours::{Ours, ReaderOfSnapshots, SixteenShards};
use crate::subjects::peers::{Dash, Kovan, Leap, Moka, Papaya, SccIndex, SccMap};

/// Whose map it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Family {
    Ours,
    Rust,
    Go,
}

/// Makes a map that holds all keys of its data.
type Make<D, B> = Box<dyn Fn(&Arc<D>) -> Box<B>>;

/// One map that can be measured.
pub(crate) struct Candidate {
    pub(crate) name: &'static str,
    pub(crate) family: Family,
    /// Whether each write copies all entries: then nobody would take it for many keys.
    pub(crate) copies_all: bool,
    /// Whether it could hold any values, here or in Go.
    pub(crate) any_value: bool,
    /// Filled with numbers.
    pub(crate) numbers: Make<Numbers, dyn Deep>,
    /// Filled with texts; maps that copy their entries cannot hold them.
    pub(crate) texts: Option<Make<Texts, dyn Bench>>,
}

impl Candidate {
    /// A map for any entries.
    fn any<N, T>(name: &'static str, family: Family) -> Self
    where
        N: Subject<u64, u64>,
        T: Subject<String, Text>,
    {
        Self { any_value: true, texts: Some(Box::new(with_texts::<T>)), ..Self::copying::<N>(name, family) }
    }

    /// A map for entries that can be copied as bytes.
    fn copying<N: Subject<u64, u64>>(name: &'static str, family: Family) -> Self {
        Self {
            name,
            family,
            copies_all: false,
            any_value: false,
            numbers: Box::new(with_numbers::<N>),
            texts: None,
        }
    }
}

fn with_numbers<M: Subject<u64, u64>>(data: &Arc<Numbers>) -> Box<dyn Deep> {
    Box::new(Filled::<Numbers, M>::new(data))
}

fn with_texts<M: Subject<String, Text>>(data: &Arc<Texts>) -> Box<dyn Bench> {
    Box::new(Filled::<Texts, M>::new(data))
}

type Text = Arc<str>;

/// A strategy of ours for any values, or one for values that can be copied.
macro_rules! strategy {
    ($map:ident) => {
        Candidate::any::<Ours<maps::$map<u64, u64>>, Ours<maps::$map<String, Text>>>(
            stringify!($map),
            Family::Ours,
        )
    };
    (copy $map:ident) => {
        Candidate::copying::<Ours<maps::$map<u64, u64>>>(stringify!($map), Family::Ours)
    };
}

/// Our strategies; each new one adds its line.
fn ours() -> Vec<Candidate> {
    vec![
        strategy!(MutexMap),
        strategy!(RwLockMap),
        strategy!(ShardedMap),
        strategy!(BucketMap),
        strategy!(copy InlineMap),
        strategy!(LockFreeMap),
        strategy!(ReadMostlyMap),
        strategy!(SnapshotMap),
        Candidate::any::<ReaderOfSnapshots<u64, u64>, ReaderOfSnapshots<String, Text>>(
            "SnapshotMap-reader",
            Family::Ours,
        ),
        strategy!(ShardedSnapshotMap),
        strategy!(SerialMap),
    ]
}

type StdMutex<K, V> = OneLock<std::sync::Mutex<StdMap<K, V>>, StdMap<K, V>>;
type StdRwLock<K, V> = OneLock<std::sync::RwLock<StdMap<K, V>>, StdMap<K, V>>;
type ParkingMutex<K, V> = OneLock<parking_lot::Mutex<Hashbrown<K, V>>, Hashbrown<K, V>>;

fn peers() -> Vec<Candidate> {
    let rust = Family::Rust;
    vec![
        Candidate::any::<StdMutex<u64, u64>, StdMutex<String, Text>>("std-mutex", rust),
        Candidate::any::<StdRwLock<u64, u64>, StdRwLock<String, Text>>("std-rwlock", rust),
        Candidate::any::<ParkingMutex<u64, u64>, ParkingMutex<String, Text>>("parking-lot-mutex", rust),
        Candidate::any::<Shards<u64, u64>, Shards<String, Text>>("parking-lot-64", rust),
        Candidate::any::<Dash<u64, u64, 0>, Dash<String, Text, 0>>("dashmap", rust),
        Candidate::any::<Dash<u64, u64, 64>, Dash<String, Text, 64>>("dashmap-64", rust),
        Candidate::any::<Papaya<u64, u64>, Papaya<String, Text>>("papaya", rust),
        Candidate::any::<SccMap<u64, u64>, SccMap<String, Text>>("scc-map", rust),
        Candidate::any::<SccIndex<u64, u64>, SccIndex<String, Text>>("scc-index", rust),
        Candidate::copying::<Leap<u64, u64>>("leapfrog", rust),
        Candidate::any::<Kovan<u64, u64>, Kovan<String, Text>>("kovan", rust),
        Candidate::any::<LeftRight<u64, u64>, LeftRight<String, Text>>("left-right", rust),
        Candidate::any::<Evmap<u64, u64>, Evmap<String, Text>>("evmap", rust),
        Candidate {
            copies_all: true,
            ..Candidate::any::<Swapped<u64, u64, Plain>, Swapped<String, Text, Plain>>("arc-swap", rust)
        },
        Candidate {
            copies_all: true,
            ..Candidate::any::<Swapped<u64, u64, Cached>, Swapped<String, Text, Cached>>(
                "arc-swap-cached",
                rust,
            )
        },
        Candidate::any::<Moka<u64, u64>, Moka<String, Text>>("moka", rust),
    ]
}

fn of_go(go: &Go) -> Vec<Candidate> {
    let one = |name| {
        let go = go.clone();
        let numbers =
            move |data: &Arc<Numbers>| -> Box<dyn Deep> { Box::new(GoMap::filled(&go, name, data.keys())) };
        Candidate {
            name,
            family: Family::Go,
            copies_all: false,
            any_value: true,
            numbers: Box::new(numbers),
            texts: None,
        }
    };
    go::MAPS.map(one).into()
}

/// What is measured for one question only.
fn special() -> Vec<Candidate> {
    vec![
        Candidate::copying::<Nothing>(NOTHING, Family::Rust),
        Candidate::copying::<FreshMemory>(FRESH_MEMORY, Family::Rust),
        Candidate::copying::<Counting>(COUNTER, Family::Ours),
        Candidate::copying::<SixteenShards>("ShardedMap-16", Family::Ours),
    ]
}

const NOTHING: &str = "(no map)";
const FRESH_MEMORY: &str = "(fresh memory)";
/// What is measured beside the maps to know what the machine does by itself.
const NO_MAPS: [&str; 2] = [NOTHING, FRESH_MEMORY];
const COUNTER: &str = "CounterMap";

/// What was chosen.
pub(crate) struct Candidates {
    chosen: Vec<Candidate>,
    special: Vec<Candidate>,
}

impl Candidates {
    /// Those that are named, or all. Names are read without case, hyphens and the end `Map`.
    pub(crate) fn named(wanted: &[String], go: Option<&Go>) -> Result<Self, String> {
        let mut chosen = ours();
        chosen.extend(peers());
        chosen.extend(go.map(of_go).unwrap_or_default());
        let mut special = special();
        let known: Vec<&str> = chosen.iter().chain(&special[NO_MAPS.len()..]).map(|one| one.name).collect();
        for name in wanted {
            if !known.iter().any(|known| plain(known) == plain(name)) {
                return Err(format!("there is no map `{name}`; there are {}", known.join(", ")));
            }
        }
        let is_wanted = |one: &Candidate| {
            wanted.is_empty()
                || NO_MAPS.contains(&one.name)
                || wanted.iter().any(|name| plain(name) == plain(one.name))
        };
        chosen.retain(is_wanted);
        special.retain(is_wanted);
        Ok(Self { chosen, special })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Candidate> {
        self.chosen.iter()
    }

    /// With maps that are none: what they show, the clock and the machine cost.
    pub(crate) fn iter_with_nothing(&self) -> impl Iterator<Item = &Candidate> {
        self.special.iter().filter(|one| NO_MAPS.contains(&one.name)).chain(&self.chosen)
    }

    /// Ours alone.
    pub(crate) fn strategies() -> Self {
        Self { chosen: ours(), special: Vec::new() }
    }

    /// What only counts.
    pub(crate) fn counters(&self) -> impl Iterator<Item = &Candidate> {
        self.special.iter().filter(|one| one.name == COUNTER)
    }

    /// Any of them by its exact name.
    pub(crate) fn get(&self, name: &str) -> Option<&Candidate> {
        self.chosen.iter().chain(&self.special).find(|one| one.name == name)
    }
}

fn plain(name: &str) -> String {
    let name = name.to_lowercase().replace(['-', '_', '.'], "");
    name.strip_suffix("map").unwrap_or(&name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Shape;

    fn names(wanted: &[&str]) -> Result<Vec<&'static str>, String> {
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        Ok(Candidates::named(&wanted, None)?.iter().map(|one| one.name).collect())
    }

    #[test]
    fn maps_are_found_by_short_names() {
        assert_eq!(names(&["mutex", "leapfrog"]).unwrap(), ["MutexMap", "leapfrog"]);
        assert_eq!(names(&["SCC-Map"]).unwrap(), ["scc-map"]);
        assert!(names(&["btree"]).unwrap_err().contains("there is no map `btree`; there are MutexMap"));
    }

    #[test]
    fn every_map_keeps_what_is_put_in() {
        let data = Arc::new(Numbers::new(Shape::of(100)));
        let texts = Arc::new(Texts::new(Shape::of(100)));
        let empty = Arc::new(Numbers::new(Shape::of(0)));
        for one in Candidates::named(&[], None).unwrap().iter() {
            // Filling and iterating assert that nothing is lost, removing that nothing is left.
            assert!((one.numbers)(&data).iterate(0).is_some(), "{}", one.name);
            let map = (one.numbers)(&empty);
            map.fill(100);
            map.remove_all(100);
            if let Some(with_texts) = &one.texts {
                assert!(with_texts(&texts).iterate(0).is_some(), "{}", one.name);
            }
        }
    }
}
