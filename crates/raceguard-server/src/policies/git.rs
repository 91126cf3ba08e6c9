//! A watched git folder: each new commit's policy files become a revision, by the commit's author.
//!
//! Asked is the `git` of this machine, for what is committed to one branch; what lies in the working tree does not count.
//! The files are all `.yaml` and `.yml` below the folder, outside of hidden folders. A commit whose files have a mistake is
//! refused: that is told on stderr, in [`GitFigures`], and as an alert, and what is in force stays.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::in_force::Release;
use super::registry::{Change, Edit, Registry, RegistryError};
use super::set::{MAX_TEXTS, Texts};
use crate::alerts::{Alerts, Firing, Severity};
use crate::clock::now_ms;
use crate::store::sql::values;
use crate::store::{Reader, StoreError, Writer};

/// How often the branch is looked at.
const EVERY: Duration = Duration::from_millis(500);

/// Commits that become revisions one by one; of more, only the last ones do.
const COMMITS: usize = 20;

/// The alert that a commit was refused.
const ALERT: &str = "policies/git";

/// Which folder and branch.
#[derive(Debug, Clone)]
pub struct GitFolder {
    /// A folder in a git repository.
    pub folder: PathBuf,
    /// The branch.
    pub branch: String,
}

/// What became of commits, since the server started.
#[derive(Debug, Default)]
pub struct GitFigures {
    /// Commits that became revisions, or changed nothing.
    pub taken: AtomicU64,
    /// Commits that were refused.
    pub refused: AtomicU64,
    /// Times that git failed.
    pub failed: AtomicU64,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Commit {
    hash: String,
    author: String,
    subject: String,
}

/// Watches.
#[derive(Debug)]
pub struct Watch {
    git: GitFolder,
    registry: Arc<Registry>,
    writer: Writer,
    reader: Reader,
    alerts: Alerts,
    figures: Arc<GitFigures>,
}

impl Watch {
    /// Watches a folder for a registry.
    pub fn new(
        git: GitFolder,
        registry: Arc<Registry>,
        writer: Writer,
        reader: Reader,
        alerts: Alerts,
    ) -> Self {
        Self { git, registry, writer, reader, alerts, figures: Arc::default() }
    }

    /// What became of commits.
    pub fn figures(&self) -> Arc<GitFigures> {
        Arc::clone(&self.figures)
    }

