//! `raceguard policy apply|history|diff|rollback`.
//!
//! Versions are commits where the policies are a file that git tracks, else revisions in a store. Either way a version is
//! checked as a whole before it replaces another, and it replaces it in one step.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use raceguard_policy::read;
use raceguard_policy::store::{Change, NamedText, Revision, Store, sound};
use similar::TextDiff;

use super::super::gate::here;
use super::super::report::module_root;
use super::remote::{self, MaybeServer};
use super::{print, read_file, tell_expired};
use crate::check::fix::atomic::replace_file;
use crate::error::CommandError;
use crate::gate::error::GateError;
use crate::gate::git_history::TrackedFile;
use crate::gate::in_force::{STORE, Source, own_file, shown};

/// Where versions are.
#[derive(Debug, Clone, Args)]
pub(super) struct StoreArgs {
    /// The folder of revisions, or the file in git [default: raceguard-policy.yaml, else .raceguard/policies]
    #[arg(long, value_name = "PATH")]
    store: Option<PathBuf>,
}

/// Flags of `raceguard policy apply`.
#[derive(Debug, Clone, Args)]
pub(super) struct ApplyArgs {
    /// Files of policies, or one folder of them
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// What the change is about
    #[arg(long, short = 'm', value_name = "TEXT", default_value = "")]
    message: String,

    #[command(flatten)]
    place: StoreArgs,
}

/// Flags of `raceguard policy diff`.
#[derive(Debug, Clone, Args)]
pub(super) struct DiffArgs {
    /// The older version: the number of a revision, or a commit [default: the one before]
    #[arg(value_name = "FROM")]
    from: Option<String>,

    /// The newer version [default: the one in force]
    #[arg(value_name = "TO")]
    to: Option<String>,

    #[command(flatten)]
    place: StoreArgs,

    #[command(flatten)]
    remote: MaybeServer,
}

/// Flags of `raceguard policy rollback`.
#[derive(Debug, Clone, Args)]
pub(super) struct RollbackArgs {
    /// The version: the number of a revision, or a commit [default: the one before]
    #[arg(value_name = "VERSION")]
    to: Option<String>,

    #[command(flatten)]
    place: StoreArgs,

    #[command(flatten)]
    remote: MaybeServer,
}

/// Where versions are kept.
#[derive(Debug)]
enum Place {
    /// Revisions.
    Store(Store),
    /// A file, and its history where git tracks it.
    File(PathBuf, Option<TrackedFile>),
}

impl Place {
    fn find(named: Option<&Path>) -> Result<Self, CommandError> {
        let module = module_root()?;
        let file = |path: PathBuf| {
            let tracked = TrackedFile::find(&path);
            Self::File(path, tracked)
        };
        Ok(match named {
            Some(path) if path.is_file() => file(path.to_owned()),
            Some(path) => Self::Store(Store::at(path)),
            None => match own_file(&module) {
                Some(path) => file(path),
                None => Self::Store(Store::at(&module.join(STORE))),
            },
        })
    }
}

/// Brings policies into force.
pub(super) fn apply(arguments: &ApplyArgs) -> Result<u8, CommandError> {
    let here = here()?;
    let files = texts(&arguments.files, &here)?;
    let now = Timestamp::now();
    if let Ok(policies) = read(files.iter().map(|(path, text)| (path.as_path(), text.as_str()))) {
        tell_expired(&policies);
    }
    match Place::find(arguments.place.store.as_deref())? {
        Place::Store(store) => {
            let by = std::env::var("USER").unwrap_or_default();
            let change = Change { files, by, note: arguments.message.clone() };
            let folder = shown(store.folder(), &here).display().to_string();
            match store.apply(&change, now).map_err(GateError::from)? {
                Some(revision) => print(&format!("revision {} of {folder} is in force\n", revision.number)),
                None => print(&format!("nothing has changed: {folder} has the same in force\n")),
            }
        }
        Place::File(path, _) => {
            sound(&files, now).map_err(GateError::from)?;
            let [(_, text)] = files.as_slice() else {
                return Err(GateError::Usage {
                    message: format!("the policies in force are one file, {}", shown(&path, &here).display()),
                    hint: "apply one file, or name a folder of revisions with --store".to_owned(),
                }
                .into());
            };
            replace(&path, text)?;
            print(&format!("{} is in force\n", shown(&path, &here).display()))
        }
    }
}

