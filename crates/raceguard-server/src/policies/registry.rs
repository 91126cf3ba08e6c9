//! The registry: every change of the policies, each a revision, and what it brings into force.
//!
//! A change is checked, kept and released in one transaction, and then published in [`InForce`]. Changes are based on
//! the newest revision; who says which one that was ([`Change::expected`]) is refused when it no longer is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError};

use raceguard_maps::MapError;
use tokio::sync::{Mutex, watch};

use super::in_force::{InForce, Release, Released};
use super::revision::{self, Draft, InForceRow, Revision, Source};
use super::set::{CompiledSet, SetError, Texts};
use crate::audit;
use crate::store::{Reader, StoreError, Writer};

/// Why policies were not changed; those in force stay.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The texts are no set.
    #[error(transparent)]
    Set(#[from] SetError),
    /// Somebody else made a revision meanwhile.
    #[error(
        "the newest revision is {head}, the change is based on {expected}; look at it and make the change anew"
    )]
    Conflict {
        /// What the change is based on.
        expected: i64,
        /// What is there.
        head: i64,
    },
    /// There is no such revision.
    #[error("there is no revision {0} of the policies; GET /v1/policies/revisions lists them")]
    NoRevision(i64),
    /// There are no policies of this name.
    #[error("there are no policies named {0:?}; GET /v1/policies lists them")]
    NoPolicies(String),
    /// A share that is none.
    #[error("the share {0} is none; it goes from 0 to 1")]
    Share(f64),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system has no chance to give.
    #[error("the system gave no random bytes: {0}")]
    Random(getrandom::Error),
    /// The map of what is in force is closed: the server is stopping.
    #[error("the server is stopping: {0}")]
    Map(#[from] MapError),
}

/// What is to become of the texts.
#[derive(Debug, Clone)]
pub enum Edit {
    /// One text is added or replaced.
    Put(String, String),
    /// One text is removed.
    Delete(String),
    /// The whole set is replaced.
    Replace(Texts),
    /// The set is that of an earlier revision.
    Rollback(i64),
}

/// A change.
#[derive(Debug, Clone)]
pub struct Change {
    /// What is to be done.
    pub edit: Edit,
    /// The revision that it is based on; any when there is none.
    pub expected: Option<i64>,
    /// Who makes it.
    pub author: String,
    /// What they say of it.
    pub message: String,
    /// Hash of git's commit, else empty.
    pub commit: String,
    /// For which services it comes into force; for none with a share of 0 and no services.
    pub release: Release,
}

/// What became of a change.
#[derive(Debug)]
pub struct Made {
    /// The newest revision, which is a new one unless nothing changed.
    pub revision: Revision,
    /// Whether there is a new one.
    pub is_new: bool,
}

/// The registry.
#[derive(Debug)]
pub struct Registry {
    writer: Writer,
    reader: Reader,
    in_force: InForce,
    /// Makes changes one after the other.
    turn: Mutex<()>,
    /// The generation that is published; held while that changes, so that it only grows.
    shown: std::sync::Mutex<i64>,
    /// The same, for whoever only asks.
    generation: AtomicI64,
    /// Tells when another one is.
    published: watch::Sender<i64>,
}

impl Registry {
    /// The registry of a store, with what is in force there.
    pub async fn open(writer: Writer, reader: Reader) -> Result<Self, RegistryError> {
        let in_force = InForce::new()?;
        let (published, _) = watch::channel(0);
        let registry = Self {
            writer,
            reader,
            in_force,
            turn: Mutex::new(()),
            shown: std::sync::Mutex::new(0),
            generation: AtomicI64::new(0),
            published,
        };
        registry.refresh().await?;
        Ok(registry)
    }

    /// What is in force.
    pub fn in_force(&self) -> &InForce {
        &self.in_force
    }

    /// Tells each time that something else is in force.
    pub fn published(&self) -> watch::Receiver<i64> {
        self.published.subscribe()
    }