    /// Watches until it is told to stop.
    pub async fn run(self, stop: CancellationToken) -> Result<(), StoreError> {
        let mut told = String::new();
        while !stop.is_cancelled() {
            match self.round().await {
                Ok(()) => told.clear(),
                Err(problem) => {
                    self.figures.failed.fetch_add(1, Ordering::Relaxed);
                    // Once for each new reason: the next look is soon.
                    if problem != told {
                        eprintln!("raceguard: policies are not read from git: {problem}");
                        told = problem;
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
        Ok(())
    }

    /// Takes the commits that are new.
    async fn round(&self) -> Result<(), String> {
        let (git, reader) = (self.git.clone(), self.reader.clone());
        let commits = tokio::task::spawn_blocking(move || {
            let last = reader.policy_git(&git.branch).map_err(|error| error.to_string())?;
            git.new_commits(last.as_deref())
        });
        for commit in commits.await.map_err(|_| "the server is stopping".to_owned())?? {
            let (git, hash) = (self.git.clone(), commit.hash.clone());
            let texts = tokio::task::spawn_blocking(move || git.texts(&hash)).await;
            let texts = texts.map_err(|_| "the server is stopping".to_owned())??;
            self.take(commit, texts).await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    async fn take(&self, commit: Commit, texts: Texts) -> Result<(), RegistryError> {
        let change = Change {
            edit: Edit::Replace(texts),
            expected: None,
            author: commit.author,
            message: commit.subject,
            commit: commit.hash.clone(),
            release: Release::ALL,
        };
        let error = match self.registry.change(change, now_ms()).await {
            Ok(_) => String::new(),
            Err(RegistryError::Set(error)) => error.to_string(),
            // Not the commit's fault: it is tried again.
            Err(error) => return Err(error),
        };
        let short: String = commit.hash.chars().take(12).collect();
        if error.is_empty() {
            self.figures.taken.fetch_add(1, Ordering::Relaxed);
            self.alerts.resolve(ALERT, now_ms()).await?;
        } else {
            self.figures.refused.fetch_add(1, Ordering::Relaxed);
            eprintln!("raceguard: commit {short} of the policies is refused, those in force stay: {error}");
            let firing = Firing {
                key: ALERT.to_owned(),
                severity: Severity::P2,
                title: format!("Commit {short} of the policies is refused"),
                text: format!("The policies in force stay as they are.\n{error}"),
                labels: [("source".to_owned(), "policies".to_owned())].into(),
                link: "/policies".to_owned(),
                at_ms: now_ms(),
            };
            self.alerts.fire(firing).await?;
        }
        let branch = self.git.branch.clone();
        self.writer
            .change(move |connection| {
                connection.execute(
                    "INSERT INTO policy_git (branch, commit_hash, error, at_ms) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (branch) DO UPDATE SET commit_hash = $2, error = $3, at_ms = $4",
                    values![&branch, &commit.hash, &error, now_ms()],
                )
            })
            .await?;
        Ok(())
    }
}

impl GitFolder {
    /// What `git` prints.
    fn ask(&self, arguments: &[&str]) -> Result<Vec<u8>, String> {
        let output = Command::new("git")
            .arg("-C")
            .arg(&self.folder)
            // A folder of somebody else is what a deployment mounts; nothing of it is run.
            .args(["-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| {
                format!("git can't be started: {error}; install it, or leave --policy-git out")
            })?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let told = String::from_utf8_lossy(&output.stderr);
        let folder = self.folder.display();
        Err(format!("git {} in {folder}: {}", arguments.first().unwrap_or(&""), told.trim()))
    }

    /// The commits of the branch behind the last one, the oldest first.
    fn new_commits(&self, last: Option<&str>) -> Result<Vec<Commit>, String> {
        let branch = format!("refs/heads/{}", self.branch);
        let head = String::from_utf8_lossy(&self.ask(&["rev-parse", "--verify", &branch])?).trim().to_owned();
        if last == Some(head.as_str()) {
            return Ok(Vec::new());
        }
        // Of a history that was rewritten, or at the first look, only where it leads counts.
        let range = last.map(|last| format!("{last}..{head}"));
        let known = last.is_some_and(|last| self.ask(&["merge-base", "--is-ancestor", last, &head]).is_ok());
        let (range, count) = match range {
            Some(range) if known => (range, COMMITS.to_string()),
            _ => (head, "1".to_owned()),
        };
        let format = "--format=%H%x1f%an <%ae>%x1f%s";
        let listed = self.ask(&["log", "--first-parent", "--reverse", "-n", &count, format, &range, "--"])?;
        let listed = String::from_utf8_lossy(&listed).into_owned();
        let commit = |line: &str| {
            let mut parts = line.splitn(3, '\u{1f}').map(str::to_owned);
            Some(Commit { hash: parts.next()?, author: parts.next()?, subject: parts.next()? })
        };
        Ok(listed.lines().filter_map(commit).collect())
    }

    /// The policy files of a commit, named after their paths.
    fn texts(&self, commit: &str) -> Result<Texts, String> {
        let listed = self.ask(&["ls-tree", "-r", "-z", "--name-only", commit, "."])?;
        let listed = String::from_utf8_lossy(&listed).into_owned();
        let is_policy = |path: &&str| {
            let is_yaml = [".yaml", ".yml"].iter().any(|end| path.ends_with(end));
            is_yaml && !path.split('/').any(|part| part.starts_with('.'))
        };
        let paths: Vec<&str> = listed.split('\0').filter(is_policy).collect();
        if paths.len() > MAX_TEXTS {
            return Err(format!("{} files of policies, at most {MAX_TEXTS} are allowed", paths.len()));
        }
        let mut texts = Texts::new();
        for path in paths {
            let text = self.ask(&["show", &format!("{commit}:./{path}")])?;
            texts.insert(name_of(path), String::from_utf8_lossy(&text).into_owned());
        }
        Ok(texts)
    }
}

/// `team/pay.yaml` is `team.pay`.
fn name_of(path: &str) -> String {
    let stem = path.strip_suffix(".yaml").or_else(|| path.strip_suffix(".yml")).unwrap_or(path);
    stem.to_lowercase().replace('/', ".")
}

impl Reader {
    /// The last commit of the branch that was looked at.
    fn policy_git(&self, branch: &str) -> Result<Option<String>, StoreError> {
        self.ask(|connection| {
            let row =
                connection.row("SELECT commit_hash FROM policy_git WHERE branch = $1", values![branch])?;
            row.map(|row| row.get(0)).transpose()
        })
    }
}
