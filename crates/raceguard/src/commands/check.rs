//! `raceguard check`: static analysis of Go source.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use crate::check::analysis::{Analysed, analyse};
use crate::check::baseline::{Baseline, Scope};
use crate::check::cache::Cache;
use crate::check::error::CheckError;
use crate::check::evidence;
use crate::check::filter::{Filtered, filter};
use crate::check::fix::command::Fixing;
use crate::check::git_diff::ChangedLines;
use crate::check::progress::CheckProgress;
use crate::check::render::{self, Format};
use crate::check::settings::Settings;
use crate::check::{output, watch};
use crate::error::{CommandError, print_hint, print_warning};

/// Flags of `raceguard check`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub struct CheckArgs {
    /// Packages or files, as Go's tools take them: ./sub, a.go, example.com/m/sub, std [default: ./...]
    #[arg(value_name = "PATHS")]
    pub paths: Vec<String>,

    /// Show only these rules: codes or their beginnings, RG103,RG2, or ALL
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    pub select: Vec<String>,

    /// Do not show these rules; of --select and --ignore the longer code decides
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    pub ignore: Vec<String>,

    /// The least severity to show [default: warning, and advice of rules that --select names]
    #[arg(long, value_name = "SEVERITY")]
    pub severity: Option<LeastSeverity>,

    /// Format of the report
    #[arg(long, alias = "output-format", value_name = "FORMAT", default_value = "text")]
    pub format: Format,

    /// Write the report to FILE instead of stdout
    #[arg(long, short, alias = "output-file", value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Do not show the findings in FILE
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,

    /// Write all findings of now to the baseline [default file: raceguard-baseline.json]
    #[arg(long, conflicts_with_all = ["diff", "fix", "watch"])]
    pub update_baseline: bool,

    /// Only findings on lines changed since the working tree left BASE; with --fix and no BASE, print the patch
    #[arg(long, value_name = "BASE", num_args = 0..=1, default_missing_value = "")]
    pub diff: Option<String>,

    /// Apply changes that are safe: each is kept only if analysis of the result finds less and nothing new
    #[arg(long, conflicts_with = "watch")]
    pub fix: bool,

    /// Show how many findings each rule has instead of the findings
    #[arg(long)]
    pub statistics: bool,

    /// Check again whenever a file changes, until Ctrl-C
    #[arg(long)]
    pub watch: bool,

    /// Build tags
    #[arg(long, value_name = "TAGS", value_delimiter = ',')]
    pub tags: Vec<String>,

    /// Operating system to choose files for [default: GOOS, or linux]
    #[arg(long)]
    pub goos: Option<String>,

    /// Architecture to choose files for [default: GOARCH, or amd64]
    #[arg(long)]
    pub goarch: Option<String>,

    /// Leave out test files
    #[arg(long)]
    pub no_tests: bool,

    /// Change to DIR first
    #[arg(short = 'C', value_name = "DIR")]
    pub directory: Option<PathBuf>,

    /// Where results of earlier checks are kept [default: the user's cache folder]
    #[arg(long, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,

    /// Neither use nor keep results of earlier checks
    #[arg(long, conflicts_with = "cache_dir")]
    pub no_cache: bool,

    /// End with 0 even when there are findings
    #[arg(long, conflicts_with = "watch")]
    pub exit_zero: bool,

    /// Print findings and errors only
    #[arg(long, short)]
    pub quiet: bool,
}

/// A severity on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LeastSeverity {
    /// Wrong: the evidence is in the code
    Error,
    /// Probably wrong: a part of the evidence is inferred
    Warning,
    /// Could be better
    Advice,
}

impl From<LeastSeverity> for raceguard_evidence::Severity {
    fn from(severity: LeastSeverity) -> Self {
        match severity {
            LeastSeverity::Error => Self::Error,
            LeastSeverity::Warning => Self::Warning,
            LeastSeverity::Advice => Self::Advice,
        }
    }
}

/// A check with everything it needs, to be run once or again and again.
#[derive(Debug)]
pub struct Check {
    /// As on the command line.
    pub arguments: CheckArgs,
    /// What to do.
    pub settings: Settings,
    folder: PathBuf,
    base: Option<String>,
    cache: Option<Cache>,
}

/// What one look has found.
#[derive(Debug)]
struct Found {
    analysed: Analysed,
    filtered: Filtered,
    baseline: Option<Baseline>,
}

/// Runs the check.
pub fn run(arguments: &CheckArgs) -> Result<u8, CommandError> {
    let check = Check::new(arguments)?;
    if arguments.watch { watch::run(&check) } else { check.once() }
}