    /// The texts that an edit would lead to.
    pub async fn preview(&self, edit: Edit, expected: Option<i64>) -> Result<Texts, RegistryError> {
        let reader = self.reader.clone();
        blocking(move || Ok(edited(&reader, edit, expected)?.1)).await
    }

    /// Makes a change and brings it into force.
    pub async fn change(&self, change: Change, now_ms: i64) -> Result<Made, RegistryError> {
        let _turn = self.turn.lock().await;
        if !(0.0..=1.0).contains(&change.release.share) {
            return Err(RegistryError::Share(change.release.share));
        }
        let reader = self.reader.clone();
        let (head, draft) = blocking(move || draft(&reader, change)).await?;
        let Some((draft, release)) = draft else {
            let reader = self.reader.clone();
            let newest = blocking(move || Ok(reader.policy_revisions(1)?.pop())).await?;
            return newest
                .map(|revision| Made { revision, is_new: false })
                .ok_or(RegistryError::NoRevision(head));
        };
        let (actor, act) = match draft.source {
            Source::Api => (format!("token:{}", draft.author), "policy.save"),
            Source::Rollback => (format!("token:{}", draft.author), "policy.rollback"),
            Source::Git => (format!("git:{}", draft.author), "policy.save"),
        };
        let set = Arc::clone(&draft.set);
        let made = self
            .writer
            .change(move |connection| {
                let found = revision::head_to_change(connection)?;
                if found != head {
                    return Ok(Err(found));
                }
                let made = revision::add(connection, head, &draft, now_ms)?;
                audit::record(connection, &actor, act, &format!("revision {}", made.number), &draft.message)?;
                if release.is_all() || release.share > 0.0 || !release.services.is_empty() {
                    let hashes: Vec<String> = draft.set.triggers.iter().map(|it| it.hash.clone()).collect();
                    revision::release(connection, made.number, &release, &hashes, now_ms)?;
                }
                Ok(Ok(made))
            })
            .await?;
        let revision = made.map_err(|found| RegistryError::Conflict { expected: head, head: found })?;
        // What was checked a moment ago is not read and checked again.
        self.refresh_knowing([(revision.number, set)].into()).await?;
        Ok(Made { revision, is_new: true })
    }

    /// Brings an existing revision into force for other services.
    pub async fn release(
        &self,
        number: i64,
        release: Release,
        actor: String,
        now_ms: i64,
    ) -> Result<(), RegistryError> {
        let _turn = self.turn.lock().await;
        if !(0.0..=1.0).contains(&release.share) {
            return Err(RegistryError::Share(release.share));
        }
        let reader = self.reader.clone();
        let set = blocking(move || {
            let (_, texts, _) = reader.policy_revision(number)?.ok_or(RegistryError::NoRevision(number))?;
            Ok(CompiledSet::compile(texts)?)
        })
        .await?;
        let hashes: Vec<String> = set.triggers.iter().map(|it| it.hash.clone()).collect();
        self.writer
            .change(move |connection| {
                let detail = serde_json::to_string(&release).unwrap_or_default();
                audit::record(connection, &actor, "policy.release", &format!("revision {number}"), &detail)?;
                revision::release(connection, number, &release, &hashes, now_ms)
            })
            .await?;
        self.refresh().await
    }

    /// Publishes what the tables say is in force: after a change, here or in another replica.
    pub async fn refresh(&self) -> Result<(), RegistryError> {
        self.refresh_knowing(Known::new()).await
    }

    /// Does the same, where some revisions' sets are known.
    async fn refresh_knowing(&self, mut known: Known) -> Result<(), RegistryError> {
        let current = self.in_force.current()?;
        for released in current.stable().into_iter().chain(current.canary()) {
            if released.problem.is_none() {
                known.insert(released.revision, Arc::clone(&released.set));
            }
        }
        let reader = self.reader.clone();
        let loaded = blocking(move || load(&reader, &known)).await?;
        self.show(loaded)
    }

