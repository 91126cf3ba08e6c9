//! `raceguard policy`: policies checked, tested, explained, and their versions.

mod explain;
mod remote;
mod versions;

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use raceguard_policy::examples::test;
use raceguard_policy::schema::json_schema;
use raceguard_policy::{DEFAULT_TEXT, PolicySet};

use super::gate::here;
use super::report::module_root;
use crate::check::fix::atomic::replace_file;
use crate::error::{CommandError, print_hint, print_warning};
use crate::gate::error::GateError;
use crate::gate::in_force::{FILE_NAMES, Source, own_file, shown};

/// Flags of `raceguard policy`.
#[derive(Debug, Clone, Args)]
pub struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum PolicyCommand {
    /// Look for mistakes in policies [default: those in force]
    Check {
        /// A file, a folder of .yaml files, or a folder of revisions
        #[arg(value_name = "PATH")]
        path: Option<PathBuf>,
    },
    /// Run the examples of policies: what must match, and what must not
    Test {
        /// A file, a folder of .yaml files, or a folder of revisions
        #[arg(value_name = "PATH")]
        path: Option<PathBuf>,
    },
    /// List the policies in force
    List {
        /// A file, a folder of .yaml files, or a folder of revisions
        #[arg(value_name = "PATH", conflicts_with = "server")]
        path: Option<PathBuf>,

        #[command(flatten)]
        remote: remote::MaybeServer,
    },
    /// Send policies to a server and bring them into force there
    Push(remote::PushArgs),
    /// Print a policy of a server as it is in force, or what a revision changed
    Show(remote::ShowArgs),
    /// Ask a server what is wrong with policies, and what they would have done in the last hour
    Validate(remote::ValidateArgs),
    /// Bring a revision of a server into force for a share of the services, or for all
    Release(remote::ReleaseArgs),
    /// Say of each policy what it looks at in a run, what matches, and why it decides so
    Explain(explain::ExplainArgs),
    /// Print the default policies
    Default,
    /// Write the default policies to raceguard-policy.yaml of the module, to be changed
    Init,
    /// Print the JSON Schema of policies, for editors
    Schema,
    /// Bring policies into force, if nothing is wrong with them
    Apply(versions::ApplyArgs),
    /// List the versions of the policies in force
    History(versions::StoreArgs),
    /// Show what differs between two versions
    Diff(versions::DiffArgs),
    /// Bring an earlier version into force again
    Rollback(versions::RollbackArgs),
}

/// Runs a command on policies.
pub fn run(arguments: &PolicyArgs) -> Result<u8, CommandError> {
    match &arguments.command {
        PolicyCommand::Check { path } => check(path.as_deref()),
        PolicyCommand::Test { path } => test_examples(path.as_deref()),
        PolicyCommand::List { path, remote } => match remote.api()? {
            Some(api) => remote::list(&api),
            None => list(path.as_deref()),
        },
        PolicyCommand::Push(arguments) => remote::push(arguments),
        PolicyCommand::Show(arguments) => remote::show(arguments),
        PolicyCommand::Validate(arguments) => remote::validate(arguments),
        PolicyCommand::Release(arguments) => remote::release(arguments),
        PolicyCommand::Explain(arguments) => explain::run(arguments),
        PolicyCommand::Default => print(DEFAULT_TEXT),
        PolicyCommand::Init => init(),
        PolicyCommand::Schema => print(&schema_text()),
        PolicyCommand::Apply(arguments) => versions::apply(arguments),
        PolicyCommand::History(arguments) => versions::history(arguments),
        PolicyCommand::Diff(arguments) => versions::diff(arguments),
        PolicyCommand::Rollback(arguments) => versions::rollback(arguments),
    }
}

/// The schema as it is published.
fn schema_text() -> String {
    format!("{:#}\n", json_schema())
}

/// Prints; a reader that has seen enough is no error.
fn print(text: &str) -> Result<u8, CommandError> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CommandError::System { action: "print".to_owned(), source: error })
        }
        _ => Ok(0),
    }
}

fn find(path: Option<&Path>) -> Result<(Source, PolicySet, PathBuf), CommandError> {
    let here = here()?;
    let source = Source::find(path, &module_root()?)?;
    let policies = source.policies(&here)?;
    Ok((source, policies, here))
}

fn counted(count: usize) -> String {
    if count == 1 { "1 policy".to_owned() } else { format!("{count} policies") }
}

