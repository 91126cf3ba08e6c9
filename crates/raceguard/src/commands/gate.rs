//! `raceguard gate`: evidence judged by policies.

use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use raceguard_gotool::module::commit_of;
use raceguard_policy::owners::Owners;
use raceguard_policy::policy::Level;
use raceguard_policy::{Evaluation, PolicySet, Question, Snapshot, evaluate};

use super::report::module_root;
use crate::check::fix::atomic::replace_file;
use crate::check::git_diff::ChangedLines;
use crate::error::{CommandError, print_hint, print_warning};
use crate::fleet::api::{Api, path_part};
use crate::gate::error::GateError;
use crate::gate::facts::{Context, facts};
use crate::gate::in_force::{Source, shown};
use crate::gate::known::{Known, refuse_growth};
use crate::gate::render::{self, BaselineView, Format, Look, Verdict};
use crate::gate::runs::{self, LoadedRun};
use crate::gate::{ci, coverage_files, record, tickets};
use crate::report;

/// Flags of `raceguard gate`.
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub struct GateArgs {
    /// Runs to judge: names in .raceguard/runs, folders or files with evidence [default: the newest of each kind]
    #[arg(value_name = "RUNS")]
    pub runs: Vec<PathBuf>,

    /// Policies: a file, a folder of .yaml files, or a folder of revisions
    #[arg(long, value_name = "PATH")]
    pub policy: Option<PathBuf>,

    /// What the change is compared with [default: as the CI system says]
    #[arg(long, value_name = "COMMIT")]
    pub base: Option<String>,

    /// Coverage profile of `go test -coverprofile`, looked at instead of ingested ones (may be repeated)
    #[arg(long, value_name = "FILE")]
    pub coverage: Vec<PathBuf>,

    /// Known findings [default: as in raceguard.toml, or raceguard-baseline.json of the module]
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,

    /// Remove from the baseline what no longer occurs
    #[arg(long)]
    pub update_baseline: bool,

    /// With --update-baseline, also add what is new
    #[arg(long)]
    pub accept_new: bool,

    /// Do not fail for this policy, this time; it is told nevertheless (may be repeated)
    #[arg(long, value_name = "POLICY")]
    pub allow: Vec<String>,

    /// Who owns which file [default: CODEOWNERS in the places where GitHub and GitLab look]
    #[arg(long, value_name = "FILE")]
    pub owners: Option<PathBuf>,

    /// Format of the verdict on stdout
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,

    /// Also write the verdict to a file: json=gate.json, junit=gate.xml, gitlab=…, markdown=… (may be repeated)
    #[arg(long = "report", value_name = "FORMAT=FILE", value_parser = report_file)]
    pub reports: Vec<(Format, PathBuf)>,

    /// Also show policies that pass
    #[arg(long, short)]
    pub verbose: bool,

    /// A server to ask whether the build of --service and --build-version is blocked
    #[arg(long, value_name = "URL", requires_all = ["service", "build_version"])]
    pub server: Option<String>,

    /// A token of that server that may read
    #[arg(long, value_name = "TOKEN", env = "RACEGUARD_TOKEN", hide_env_values = true, default_value = "")]
    pub token: String,

    /// Certificates (PEM) of who signed that of that server; without it those of the public authorities
    #[arg(long, value_name = "FILE", env = "RACEGUARD_CA")]
    pub ca: Option<PathBuf>,

    /// Name of the service that is to be released
    #[arg(long, value_name = "NAME", requires = "server")]
    pub service: Option<String>,

    /// Version of the build that is to be released
    #[arg(long, value_name = "VERSION", requires = "server")]
    pub build_version: Option<String>,

    /// Keep neither the verdict in .raceguard nor drafts of tickets, and write no step summary
    #[arg(long)]
    pub dry_run: bool,
}

/// `junit=gate.xml`.
fn report_file(word: &str) -> Result<(Format, PathBuf), String> {
    use clap::ValueEnum as _;
    let (format, file) = word.split_once('=').ok_or("write FORMAT=FILE, for example junit=gate.xml")?;
    if file.is_empty() {
        return Err("the file is missing behind `=`".to_owned());
    }
    Ok((Format::from_str(format, false)?, PathBuf::from(file)))
}

/// Everything that a judgement rests on.
#[derive(Debug)]
pub struct Judged {
    /// The policies, and where they come from.
    pub policies: PolicySet,
    /// Where they come from, for people.
    pub source: String,
    /// The module.
    pub module: PathBuf,
    /// The runs that were judged.
    pub runs: Vec<LoadedRun>,
    /// Facts of those, then of earlier runs.
    pub snapshots: Vec<Snapshot>,
    /// The baseline.
    pub known: Known,
    /// What policies came to.
    pub evaluation: Evaluation,
    /// Now.
    pub now: Timestamp,
}

