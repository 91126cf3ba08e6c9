//! `raceguard policy … --server`: the policies of a server.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use super::print;
use super::versions::{number, texts, unified};
use crate::commands::gate::here;
use crate::error::{CommandError, print_hint};
use crate::fleet::api::{Answer, Api, path_part};
use crate::fleet::error::SendError;
use crate::gate::error::GateError;

/// Which server.
#[derive(Debug, Clone, Args)]
pub(super) struct ServerArgs {
    /// The server, http://HOST:PORT or https://HOST:PORT
    #[arg(long, value_name = "URL", env = "RACEGUARD_SERVER")]
    server: String,

    /// A token of the server; one that changes policies has the role admin
    #[arg(long, value_name = "TOKEN", env = "RACEGUARD_TOKEN", hide_env_values = true)]
    token: String,

    /// Certificates (PEM) of who signed that of the server; without it those of the public authorities
    #[arg(long, value_name = "FILE", env = "RACEGUARD_CA")]
    ca: Option<PathBuf>,
}

impl ServerArgs {
    fn api(&self) -> Result<Api, SendError> {
        Api::new(&self.server, &self.token, self.ca.as_deref())
    }
}

/// A server instead of files, where one is named.
#[derive(Debug, Clone, Args)]
pub(super) struct MaybeServer {
    /// The policies of a server, http://HOST:PORT or https://HOST:PORT, instead of files
    #[arg(long, value_name = "URL")]
    server: Option<String>,

    /// A token of that server
    #[arg(long, value_name = "TOKEN", env = "RACEGUARD_TOKEN", hide_env_values = true)]
    token: Option<String>,

    /// Certificates (PEM) of who signed that of that server; without it those of the public authorities
    #[arg(long, value_name = "FILE", env = "RACEGUARD_CA")]
    ca: Option<PathBuf>,
}

impl MaybeServer {
    pub(super) fn api(&self) -> Result<Option<Api>, CommandError> {
        let Some(server) = &self.server else { return Ok(None) };
        let Some(token) = &self.token else {
            return Err(GateError::Usage {
                message: "the server asks for a token".to_owned(),
                hint: "give one with --token or RACEGUARD_TOKEN; `raceguard token add NAME --role read` makes one"
                    .to_owned(),
            }
            .into());
        };
        Ok(Some(Api::new(server, token, self.ca.as_deref())?))
    }
}

/// For which services.
#[derive(Debug, Clone, Args)]
pub(super) struct ReleaseTo {
    /// Share of the services, 0 to 1 [default: 1]
    #[arg(long, value_name = "SHARE")]
    share: Option<f64>,

    /// These services (may be repeated)
    #[arg(long = "to-service", value_name = "NAME")]
    services: Vec<String>,
}

impl ReleaseTo {
    fn json(&self) -> Value {
        match self.share {
            Some(share) => json!({"share": share, "services": self.services}),
            None => json!({ "services": self.services }),
        }
    }
}

/// Flags of `raceguard policy push`.
#[derive(Debug, Clone, Args)]
pub(super) struct PushArgs {
    /// Files of policies, or a folder of them; each is known on the server by its name without .yaml
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// What the change is about
    #[arg(long, short = 'm', value_name = "TEXT", default_value = "")]
    message: String,

    /// Also remove what is on the server and not among the files
    #[arg(long)]
    replace: bool,

    /// Only if this is the newest revision there
    #[arg(long, value_name = "REVISION")]
    expect: Option<i64>,

    #[command(flatten)]
    to: ReleaseTo,

    #[command(flatten)]
    server: ServerArgs,
}

/// Flags of `raceguard policy show`.
#[derive(Debug, Clone, Args)]
pub(super) struct ShowArgs {
    /// Name of a policy file on the server, or number of a revision
    #[arg(value_name = "NAME")]
    name: String,

    #[command(flatten)]
    server: ServerArgs,
}

/// Flags of `raceguard policy validate`.
#[derive(Debug, Clone, Args)]
pub(super) struct ValidateArgs {
    /// Files of policies, or a folder of them
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    #[command(flatten)]
    server: ServerArgs,
}

/// Flags of `raceguard policy release`.
#[derive(Debug, Clone, Args)]
pub(super) struct ReleaseArgs {
    /// Number of the revision
    #[arg(value_name = "REVISION")]
    revision: u64,

    #[command(flatten)]
    to: ReleaseTo,

