//! What a check does, by `raceguard.toml` and the command line. The command line wins.

use std::path::{Path, PathBuf};

use raceguard_analyzer::source::{BuildContext, Environment, FileSystem};

use super::analysis::{Request, module_root};
use super::baseline;
use super::config::{self, Config};
use super::error::CheckError;
use super::globs::FileGlob;
use super::selection::{Selection, Selector};
use crate::commands::check::CheckArgs;

/// Everything that a check depends on.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What to analyse.
    pub request: Request,
    /// Which findings are shown.
    pub selection: Selection,
    /// Files whose findings are left out.
    pub exclude: Vec<FileGlob>,
    /// Codes that are left out in some files.
    pub per_file_ignores: Vec<(FileGlob, Vec<Selector>)>,
    /// The baseline.
    pub baseline: Option<PathBuf>,
    /// Whether nobody named the baseline, so that only updating it finds it.
    pub baseline_is_unnamed: bool,
    /// The module's folder.
    pub module: PathBuf,
    /// The configuration file.
    pub config: Option<PathBuf>,
}

impl Settings {
    /// Reads the configuration and joins it with the flags. `patterns` are those of the command line.
    pub fn new(arguments: &CheckArgs, folder: &Path, patterns: Vec<String>) -> Result<Self, CheckError> {
        let module = module_root(folder);
        let path = config::find(&module);
        let config = path.as_deref().map(config::read).transpose()?.unwrap_or_default();
        let variable = |name: &str| std::env::var_os(name);
        let environment = Environment::from_variables(&FileSystem, folder.to_owned(), &variable);
        let baseline =
            arguments.baseline.as_ref().map(|file| folder.join(file)).or_else(|| config.baseline.clone());
        let baseline_is_unnamed = baseline.is_none();
        let baseline = match baseline {
            None if arguments.update_baseline => Some(module.join(baseline::DEFAULT_NAME)),
            other => other,
        };
        Ok(Self {
            request: Request {
                environment,
                build: build(arguments, &config, &variable),
                patterns,
                tests: !arguments.no_tests && config.tests.unwrap_or(true),
            },
            selection: selection(arguments, &config)?,
            exclude: config.exclude,
            per_file_ignores: config.per_file_ignores,
            baseline,
            baseline_is_unnamed,
            module,
            config: path,
        })
    }
}

fn build(
    arguments: &CheckArgs,
    config: &Config,
    variable: &dyn Fn(&str) -> Option<std::ffi::OsString>,
) -> BuildContext {
    let named = |flag: &Option<String>, name: &str| {
        let from_variable = || variable(name)?.into_string().ok().filter(|value| !value.is_empty());
        flag.clone().or_else(from_variable)
    };
    let default = BuildContext::default();
    let goos = named(&arguments.goos, "GOOS").unwrap_or(default.goos);
    let goarch = named(&arguments.goarch, "GOARCH").unwrap_or(default.goarch);
    let mut build = BuildContext::new(&goos, &goarch);
    build.cgo = variable("CGO_ENABLED").is_none_or(|value| value != "0");
    let tags = if arguments.tags.is_empty() { &config.tags } else { &arguments.tags };
    build.tags.extend(tags.iter().filter(|tag| !tag.is_empty()).cloned());
    build
}

fn selection(arguments: &CheckArgs, config: &Config) -> Result<Selection, CheckError> {
    let selectors = |flag: &str, words: &[String], fallback: &[Selector]| {
        if words.is_empty() {
            return Ok(fallback.to_vec());
        }
        let read = |word: &String| {
            Selector::parse(word).map_err(|reason| CheckError::Usage {
                message: format!("--{flag} {word}: {reason}"),
                hint: "`raceguard rule` lists all rules".to_owned(),
            })
        };
        words.iter().map(read).collect()
    };
    let selection = Selection {
        select: selectors("select", &arguments.select, &config.select)?,
        ignore: selectors("ignore", &arguments.ignore, &config.ignore)?,
        severity: arguments.severity.map(Into::into).or_else(|| config.severity.clone()),
    };
    match selection.conflict() {
        None => Ok(selection),
        // What is ignored in the file may be selected by a flag, and the other way round.
        Some(_) if arguments.select.is_empty() != arguments.ignore.is_empty() => {
            let (select, ignore) = (&selection.select, &selection.ignore);
            let without = |ours: &[Selector], others: &[Selector]| {
                ours.iter().filter(|selector| !others.contains(selector)).cloned().collect()
            };
            Ok(if arguments.select.is_empty() {
                Selection { select: without(select, ignore), ..selection }
            } else {
                Selection { ignore: without(ignore, select), ..selection }
            })
        }
        Some(code) => Err(CheckError::Usage {
            message: format!("--select and --ignore both name {code}"),
            hint: "remove it from one of the two".to_owned(),
        }),
    }
}
