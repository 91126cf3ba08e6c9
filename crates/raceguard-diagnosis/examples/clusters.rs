//! Prints the clusters of the runs given as evidence files, in JSON.

use std::path::Path;

use raceguard_diagnosis::top_causes::TopOptions;
use raceguard_diagnosis::{Diagnosis, Evidence, EvidenceRun};
use raceguard_evidence::{RunEvidence, RunFolder};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut evidence = Evidence::default();
    for path in std::env::args().skip(1) {
        let folder = RunFolder::at(Path::new(&path));
        evidence.runs.push(EvidenceRun { evidence: RunEvidence::load(&folder)?, name: path });
    }
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    println!("{}", serde_json::to_string_pretty(&Diagnosis::of(&evidence, &TopOptions::default(), &read))?);
    Ok(())
}