    #[command(flatten)]
    server: ServerArgs,
}

/// Names as the server knows them, and texts.
fn named(files: &[PathBuf]) -> Result<Map<String, Value>, CommandError> {
    let name = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut named = Map::new();
    for (path, text) in texts(files, &here()?)? {
        if named.insert(name(&path), Value::String(text)).is_some() {
            return Err(GateError::Usage {
                message: format!("two files would be named {} on the server", name(&path)),
                hint: "rename one of them".to_owned(),
            }
            .into());
        }
    }
    Ok(named)
}

/// What the server did; mistakes are told on stdout, with exit code 2.
fn told(api: &Api, answer: Answer) -> Result<Value, CommandError> {
    if answer.status == 412 {
        print_hint("somebody else made a revision meanwhile: look at it, and push anew");
    }
    Ok(api.done(answer)?)
}

pub(super) fn push(arguments: &PushArgs) -> Result<u8, CommandError> {
    let api = arguments.server.api()?;
    let mut policies = named(&arguments.files)?;
    let mut expected = arguments.expect;
    if !arguments.replace {
        let there = api.done(api.get("/v1/policies/revisions?limit=1")?)?;
        if let Some(head) = there[0]["number"].as_i64() {
            let head = arguments.expect.unwrap_or(head);
            let whole = api.done(api.get(&format!("/v1/policies/revisions/{head}"))?)?;
            for (name, text) in whole["policies"].as_object().into_iter().flatten() {
                policies.entry(name.clone()).or_insert_with(|| text.clone());
            }
            // What was there is kept as it was then, so nobody may have changed it.
            expected = Some(head);
        }
    }
    let body = json!({"policies": policies, "message": arguments.message, "release": arguments.to.json()});
    let made = told(&api, api.send("POST", "/v1/policies", Some(&body), expected)?)?;
    print(&changed_text(&made))
}

