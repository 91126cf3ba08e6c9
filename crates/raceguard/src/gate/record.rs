//! Keeps a verdict with the evidence it rests on.
//!
//! Each judged run gets a record `policy_evaluation` with the id, version and hash of every policy, so that months later it
//! is known which rules let a build pass. The whole evaluation goes to `.raceguard/gate/<time>.json` of the module.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use jiff::Timestamp;
use raceguard_evidence::{EvidenceError, EvidenceWriter, Record, SCHEMA_VERSION};
use raceguard_policy::Evaluation;
use serde_json::{Map, Value, json};

use super::render::Verdict;
use super::render::json::document;
use super::runs::LoadedRun;
use crate::check::fix::atomic::replace_file;
use crate::session::unix_ns;

/// The kind of the record.
pub const KIND: &str = "policy_evaluation";

/// Writes the records and the file; gives the file.
pub fn keep(
    verdict: &Verdict<'_>,
    runs: &[LoadedRun],
    module: &Path,
    now: Timestamp,
) -> Result<PathBuf, EvidenceError> {
    let id = format!("{}-{}", now.strftime("%Y%m%dT%H%M%S"), process::id());
    let folder = module.join(".raceguard").join("gate");
    let path = folder.join(format!("{id}.json"));
    let failed = |source| EvidenceError::Open { path: path.clone(), source };
    fs::create_dir_all(&folder).map_err(failed)?;
    let ignore = module.join(".raceguard").join(".gitignore");
    if !ignore.exists() {
        fs::write(&ignore, "*\n").map_err(failed)?;
    }
    let mut text = serde_json::to_vec_pretty(&document(verdict)).map_err(|error| failed(error.into()))?;
    text.push(b'\n');
    replace_file(&path, &text).map_err(failed)?;
    for run in runs {
        let mut writer = EvidenceWriter::append_to(&run.folder.evidence_path())?;
        writer.write(&Record::Unknown(record(verdict, &id, runs, now)))?;
    }
    Ok(path)
}

fn record(verdict: &Verdict<'_>, id: &str, runs: &[LoadedRun], now: Timestamp) -> Map<String, Value> {
    let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    let value = json!({
        "schema": SCHEMA_VERSION,
        "kind": KIND,
        "id": id,
        "time_unix_ns": unix_ns(now),
        "source_of_policies": verdict.policies,
        "level": verdict.evaluation.level(),
        "runs": names,
        "policies": policies(verdict.evaluation),
    });
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn policies(evaluation: &Evaluation) -> Vec<Value> {
    let brief = evaluation.outcomes.iter().map(|outcome| {
        json!({
            "policy": outcome.policy,
            "version": outcome.version,
            "hash": outcome.hash,
            "level": outcome.level,
            "status": outcome.status,
            "count": outcome.count,
            "reason": outcome.reason,
        })
    });
    brief.collect()
}
