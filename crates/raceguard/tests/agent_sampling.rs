//! A server that wants more of a canary's races raises its sampling through the agent, and lowers it again when the agent
//! finds that it costs too much.

mod agent_support;
mod serve_support;
mod support;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use agent_support::{Place, append, evidence};
use serve_support::{free_port, get, raceguard, text, token};
use support::GoModule;

/// A service with profiles that does nothing but touch memory.
const SERVICE: &str = "package main

import (
	\"net/http\"
	_ \"net/http/pprof\"
	\"os\"
)

var table [4096]int

func main() {
	go http.ListenAndServe(os.Args[1], nil)
	for n := 0; ; n++ {
		for i := range table {
			table[i] += n
		}
	}
}
";

/// Killed when dropped.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const TRIGGER: &str = "schema: 1
triggers:
  - id: look-closer
    version: 1
    description: a canary races
    when: sighting.kind == 'race' && sighting.environment == 'canary'
    window: 1h
    group_by: [service, environment]
    responses:
      - raise-sampling: {rate: 0.5, for: 30m, max_overhead: 0.05}
";

fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_mins(2), "not in two minutes: {what}");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn the_sampling_of_a_canary_is_raised_and_lowered_when_it_costs_too_much() {
    let place = Place::new();
    let admin = token(&place.folder.path().join("data"), "admin");
    let _server = place.server();
    let policy = place.folder.path().join("look-closer.yaml");
    fs::write(&policy, TRIGGER).expect("it is written");
    let flags = ["policy", "push", "--server", &place.base(), "--token", &admin];
    let pushed = raceguard().args(flags).arg(&policy).output().expect("it runs");
    assert!(pushed.status.success(), "{}", text(&pushed));

    let module = GoModule::new(&[("main.go", SERVICE)]);
    let built = module.raceguard(&["build", "-o", "service", "."]);
    assert_eq!(built.code, 0, "{built}");
    let port = free_port();
    let runs = place.logs().join("run");
    fs::create_dir(&runs).expect("it is made");
    let canary = "service = \"pay\"\nenvironment = \"canary\"\n";
    place.configure(&format!(
        "instructions = \"300ms\"\n[[pprof]]\nurl = \"http://127.0.0.1:{port}\"\nevery = \"1h\"\n{canary}\
         [[tail]]\npaths = [\"{}/run/evidence.jsonl\"]\nformat = \"evidence\"\n{canary}\
         [[tail]]\npaths = [\"{}/none\"]\nservice = \"pay\"\nenvironment = \"production\"\n",
        place.logs().display(),
        place.logs().display(),
    ));
    let agent = place.agent(Stdio::null());
    append(&runs.join("evidence.jsonl"), &evidence(1));
    let sampling = place.folder.path().join("agent/sampling");
    let said = || fs::read_to_string(sampling.join("pay@canary.env")).unwrap_or_default();
    wait_for("the rate is raised", || said() == "RACEGUARD=sample=0.5\n");
    assert!(!sampling.join("pay@production.env").exists(), "only the canary's");

    // The service starts anew, as its unit would start it.
    let mut service = Command::new(module.join("service"));
    service
        .current_dir(module.path())
        .arg(format!("127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    service.env("RACEGUARD", said().trim().trim_start_matches("RACEGUARD="));
    let _service = Service(service.spawn().expect("it starts"));
    wait_for("the rate is lowered", || said() == "RACEGUARD=sample=0.25\n");
    let instructions =
        get(&place.base(), &place.write, "/v1/agent/instructions?service=pay&environment=canary");
    assert_eq!(instructions["sampling"][0]["rate"], 0.25, "{instructions}");
    drop(agent);
}
