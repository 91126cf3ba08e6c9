//! What tests executed: of everything, of changed lines, and of the statements of findings.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;

use raceguard_evidence::{Coverage, CoveredBlock, ModulePaths, Record};
use raceguard_policy::facts::{ChangedFileFact, CoverageFact};

use super::Context;
use crate::check::git_diff::ChangedLines;
use crate::gate::runs::LoadedRun;
use crate::report::read_source_file;

/// The coverage of all runs, merged.
#[derive(Debug, Default)]
pub(super) struct Covered {
    /// Blocks by file, relative to the module where it lies there.
    files: BTreeMap<String, Vec<CoveredBlock>>,
}

impl Covered {
    /// The coverage in the runs; nothing when none was measured.
    pub(super) fn of(runs: &[LoadedRun]) -> Option<Self> {
        let mut covered = Self::default();
        let mut is_measured = false;
        for run in runs {
            let paths = run.evidence.module_paths();
            for record in &run.evidence.foreign {
                let Record::Coverage(coverage) = record else { continue };
                is_measured = true;
                covered.add(coverage, &paths);
            }
        }
        is_measured.then_some(covered)
    }

    /// The coverage of profiles that were named, for the module of the runs.
    pub(super) fn of_named(profiles: &[Coverage], runs: &[LoadedRun]) -> Self {
        let mut covered = Self::default();
        let of_module = runs.iter().find(|run| run.evidence.run.is_some());
        let paths = of_module.map_or_else(|| ModulePaths::new("", ""), |run| run.evidence.module_paths());
        for profile in profiles {
            covered.add(profile, &paths);
        }
        covered
    }

    fn add(&mut self, profile: &Coverage, paths: &ModulePaths) {
        for file in &profile.files {
            let blocks = self.files.entry(paths.relative(&file.file).to_owned()).or_default();
            merge(blocks, &file.blocks);
        }
    }

    /// How often the statement at a line was executed; nothing where no block is.
    pub(super) fn count_at(&self, file: &str, line: u32) -> Option<u64> {
        let around = |block: &&CoveredBlock| block.line <= line && line <= block.end_line;
        self.files.get(file)?.iter().filter(around).map(|block| block.count).max()
    }

    pub(super) fn fact(&self, context: &Context<'_>) -> CoverageFact {
        let blocks = || self.files.values().flatten();
        let all: u64 = blocks().map(|block| u64::from(block.statements)).sum();
        let executed =
            blocks().filter(|block| block.count > 0).map(|block| u64::from(block.statements)).sum();
        let changed = context.change.map(|(_, changed)| changed);
        let mut files: Vec<(ChangedFileFact, u64, u64)> = Vec::new();
        for (path, ranges) in changed.into_iter().flat_map(ChangedLines::files) {
            files.extend(self.changed_file(path, ranges, context.module));
        }
        files.sort_by(|a, b| a.0.file.cmp(&b.0.file));
        let changed_lines: u64 = files.iter().map(|(_, all, _)| all).sum();
        let tested: u64 = files.iter().map(|(_, _, tested)| tested).sum();
        CoverageFact {
            percent: percent(executed, all),
            changed_percent: (changed_lines > 0).then(|| percent(tested, changed_lines)),
            changed_lines,
            compared: changed.is_some(),
            changed: files.into_iter().map(|(file, ..)| file).collect(),
        }
    }

    /// A changed file with its changed lines that have statements: how many, and how many were executed. A file of Go
    /// that no profile knows has no tested package, so all of its lines count as missing.
    fn changed_file(
        &self,
        path: &Path,
        ranges: &[RangeInclusive<u32>],
        module: &Path,
    ) -> Option<(ChangedFileFact, u64, u64)> {
        let name = path.to_string_lossy();
        if !name.ends_with(".go") || name.ends_with("_test.go") {
            return None;
        }
        let file = super::relative(&name, module);
        let source = read_source_file(path);
        let lines = code_lines(source.as_deref().unwrap_or_default(), ranges);
        let counted: Vec<(u32, u64)> =
            lines.into_iter().filter_map(|line| Some((line, self.count_at(&file, line)?))).collect();
        let all = counted.len() as u64;
        let missing: Vec<u64> =
            counted.iter().filter(|(_, count)| *count == 0).map(|(line, _)| (*line).into()).collect();
        let tested = all - missing.len() as u64;
        (all > 0).then(|| (ChangedFileFact { file, percent: percent(tested, all), missing }, all, tested))
    }
}

/// Lines of a file that are changed. A new file has as many as it has lines.
pub(super) fn count_lines(path: &Path, ranges: &[RangeInclusive<u32>]) -> u64 {
    let is_whole = ranges.iter().any(|range| *range.end() == u32::MAX);
    if is_whole {
        return read_source_file(path).map_or(0, |text| text.lines().count() as u64);
    }
    ranges.iter().map(|range| u64::from(range.end() - range.start()) + 1).sum()
}

/// The lines of the ranges that hold more than white space, comments and brackets.
fn code_lines(source: &str, ranges: &[RangeInclusive<u32>]) -> Vec<u32> {
    let is_code = |text: &str| {
        let text = text.trim();
        !text.starts_with("//") && text.chars().any(|c| !c.is_whitespace() && !"{}()[],;".contains(c))
    };
    let numbered = source.lines().zip(1u32..).filter(|(text, _)| is_code(text));
    let mut lines: Vec<u32> = numbered
        .map(|(_, line)| line)
        .filter(|line| ranges.iter().any(|range| range.contains(line)))
        .collect();
    lines.dedup();
    lines
}

/// Adds blocks of a file; those of the same place become one.
fn merge(blocks: &mut Vec<CoveredBlock>, more: &[CoveredBlock]) {
    let place = |block: &CoveredBlock| (block.line, block.column, block.end_line, block.end_column);
    blocks.extend_from_slice(more);
    blocks.sort_by_key(place);
    blocks.dedup_by(|again, block| {
        let is_same = place(again) == place(block);
        if is_same {
            block.count = block.count.saturating_add(again.count);
        }
        is_same
    });
}

#[expect(clippy::cast_precision_loss, reason = "counts of lines are small")]
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 100.0 } else { part as f64 * 100.0 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_with_code_count() {
        let source = "package m\n\n// why\nfunc F() {\n\tx()\n}\n})\n";
        assert_eq!(code_lines(source, &[1..=7]), [1, 4, 5]);
        assert_eq!(code_lines(source, &[5..=u32::MAX]), [5]);
        assert!(code_lines("", &[1..=9]).is_empty());
    }

    #[test]
    fn blocks_of_several_profiles_add_up() {
        let block = |line, count| CoveredBlock {
            line,
            column: 1,
            end_line: line + 2,
            end_column: 2,
            statements: 2,
            count,
        };
        let mut blocks = Vec::new();
        merge(&mut blocks, &[block(1, 0), block(5, 1)]);
        merge(&mut blocks, &[block(1, 3)]);
        assert_eq!(blocks.iter().map(|it| it.count).collect::<Vec<_>>(), [3, 1]);
        let covered = Covered { files: [("a.go".to_owned(), blocks)].into() };
        assert_eq!(covered.count_at("a.go", 3), Some(3));
        assert_eq!(covered.count_at("a.go", 4), None);
        assert_eq!(covered.count_at("b.go", 3), None);
    }
}