fn replace(path: &Path, text: &str) -> Result<(), GateError> {
    replace_file(path, text.as_bytes()).map_err(|source| GateError::File {
        action: "write",
        path: path.to_owned(),
        source,
    })
}

/// The texts of the named files, or of the folders' files. They are told as the user named them.
pub(super) fn texts(files: &[PathBuf], here: &Path) -> Result<Vec<NamedText>, GateError> {
    let mut texts = Vec::new();
    for file in files {
        if file.is_dir() {
            let found = Source::Folder(file.clone()).texts()?;
            texts.extend(found.into_iter().map(|(path, text)| (shown(&path, here).to_owned(), text)));
        } else {
            texts.push((file.clone(), read_file(file)?));
        }
    }
    Ok(texts)
}

/// Lists versions, the newest first.
pub(super) fn history(arguments: &StoreArgs) -> Result<u8, CommandError> {
    let here = here()?;
    match Place::find(arguments.store.as_deref())? {
        Place::Store(store) => {
            let current = store.current().map_err(GateError::from)?;
            let revisions = store.revisions().map_err(GateError::from)?;
            if revisions.is_empty() {
                print("the default policy is in force; nothing was ever applied\n")?;
                return Ok(0);
            }
            let lines: String = revisions
                .iter()
                .rev()
                .map(|revision| line(revision, current == Some(revision.number)))
                .collect();
            print(&lines)
        }
        Place::File(path, tracked) => {
            let commits = tracked.ok_or_else(|| untracked(&path, &here))?.commits()?;
            let lines = commits.iter().map(|commit| {
                let hash = commit.hash.get(..12).unwrap_or(&commit.hash);
                format!("{hash}  {}  {}  {}\n", commit.time, commit.author, commit.subject)
            });
            print(&lines.collect::<String>())
        }
    }
}

fn line(revision: &Revision, is_current: bool) -> String {
    let mark = if is_current { "*" } else { " " };
    let policies = if revision.policies.len() == 1 { "policy" } else { "policies" };
    let note = if revision.note.is_empty() { String::new() } else { format!("  {}", revision.note) };
    let by = if revision.by.is_empty() { String::new() } else { format!("  {}", revision.by) };
    let applied = revision.applied.strftime("%Y-%m-%dT%H:%M:%SZ");
    format!(
        "{mark} {:4}  {applied}  {}  {} {policies}{by}{note}\n",
        revision.number,
        revision.hash,
        revision.policies.len()
    )
}

fn untracked(path: &Path, here: &Path) -> GateError {
    GateError::Usage {
        message: format!("{} has no history: git does not track it", shown(path, here).display()),
        hint: "commit it, or keep revisions with `raceguard policy apply --store FOLDER FILE`".to_owned(),
    }
}

/// Shows what differs; 1 when something does.
pub(super) fn diff(arguments: &DiffArgs) -> Result<u8, CommandError> {
    if let Some(api) = arguments.remote.api()? {
        return remote::diff(&api, arguments.from.as_deref(), arguments.to.as_deref());
    }
    let here = here()?;
    let (old, new) = match Place::find(arguments.place.store.as_deref())? {
        Place::Store(store) => {
            let current = store.current().map_err(GateError::from)?;
            let to = match &arguments.to {
                Some(word) => number(word)?,
                None => current.ok_or_else(nothing_applied)?,
            };
            let from = match &arguments.from {
                Some(word) => number(word)?,
                None => to.saturating_sub(1),
            };
            (store_texts(&store, from)?, store_texts(&store, to)?)
        }
        Place::File(path, tracked) => {
            let tracked = tracked.ok_or_else(|| untracked(&path, &here))?;
            let name = PathBuf::from(path.file_name().unwrap_or_default());
            let from = tracked.at(arguments.from.as_deref().unwrap_or("HEAD"))?;
            let to = match &arguments.to {
                Some(commit) => tracked.at(commit)?,
                None => read_file(&path)?,
            };
            (vec![(name.clone(), from)], vec![(name, to)])
        }
    };
    let text = unified(&old, &new);
    print(&text)?;
    Ok(u8::from(!text.is_empty()))
}

