//! The list of everything that is measured.

use std::sync::Arc;

use raceguard_maps as maps;

use crate::bench::{Bench, Filled};
use crate::data::{Data, Numbers, Texts};
use crate::go::{self, Go, GoMap};
use crate::subject::Subject;
use crate::subjects::arc_swap::{Cached, Plain, Swapped};
use crate::subjects::evmap::Evmap;
use crate::subjects::left_right::LeftRight;
use crate::subjects::locks::{Hashbrown, OneLock, Shards, StdMap};
use crate::subjects::nothing::Nothing;
use crate::subjects::ours::Ours;
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
type Make<D> = Box<dyn Fn(&Arc<D>) -> Box<dyn Bench>>;

/// One map that can be measured.
pub(crate) struct Candidate {
    pub(crate) name: &'static str,
    pub(crate) family: Family,
    /// Whether each write copies all entries: then nobody would take it for many keys.
    pub(crate) copies_all: bool,
    /// Filled with numbers.
    pub(crate) numbers: Make<Numbers>,
    /// Filled with texts; maps that copy their entries cannot hold them.
    pub(crate) texts: Option<Make<Texts>>,
}

impl Candidate {
    /// A map for any entries.
    fn any<N, T>(name: &'static str, family: Family) -> Self
    where
        N: Subject<u64, u64>,
        T: Subject<String, Arc<str>>,
    {
        Self { texts: Some(Box::new(filled::<Texts, T>)), ..Self::copying::<N>(name, family) }
    }

    /// A map for entries that can be copied as bytes.
    fn copying<N: Subject<u64, u64>>(name: &'static str, family: Family) -> Self {
        Self { name, family, copies_all: false, numbers: Box::new(filled::<Numbers, N>), texts: None }
    }
}

fn filled<D: Data, M: Subject<D::Key, D::Value>>(data: &Arc<D>) -> Box<dyn Bench> {
    Box::new(Filled::<D, M>::new(data))
}

type Text = Arc<str>;

/// Our strategies; each new one adds its line.
fn ours() -> Vec<Candidate> {
    let ours = Family::Ours;
    vec![Candidate::any::<Ours<maps::MutexMap<u64, u64>>, Ours<maps::MutexMap<String, Text>>>(
        "MutexMap", ours,
    )]
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
            move |data: &Arc<Numbers>| -> Box<dyn Bench> { Box::new(GoMap::filled(&go, name, data.keys())) };
        Candidate { name, family: Family::Go, copies_all: false, numbers: Box::new(numbers), texts: None }
    };
    go::MAPS.map(one).into()
}

/// What was chosen.
pub(crate) struct Candidates {
    chosen: Vec<Candidate>,
    nothing: Candidate,
}

impl Candidates {
    /// Those that are named, or all. Names are read without case, hyphens and the end `Map`.
    pub(crate) fn named(wanted: &[String], go: Option<&Go>) -> Result<Self, String> {
        let mut all = ours();
        all.extend(peers());
        all.extend(go.map(of_go).unwrap_or_default());
        let known: Vec<&str> = all.iter().map(|one| one.name).collect();
        for name in wanted {
            if !known.iter().any(|known| plain(known) == plain(name)) {
                return Err(format!("there is no map `{name}`; there are {}", known.join(", ")));
            }
        }
        all.retain(|one| wanted.is_empty() || wanted.iter().any(|name| plain(name) == plain(one.name)));
        Ok(Self { chosen: all, nothing: Candidate::copying::<Nothing>("(no map)", Family::Rust) })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Candidate> {
        self.chosen.iter()
    }

    /// With a map that does nothing: what it shows, the clock and the machine cost.
    pub(crate) fn iter_with_nothing(&self) -> impl Iterator<Item = &Candidate> {
        std::iter::once(&self.nothing).chain(&self.chosen)
    }
}

fn plain(name: &str) -> String {
    let name = name.to_lowercase().replace(['-', '_', '.'], "");
    name.strip_suffix("map").unwrap_or(&name).to_owned()
}