fn changed_text(made: &Value) -> String {
    let revision = &made["revision"]["number"];
    if made["changed"] == false {
        return format!("nothing has changed: revision {revision} is the same\n");
    }
    let share = made["release"]["share"].as_f64().unwrap_or(0.0);
    let services: Vec<&str> =
        made["release"]["services"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut text = match (share >= 1.0, share > 0.0, services.is_empty()) {
        (true, ..) => format!("revision {revision} is in force"),
        (_, true, true) => format!("revision {revision} is in force for {} % of the services", share * 100.0),
        (_, true, false) => format!(
            "revision {revision} is in force for {} % of the services and for {}",
            share * 100.0,
            services.join(", ")
        ),
        (_, false, false) => format!("revision {revision} is in force for {}", services.join(", ")),
        (_, false, true) => format!("revision {revision} is kept and not in force"),
    };
    if let Some(took) = made["took_ms"].as_u64() {
        let _ = write!(text, " after {took} ms");
    }
    text.push('\n');
    text.push_str(&shadow_text(&made["shadow"]));
    text
}

/// What a set would have done.
fn shadow_text(shadow: &Value) -> String {
    let Some(summary) = shadow["summary"].as_str() else { return String::new() };
    let part = if shadow["complete"] == true { "" } else { ", as far as it was looked at" };
    let mut text = format!("in the last hour it {summary}{part}\n");
    for trigger in shadow["triggers"].as_array().into_iter().flatten() {
        for example in trigger["examples"].as_array().into_iter().flatten() {
            let say = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let _ = writeln!(
                text,
                "  {}: {} times, {} {}",
                say(&trigger["trigger"]),
                example["count"],
                say(&example["service"]),
                say(&example["title"])
            );
        }
    }
    for policy in shadow["policies"].as_array().into_iter().flatten() {
        let services = |what: &str| {
            let all = policy[what].as_array().into_iter().flatten().filter_map(Value::as_str);
            all.collect::<Vec<_>>().join(", ")
        };
        let (name, fails, warns) =
            (policy["policy"].as_str().unwrap_or_default(), services("fails"), services("warns"));
        if policy["judged"] == false {
            let _ = writeln!(text, "  {name}: only `raceguard gate` can tell, where the build is");
        }
        for (does, services) in [("fails", fails), ("warns of", warns)] {
            if !services.is_empty() {
                let _ = writeln!(text, "  {name}: {does} {services}");
            }
        }
    }
    text
}

pub(super) fn validate(arguments: &ValidateArgs) -> Result<u8, CommandError> {
    let api = arguments.server.api()?;
    let body = json!({ "policies": named(&arguments.files)? });
    let valid = told(&api, api.send("POST", "/v1/policies/validate", Some(&body), None)?)?;
    print(&format!("nothing is wrong\n{}", shadow_text(&valid["shadow"])))
}

pub(super) fn release(arguments: &ReleaseArgs) -> Result<u8, CommandError> {
    let api = arguments.server.api()?;
    let path = format!("/v1/policies/revisions/{}/release", arguments.revision);
    let released = told(&api, api.send("POST", &path, Some(&arguments.to.json()), None)?)?;
    print(&changed_text(
        &json!({"revision": {"number": released["revision"]}, "release": released["release"]}),
    ))
}

pub(super) fn show(arguments: &ShowArgs) -> Result<u8, CommandError> {
    let api = arguments.server.api()?;
    if arguments.name.chars().all(|c| c.is_ascii_digit()) {
        let path = format!("/v1/policies/revisions/{}", number(&arguments.name)?);
        let whole = api.done(api.get(&path)?)?;
        return print(&format!("{}{}", line(&whole), whole["diff"].as_str().unwrap_or_default()));
    }
    let text = api.done(api.get(&format!("/v1/policies/{}", path_part(&arguments.name)))?)?;
    print(text.as_str().unwrap_or_default())
}

/// A revision in one line.
fn line(revision: &Value) -> String {
    let text = |name: &str| revision[name].as_str().unwrap_or_default().to_owned();
    let made = revision["created_ms"].as_i64().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let made = made.map(|it| it.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default();
    let hash: String = text("sha256").chars().take(12).collect();
    format!(
        "{:>4}  {made}  {hash}  {}  {}  {}\n",
        revision["number"],
        text("source"),
        text("author"),
        text("message")
    )
}

pub(super) fn list(api: &Api) -> Result<u8, CommandError> {
    let there = api.done(api.get("/v1/policies")?)?;
    let revisions = api.done(api.get("/v1/policies/revisions?limit=20")?)?;
    let mut out = format!("revision {} is in force\n", there["revision"]);
    if let Some(canary) = there["canary"]["revision"].as_i64() {
        let _ = writeln!(out, "revision {canary} is tried on some services: {}", there["canary"]["release"]);
    }
    for policy in there["policies"].as_array().into_iter().flatten() {
        let ids = |key: &str| {
            let all = policy[key].as_array().into_iter().flatten();
            all.filter_map(|it| it["id"].as_str()).map(str::to_owned).collect::<Vec<_>>()
        };
        let all = [ids("policies"), ids("triggers")].concat().join(", ");
        let _ = writeln!(out, "  {}: {all}", policy["name"].as_str().unwrap_or_default());
    }
    for revision in revisions.as_array().into_iter().flatten() {
        out.push_str(&line(revision));
    }
    print(&out)
}

/// Shows what differs between two revisions; 1 when something does.
pub(super) fn diff(api: &Api, from: Option<&str>, to: Option<&str>) -> Result<u8, CommandError> {
    let to = match to {
        Some(word) => number(word)?,
        None => api.done(api.get("/v1/policies")?)?["head"].as_u64().unwrap_or(0),
    };
    let from = from.map(number).transpose()?.unwrap_or(to.saturating_sub(1));
    let files = |revision: u64| -> Result<Vec<(PathBuf, String)>, CommandError> {
        if revision == 0 {
            return Ok(Vec::new());
        }
        let whole = api.done(api.get(&format!("/v1/policies/revisions/{revision}"))?)?;
        let policies = whole["policies"].as_object().into_iter().flatten();
        let file = |(name, text): (&String, &Value)| {
            (PathBuf::from(format!("{name}.yaml")), text.as_str().unwrap_or_default().to_owned())
        };
        Ok(policies.map(file).collect())
    };
    let text = unified(&files(from)?, &files(to)?);
    print(&text)?;
    Ok(u8::from(!text.is_empty()))
}

pub(super) fn rollback(api: &Api, to: Option<&str>) -> Result<u8, CommandError> {
    let to = if let Some(word) = to {
        number(word)?
    } else {
        let force = api.done(api.get("/v1/policies")?)?["revision"].as_u64().unwrap_or(0);
        force.saturating_sub(1)
    };
    let made = api.done(api.send("POST", "/v1/policies/rollback", Some(&json!({ "to": to })), None)?)?;
    print(&changed_text(&made))
}