/// Judges and reports.
pub fn run(arguments: &GateArgs) -> Result<u8, CommandError> {
    refuse_growth(arguments.accept_new, arguments.update_baseline)?;
    let blocked = blocked_build(arguments)?;
    let judged = judge(arguments)?;
    if arguments.update_baseline {
        return update_baseline(arguments, &judged);
    }
    let mut verdict = judged.verdict();
    if !arguments.dry_run {
        match tickets::write(&judged.evaluation, &judged.module) {
            Ok(paths) => verdict.tickets = paths.into_iter().map(|path| below_here(&path)).collect(),
            Err(error) => print_warning(format!("no ticket could be drafted: {error}")),
        }
        if let Err(error) = record::keep(&verdict, &judged.runs, &judged.module, judged.now) {
            print_warning(format!("the verdict is not kept with the evidence: {error}"));
        }
    }
    write(arguments, &verdict)?;
    let level = judged.evaluation.level();
    if level >= Level::Fail && arguments.format == Format::Text {
        print_hint("`raceguard policy explain` says of each policy what it looked at and why it decided so");
    }
    Ok(render::exit_code(level).max(u8::from(blocked)))
}

/// Whether the server says that the build is blocked; tells why on stderr.
fn blocked_build(arguments: &GateArgs) -> Result<bool, CommandError> {
    let (Some(server), Some(service), Some(version)) =
        (&arguments.server, &arguments.service, &arguments.build_version)
    else {
        return Ok(false);
    };
    let api = Api::new(server, &arguments.token, arguments.ca.as_deref())?;
    let path = format!("/v1/builds/{}/{}", path_part(service), path_part(version));
    let build = api.done(api.get(&path)?)?;
    if build["blocked"] != true {
        return Ok(false);
    }
    let text = |name: &str| build[name].as_str().unwrap_or_default().to_owned();
    eprintln!(
        "raceguard: build {version} of {service} is blocked by {}: {}",
        text("blocked_by"),
        text("reason")
    );
    print_hint(format!("when it is mended, release a new version, or DELETE {path} on {server}"));
    Ok(true)
}

/// Reads policies and evidence, and evaluates.
pub fn judge(arguments: &GateArgs) -> Result<Judged, CommandError> {
    let here = here()?;
    let module = module_root()?;
    // First of all: nothing else is looked at while a policy has a mistake.
    let source = Source::find(arguments.policy.as_deref(), &module)?;
    let policies = source.policies(&here)?;
    refuse_unknown("allow", &arguments.allow, &policies)?;
    let runs = runs::judged(&module, &arguments.runs)?;
    for loaded in &runs {
        loaded.evidence.warnings.iter().for_each(print_warning);
    }
    let coverage = coverage_files::read(&arguments.coverage, &module)?;
    let named = arguments.baseline.as_deref();
    let known = if arguments.update_baseline {
        Known::read_if_there(named, &module)?
    } else {
        Known::read(named, &module)?
    };
    let base = arguments.base.clone().or_else(|| ci::base(&variable));
    let changed = changed_lines(base.as_deref(), arguments.base.is_some(), &module)?;
    let head = commit_of(&module).map(|commit| commit.hash);
    let now = Timestamp::now();
    let change = base.as_deref().zip(changed.as_ref());
    let context = Context {
        module: &module,
        change,
        head: head.as_deref(),
        coverage: coverage.as_deref(),
        known: &known,
        now,
    };
    let mut snapshots =
        vec![Snapshot { name: "judged".to_owned(), started: now, facts: facts(&runs, &context) }];
    for earlier in runs::earlier(&module, &runs, &policies, now)? {
        let started = earlier.evidence.run.as_ref().map_or(0, |run| run.started_unix_ns);
        let started = Timestamp::from_nanosecond(started.into()).unwrap_or_default();
        let name = earlier.name.clone();
        // Commits are behind an earlier run, so what was current then is not asked; named coverage is of now.
        let context = Context { head: None, coverage: None, ..context };
        snapshots.push(Snapshot { name, started, facts: facts(&[earlier], &context) });
    }
    let owners = owners(arguments.owners.as_deref(), &module)?;
    let question =
        Question { snapshots: &snapshots, now, owners: owners.as_ref(), allowed: &arguments.allow };
    let evaluation = evaluate(&policies, &question);
    Ok(Judged { source: source.label(&here), policies, module, runs, snapshots, known, evaluation, now })
}

impl Judged {
    /// What there is to say.
    pub fn verdict(&self) -> Verdict<'_> {
        let facts = &self.snapshots[0].facts;
        let baseline = (!self.known.is_empty()).then(|| BaselineView {
            path: below_here(self.known.path()).display().to_string(),
            known: self.known.len(),
            seen: self.known.seen(facts, &self.runs),
            gone: facts.evidence.baseline_gone,
        });
        let repository = self.module.ancestors().find(|above| above.join(".git").exists());
        let prefix = repository.and_then(|root| self.module.strip_prefix(root).ok());
        Verdict {
            evaluation: &self.evaluation,
            policies: self.source.clone(),
            runs: facts.runs.iter().map(|run| (run.mode.clone(), run.id.clone())).collect(),
            baseline,
            tickets: Vec::new(),
            prefix: prefix.map(|prefix| prefix.display().to_string()).unwrap_or_default(),
        }
    }
}