fn nothing_applied() -> GateError {
    GateError::Usage {
        message: "nothing was ever applied".to_owned(),
        hint: "`raceguard policy apply FILE` brings policies into force".to_owned(),
    }
}

pub(super) fn number(word: &str) -> Result<u64, GateError> {
    word.parse().map_err(|_| GateError::Usage {
        message: format!("`{word}` is no number of a revision"),
        hint: "`raceguard policy history` lists them".to_owned(),
    })
}

/// The files of a revision by name. Before the first one there is nothing.
fn store_texts(store: &Store, number: u64) -> Result<Vec<NamedText>, GateError> {
    if number == 0 {
        return Ok(Vec::new());
    }
    let named = |(path, text): NamedText| (PathBuf::from(path.file_name().unwrap_or_default()), text);
    Ok(store.files(number)?.into_iter().map(named).collect())
}

/// A unified diff of files by name.
pub(super) fn unified(old: &[NamedText], new: &[NamedText]) -> String {
    let mut names: Vec<&PathBuf> = old.iter().chain(new).map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    let text_of = |files: &'_ [NamedText], wanted: &PathBuf| {
        files.iter().find(|(name, _)| name == wanted).map(|(_, text)| text.clone()).unwrap_or_default()
    };
    let mut out = String::new();
    for name in names {
        let (before, after) = (text_of(old, name), text_of(new, name));
        let diff = TextDiff::from_lines(&before, &after);
        let (from, to) = (format!("a/{}", name.display()), format!("b/{}", name.display()));
        out.push_str(&diff.unified_diff().header(&from, &to).to_string());
    }
    out
}

/// Brings an earlier version into force again.
pub(super) fn rollback(arguments: &RollbackArgs) -> Result<u8, CommandError> {
    if let Some(api) = arguments.remote.api()? {
        return remote::rollback(&api, arguments.to.as_deref());
    }
    let (here, now) = (here()?, Timestamp::now());
    match Place::find(arguments.place.store.as_deref())? {
        Place::Store(store) => {
            let to = arguments.to.as_deref().map(number).transpose()?;
            let revision = store.rollback(to, now).map_err(GateError::from)?;
            let folder = shown(store.folder(), &here).display();
            print(&format!("revision {} of {folder} is in force\n", revision.number))
        }
        Place::File(path, tracked) => {
            let tracked = tracked.ok_or_else(|| untracked(&path, &here))?;
            let (commit, text) = earlier_version(&tracked, arguments.to.as_deref(), &path)?;
            sound(&[(shown(&path, &here).to_owned(), text.clone())], now).map_err(GateError::from)?;
            replace(&path, &text)?;
            let name = shown(&path, &here).display();
            print(&format!("{name} is as it was at {commit}; commit it to keep it\n"))
        }
    }
}

/// The commit that is named, else the newest whose text is another than the present one.
fn earlier_version(
    file: &TrackedFile,
    named: Option<&str>,
    path: &Path,
) -> Result<(String, String), GateError> {
    if let Some(commit) = named {
        return Ok((commit.to_owned(), file.at(commit)?));
    }
    let present = read_file(path)?;
    for commit in file.commits()? {
        let text = file.at(&commit.hash)?;
        if text != present {
            return Ok((commit.hash.get(..12).unwrap_or(&commit.hash).to_owned(), text));
        }
    }
    Err(GateError::Usage {
        message: "there is no other version to go back to".to_owned(),
        hint: "`raceguard policy history` lists the versions".to_owned(),
    })
}