    fn show(&self, loaded: Loaded) -> Result<(), RegistryError> {
        let generation = loaded.row.generation;
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if generation < *shown {
            // Somebody who read later was quicker.
            return Ok(());
        }
        *shown = generation;
        self.in_force.publish(loaded.stable, loaded.canary)?;
        self.generation.store(generation, Ordering::Release);
        self.published.send_replace(generation);
        Ok(())
    }

    /// One more with each change of what is in force.
    pub fn generation(&self) -> i64 {
        self.generation.load(Ordering::Acquire)
    }
}

/// What the tables say.
struct Loaded {
    row: InForceRow,
    stable: Arc<Released>,
    canary: Option<Arc<Released>>,
}

/// Sets of revisions that were checked already.
type Known = HashMap<i64, Arc<CompiledSet>>;

fn load(reader: &Reader, known: &Known) -> Result<Loaded, RegistryError> {
    let row = reader.policies_in_force()?;
    let released = |revision: i64, release: Release| -> Result<Arc<Released>, RegistryError> {
        if let Some(set) = known.get(&revision) {
            return Ok(Arc::new(Released { revision, set: Arc::clone(set), release, problem: None }));
        }
        // It was checked before it was kept, but a newer version may find more wrong. Evidence is taken all the same, and
        // a mended set can be sent.
        let (set, problem) = match CompiledSet::compile(reader.policy_texts(revision)?) {
            Ok(set) => (set, None),
            Err(error) => {
                eprintln!("raceguard: revision {revision} of the policies is not in force: {error}");
                (CompiledSet::default(), Some(error.to_string()))
            }
        };
        Ok(Arc::new(Released { revision, set: Arc::new(set), release, problem }))
    };
    let stable = released(row.stable, Release::ALL)?;
    let canary = row.canary.clone().map(|(number, release)| released(number, release)).transpose()?;
    Ok(Loaded { row, stable, canary })
}

/// The newest revision, and the texts that an edit of it leads to.
fn edited(reader: &Reader, edit: Edit, expected: Option<i64>) -> Result<(i64, Texts), RegistryError> {
    let (head, mut texts) = reader.policy_head()?;
    if let Some(expected) = expected.filter(|expected| *expected != head) {
        return Err(RegistryError::Conflict { expected, head });
    }
    match edit {
        Edit::Put(name, text) => drop(texts.insert(name, text)),
        Edit::Delete(name) => {
            texts.remove(&name).ok_or(RegistryError::NoPolicies(name))?;
        }
        Edit::Replace(all) => texts = all,
        Edit::Rollback(number) => {
            texts = reader.policy_revision(number)?.ok_or(RegistryError::NoRevision(number))?.1;
        }
    }
    Ok((head, texts))
}

/// The set that a change leads to, and the revision that it is based on; nothing when that is the same set.
fn draft(reader: &Reader, change: Change) -> Result<(i64, Option<(Draft, Release)>), RegistryError> {
    let is_rollback = matches!(change.edit, Edit::Rollback(_));
    let (head, texts) = edited(reader, change.edit, change.expected)?;
    let set = CompiledSet::compile(texts)?;
    let is_same = head > 0 && reader.policy_texts(head)? == set.texts;
    let source = match (is_rollback, change.commit.is_empty()) {
        (true, _) => Source::Rollback,
        (false, true) => Source::Api,
        (false, false) => Source::Git,
    };
    // A rollback is a decision even where the texts are those of the newest revision: that one may not be in force.
    if is_same && !is_rollback {
        return Ok((head, None));
    }
    let (author, message, commit) = (change.author, change.message, change.commit);
    Ok((head, Some((Draft { set: Arc::new(set), author, message, source, commit }, change.release))))
}

/// Runs something that waits for the database where that is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RegistryError> + Send + 'static,
) -> Result<T, RegistryError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Stopping)?
}