/// A path as the user would write it from where they stand.
fn below_here(path: &Path) -> PathBuf {
    here().map_or_else(|_| path.to_owned(), |here| shown(path, &here).to_owned())
}

/// The current folder.
pub fn here() -> Result<PathBuf, CommandError> {
    std::env::current_dir()
        .map_err(|source| CommandError::System { action: "find the current folder".to_owned(), source })
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Refuses names of policies that there are not.
pub fn refuse_unknown(flag: &str, allowed: &[String], policies: &PolicySet) -> Result<(), GateError> {
    let Some(unknown) = allowed.iter().find(|id| policies.find(id).is_none()) else { return Ok(()) };
    Err(GateError::Usage {
        message: format!("--{flag} {unknown}: there is no such policy"),
        hint: raceguard_policy::problem::suggestion(unknown, policies.ids()),
    })
}

/// The change's lines. A base that only the CI system names may be missing from a shallow checkout; that is told, and
/// what needs it counts as not measured.
fn changed_lines(
    base: Option<&str>,
    is_named: bool,
    module: &Path,
) -> Result<Option<ChangedLines>, CommandError> {
    let Some(base) = base else { return Ok(None) };
    match ChangedLines::since(base, module) {
        Ok(changed) => Ok(Some(changed)),
        Err(error) if is_named => Err(error.into()),
        Err(error) => {
            print_warning(format!("{error}; nothing is compared"));
            Ok(None)
        }
    }
}

/// The owners of files, relative to the repository in which the module lies.
fn owners(named: Option<&Path>, module: &Path) -> Result<Option<Owners>, GateError> {
    const PLACES: [&str; 4] = [".github/CODEOWNERS", ".gitlab/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"];
    let root = module.ancestors().find(|above| above.join(".git").exists()).unwrap_or(module);
    let found = PLACES.map(|place| root.join(place)).into_iter().find(|path| path.is_file());
    let Some(path) = named.map(Path::to_owned).or(found) else { return Ok(None) };
    let text =
        fs::read_to_string(&path).map_err(|source| GateError::File { action: "read", path, source })?;
    let inside = module.strip_prefix(root).unwrap_or(Path::new(""));
    Ok(Some(Owners::parse(&text).inside(&inside.to_string_lossy())))
}

fn update_baseline(arguments: &GateArgs, judged: &Judged) -> Result<u8, CommandError> {
    let facts = &judged.snapshots[0].facts;
    let (known, updated) = judged.known.updated(facts, &judged.runs, arguments.accept_new);
    known.write()?;
    let path = below_here(known.path());
    let findings =
        |count: usize| if count == 1 { "1 finding".to_owned() } else { format!("{count} findings") };
    println!(
        "{}: {} known, {} removed, {} added",
        path.display(),
        findings(updated.known),
        updated.removed,
        updated.added
    );
    let new = facts.findings.iter().filter(|finding| finding.is_new).count();
    if !arguments.accept_new && new > 0 {
        eprintln!("raceguard: {} new and not added: a baseline only shrinks by itself", findings(new));
        print_hint("mend them, or add them with `raceguard gate --update-baseline --accept-new`");
    }
    Ok(0)
}

fn write(arguments: &GateArgs, verdict: &Verdict<'_>) -> Result<(), CommandError> {
    let look = Look { color: false, verbose: arguments.verbose };
    let rendered = |format| {
        let mut bytes = Vec::new();
        render::render(verdict, format, look, &mut bytes).map(|()| bytes)
    };
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| CommandError::from(GateError::File { action: "write", path, source })
    };
    for (format, file) in &arguments.reports {
        let bytes = rendered(*format).map_err(failed(file))?;
        replace_file(file, &bytes).map_err(failed(file))?;
    }
    if let Some(summary) = ci::step_summary(&variable).filter(|_| !arguments.dry_run) {
        let text = rendered(Format::Markdown).map_err(failed(&summary))?;
        ci::append(&summary, &String::from_utf8_lossy(&text)).map_err(failed(&summary))?;
    }
    let options = report::Options::for_stdout(&|_| None);
    let look = Look { color: options.color, ..look };
    let mut out = BufWriter::new(io::stdout().lock());
    match render::render(verdict, arguments.format, look, &mut out).and_then(|()| out.flush()) {
        // A reader that has seen enough (`raceguard gate | head`) is no error.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => {
            other.map_err(|source| CommandError::System { action: "print the verdict".to_owned(), source })
        }
    }
}