impl Check {
    fn new(arguments: &CheckArgs) -> Result<Self, CommandError> {
        let folder = folder(arguments.directory.as_deref())?;
        let (base, paths) = base_and_paths(arguments)?;
        let settings = Settings::new(arguments, &folder, paths)?;
        let cache = if arguments.no_cache {
            None
        } else {
            let named = arguments.cache_dir.as_ref().map(|directory| folder.join(directory));
            Cache::at(named.unwrap_or_else(|| Cache::default_folder(&settings.module)))
        };
        Ok(Self { arguments: arguments.clone(), settings, folder, base, cache })
    }

    /// Checks once; gives the exit code.
    fn once(&self) -> Result<u8, CommandError> {
        let (started, clock) = (Timestamp::now(), Instant::now());
        let mut found = self.find()?;
        if self.arguments.update_baseline {
            self.tell_problems(&found.filtered);
            return self.update_baseline(&found.analysed, &found.filtered);
        }
        if self.arguments.fix && !self.fix(&mut found)? {
            return Ok(self.exit_code(&found.filtered));
        }
        found.filtered.report.seconds = clock.elapsed().as_secs_f64();
        self.show(&found)?;
        let exit_code = self.exit_code(&found.filtered);
        self.keep_evidence(&found, started, exit_code);
        Ok(exit_code)
    }

    /// Checks with the settings as they are now, and shows the findings, without keeping evidence.
    pub fn again(&self) -> Result<Analysed, CommandError> {
        let clock = Instant::now();
        let check = Self::new(&self.arguments)?;
        let mut found = check.find()?;
        found.filtered.report.seconds = clock.elapsed().as_secs_f64();
        check.show(&found)?;
        Ok(found.analysed)
    }

    fn exit_code(&self, filtered: &Filtered) -> u8 {
        match filtered.report.exit_code() {
            1 if self.arguments.exit_zero => 0,
            code => code,
        }
    }

    fn find(&self) -> Result<Found, CommandError> {
        let changed = self.base.as_deref().map(|base| ChangedLines::since(base, &self.folder)).transpose()?;
        let baseline = self.read_baseline()?;
        let progress = CheckProgress::start(self.arguments.quiet);
        let analysed =
            analyse(&self.settings.request, self.cache.as_ref(), &mut |phase| progress.update(phase));
        progress.finish();
        let filtered = filter(&analysed, &self.settings, changed.as_ref(), baseline.as_ref());
        Ok(Found { analysed, filtered, baseline })
    }

    /// Mends what can be mended and looks again; false when only the patch was asked for.
    fn fix(&self, found: &mut Found) -> Result<bool, CommandError> {
        let progress = CheckProgress::start(self.arguments.quiet);
        let baseline = found.baseline.as_ref();
        let shown = |analysed: &Analysed| filter(analysed, &self.settings, None, baseline).report.findings;
        let fixing = Fixing {
            request: &self.settings.request,
            analysed: &found.analysed,
            findings: &found.filtered.report.findings,
            quiet: self.arguments.quiet,
            // Lines that have changed since the base are known of the files as they are only.
            shown: if self.base.is_none() { Some(&shown) } else { None },
        };
        let changes = fixing.changes(&progress);
        if self.arguments.diff.is_some() && self.base.is_none() {
            self.tell_problems(&found.filtered);
            changes.print(&fixing, &self.folder)?;
            return Ok(false);
        }
        if changes.write(&fixing)? > 0 {
            *found = self.find()?;
        }
        Ok(true)
    }

    fn show(&self, found: &Found) -> Result<(), CommandError> {
        self.tell_problems(&found.filtered);
        output::write(&found.filtered.report, &self.output_options())?;
        self.tell_what_is_gone(found);
        Ok(())
    }

    fn tell_problems(&self, filtered: &Filtered) {
        output::print_problems(&filtered.report, &self.folder, self.arguments.quiet);
    }

    fn output_options(&self) -> output::Options {
        output::Options {
            format: self.arguments.format,
            file: self.arguments.output.as_ref().map(|file| self.folder.join(file)),
            statistics: self.arguments.statistics,
            quiet: self.arguments.quiet,
            paths: render::Paths::new(&self.folder, &self.settings.module),
        }
    }

    /// Whether a finding that does not show up is not there.
    fn is_whole(&self) -> bool {
        let CheckArgs { select, ignore, severity, no_tests, .. } = &self.arguments;
        let patterns = &self.settings.request.patterns;
        let all_packages = patterns.is_empty() || patterns.iter().all(|pattern| pattern == "./...");
        all_packages
            && self.base.is_none()
            && select.is_empty()
            && ignore.is_empty()
            && severity.is_none()
            && !no_tests
    }

