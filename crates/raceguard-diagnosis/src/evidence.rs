//! What several runs recorded, as the diagnosis takes it.

use raceguard_evidence::{ModulePaths, RunEvidence};

/// The evidence of several runs of one module, oldest first.
#[derive(Debug, Default)]
pub struct Evidence {
    /// The runs.
    pub runs: Vec<EvidenceRun>,
}

/// The evidence of one run.
#[derive(Debug, Default)]
pub struct EvidenceRun {
    /// Name of the run, for people: that of its folder.
    pub name: String,
    /// What it recorded.
    pub evidence: RunEvidence,
}

impl Evidence {
    /// The module that the evidence is about: that of the newest run that names one.
    pub fn module_paths(&self) -> ModulePaths {
        let named = self.runs.iter().rev().find(|run| {
            run.evidence.run.as_ref().is_some_and(|run| !run.module.is_empty() || !run.module_dir.is_empty())
        });
        named.map(|run| run.evidence.module_paths()).unwrap_or_default()
    }
}

impl EvidenceRun {
    /// When it started, in nanoseconds since the Unix epoch; 0 when unknown.
    pub fn started(&self) -> u64 {
        self.evidence.run.as_ref().map_or(0, |run| run.started_unix_ns)
    }

    /// The version of the program: its commit, marked when the tree had changes; empty when unknown.
    pub fn version(&self) -> String {
        let Some(run) = &self.evidence.run else { return String::new() };
        let mark = if run.dirty == Some(true) { "+changes" } else { "" };
        run.commit.as_ref().map_or_else(String::new, |commit| format!("{commit}{mark}"))
    }

    /// The machine it ran on; empty when unknown.
    pub fn host(&self) -> &str {
        self.evidence.run.as_ref().map_or("", |run| &run.host)
    }
}