fn check(path: Option<&Path>) -> Result<u8, CommandError> {
    let (source, policies, here) = find(path)?;
    tell_expired(&policies);
    let triggers = match policies.triggers.len() {
        0 => String::new(),
        1 => " and 1 trigger".to_owned(),
        count => format!(" and {count} triggers"),
    };
    let counted = counted(policies.policies.len());
    print(&format!("{}: {counted}{triggers}, nothing is wrong\n", source.label(&here)))
}

/// What has ended is no mistake, but somebody should know.
fn tell_expired(policies: &PolicySet) {
    use raceguard_policy::policy::Response;
    let now = Timestamp::now();
    for policy in &policies.policies {
        if let Some(until) = policy.valid.until.as_ref().filter(|until| until.time <= now) {
            print_warning(format!(
                "policy {} is no longer in force: it ended with {}",
                policy.id, until.text
            ));
        }
        for threshold in &policy.responses {
            if let Response::Quarantine(quarantine) = &threshold.response
                && quarantine.until.time <= now
            {
                let until = &quarantine.until.text;
                print_warning(format!(
                    "the quarantine of policy {} ended with {until}: its findings count again",
                    policy.id
                ));
            }
        }
    }
}

fn test_examples(path: Option<&Path>) -> Result<u8, CommandError> {
    let (_, policies, _) = find(path)?;
    let tested = test(&policies, Timestamp::now());
    let mut failures = 0;
    let mut text = String::new();
    for example in &tested {
        let Some(failure) = &example.failure else { continue };
        failures += 1;
        let _ = writeln!(
            text,
            "{}:{}:{}: {} of {}: {failure}",
            example.file.display(),
            example.at.line,
            example.at.column,
            example.name,
            example.policy
        );
    }
    for trigger in &policies.triggers {
        let Some((at, message)) = trigger.failing_example() else { continue };
        failures += 1;
        let _ = writeln!(text, "{}:{}:{}: {message}", trigger.file.display(), at.line, at.column);
    }
    let without: Vec<&str> =
        policies.policies.iter().filter(|it| it.examples.is_empty()).map(|it| it.id.as_str()).collect();
    if !without.is_empty() {
        let _ = writeln!(text, "without an example: {}", without.join(", "));
    }
    let examples = match tested.len() + policies.triggers.iter().map(|it| it.examples.len()).sum::<usize>() {
        1 => "1 example".to_owned(),
        count => format!("{count} examples"),
    };
    let _ = writeln!(text, "{examples} of {}, {failures} failed", counted(policies.policies.len()));
    print(&text)?;
    Ok(u8::from(failures > 0))
}

fn list(path: Option<&Path>) -> Result<u8, CommandError> {
    let (source, policies, here) = find(path)?;
    let mut text = format!("{}\n", source.label(&here));
    let ids = policies.ids().chain(policies.triggers.iter().map(|it| it.id.as_str()));
    let width = ids.map(str::len).max().unwrap_or(0);
    for policy in &policies.policies {
        let responses: Vec<String> =
            policy.responses.iter().map(|it| format!("{} from {}", it.response, it.at)).collect();
        let _ = writeln!(
            text,
            "  {:width$}  v{} {}  {}; {}",
            policy.id,
            policy.version,
            policy.hash,
            policy.description,
            responses.join(", ")
        );
    }
    for trigger in &policies.triggers {
        let responses: Vec<&str> =
            trigger.responses.iter().map(raceguard_policy::trigger::Act::name).collect();
        let _ = writeln!(
            text,
            "  {:width$}  v{} {}  {}; on a server: {}",
            trigger.id,
            trigger.version,
            trigger.hash,
            trigger.description,
            responses.join(", ")
        );
    }
    print(&text)
}

fn init() -> Result<u8, CommandError> {
    let (here, module) = (here()?, module_root()?);
    if let Some(path) = own_file(&module) {
        return Err(GateError::Usage {
            message: format!("{} is there already", shown(&path, &here).display()),
            hint: "`raceguard policy default` prints the default policies, to compare with".to_owned(),
        }
        .into());
    }
    let path = module.join(FILE_NAMES[0]);
    replace_file(&path, DEFAULT_TEXT.as_bytes()).map_err(|source| GateError::File {
        action: "write",
        path: path.clone(),
        source,
    })?;
    print(&format!("wrote {}\n", shown(&path, &here).display()))?;
    print_hint("change a threshold, then `raceguard policy test`; commit the file");
    Ok(0)
}

/// Reads a file for a command.
fn read_file(path: &Path) -> Result<String, GateError> {
    fs::read_to_string(path).map_err(|source| GateError::File {
        action: "read",
        path: path.to_owned(),
        source,
    })
}