    fn read_baseline(&self) -> Result<Option<Baseline>, CheckError> {
        let Some(path) = &self.settings.baseline else { return Ok(None) };
        let read = if self.arguments.update_baseline { Baseline::read_if_there } else { Baseline::read };
        read(path).map(Some)
    }

    fn update_baseline(&self, analysed: &Analysed, filtered: &Filtered) -> Result<u8, CommandError> {
        let Some(path) = &self.settings.baseline else { return Ok(0) };
        let old = Baseline::read_if_there(path)?;
        let scope = scope(analysed);
        let gone = old.gone(&filtered.before_baseline, &scope);
        let new = old.updated(&filtered.before_baseline, &scope);
        new.write(path)?;
        if !self.arguments.quiet {
            println!("{}: {} known, {gone} removed", path.display(), render::counted(new.len(), "finding"));
            if self.settings.baseline_is_unnamed {
                print_hint(format!(
                    "use it with `--baseline {}`, or name it in raceguard.toml",
                    path.display()
                ));
            }
        }
        Ok(if filtered.report.losses() > 0 { 2 } else { 0 })
    }

    fn tell_what_is_gone(&self, found: &Found) {
        // Findings that the change does not touch are not in the list, and not gone.
        if self.base.is_some() || self.arguments.quiet {
            return;
        }
        let Some(baseline) = &found.baseline else { return };
        let gone = baseline.gone(&found.filtered.before_baseline, &scope(&found.analysed));
        if gone > 0 {
            let findings = render::counted(gone, "finding");
            eprintln!("raceguard: {findings} of the baseline no longer occur");
            print_hint("`raceguard check --update-baseline` removes them from it");
        }
    }

    /// A module that can't be written is checked nevertheless.
    fn keep_evidence(&self, found: &Found, started: Timestamp, exit_code: u8) {
        let (module, build) = (self.settings.module.as_path(), &self.settings.request.build);
        let known = found.baseline.as_ref().map(|baseline| known(found, baseline));
        let whole = self.is_whole();
        let context =
            evidence::Context { module, build, started, exit_code, whole, baseline: known.as_ref() };
        if let Err(error) = evidence::write(&found.filtered.report, &context)
            && !self.arguments.quiet
        {
            print_warning(format!("no evidence is kept for `raceguard report`: {error}"));
        }
    }
}

/// What the baseline hid, for the gate: the findings that are not shown, in their order.
fn known(found: &Found, baseline: &Baseline) -> evidence::Known {
    let mut shown: Vec<&str> =
        found.filtered.report.findings.iter().map(|it| it.fingerprint.as_str()).collect();
    let mut fingerprints = Vec::new();
    for finding in &found.filtered.before_baseline {
        match shown.iter().position(|print| *print == finding.fingerprint.as_str()) {
            Some(at) => drop(shown.swap_remove(at)),
            None => fingerprints.push(finding.fingerprint.to_string()),
        }
    }
    evidence::Known {
        fingerprints,
        gone: baseline.gone(&found.filtered.before_baseline, &scope(&found.analysed)),
    }
}

fn scope(analysed: &Analysed) -> Scope {
    Scope { files: analysed.root_files().map(|file| file.path.clone()).collect() }
}

fn folder(directory: Option<&Path>) -> Result<PathBuf, CommandError> {
    let failed = |action: String| move |source| CommandError::System { action, source };
    let here = std::env::current_dir().map_err(failed("find the current folder".to_owned()))?;
    let Some(directory) = directory else { return Ok(here) };
    let folder = here.join(directory);
    std::fs::canonicalize(&folder).map_err(failed(format!("change to {}", folder.display())))
}

/// The value of --diff, and the paths. In `--fix --diff ./...` the word after --diff is a path: no name of a commit
/// begins with a dot or a slash.
fn base_and_paths(arguments: &CheckArgs) -> Result<(Option<String>, Vec<String>), CheckError> {
    let mut paths = arguments.paths.clone();
    let base = arguments.diff.clone().filter(|base| !base.is_empty());
    if arguments.fix
        && let Some(path) = base.as_ref().filter(|base| base.starts_with(['.', '/']))
    {
        paths.insert(0, path.clone());
        return Ok((None, paths));
    }
    if arguments.diff.is_some() && base.is_none() && !arguments.fix {
        return Err(CheckError::Usage {
            message: "--diff needs the commit to compare with".to_owned(),
            hint: "`raceguard check --diff main`, or `--fix --diff` for the patch of all fixes".to_owned(),
        });
    }
    Ok((base, paths))
}
