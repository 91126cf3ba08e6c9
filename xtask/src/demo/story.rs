//! The whole loop on the payment gateway: check and test find, a run under load dies and leaves a crash log and a
//! profile of its locks, explain makes one diagnosis of it, the gate fails, the fix is applied, the gate passes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::examples::{Example, SHOWN};
use crate::failure::Failure;
use crate::report_line::step;
use crate::toolchain::Go;
use crate::{process, raceguard, workspace};

/// Tells the story, in a copy of the example.
pub(super) fn tell(example: &Example, go: &Go, raceguard: &raceguard::Source) -> Result<(), Failure> {
    let started = Instant::now();
    let story = Story { module: copy(example)?, go, raceguard };
    step(&format!("the whole loop, in a copy of examples/{SHOWN}: {}", workspace::shown(&story.module)));
    story.raceguard(&["check"], 1, "static analysis finds the map that is shared")?;
    story.raceguard(&["test", "./..."], 1, "the tests race on it")?;
    story.load()?;
    story.raceguard(&["ingest", "crash.log", "mutex.pb.gz"], 0, "what the run under load left behind")?;
    story.raceguard(&["explain"], 1, "one diagnosis of all of it")?;
    story.raceguard(&["explain", "-o", "diagnosis.html"], 1, "and as a page")?;
    story.raceguard(&["gate"], 1, "the gate fails")?;
    story.fix(&example.folder())?;
    story.raceguard(&["check"], 0, "static analysis finds nothing more")?;
    story.raceguard(&["test", "./..."], 0, "nor do the tests")?;
    story.raceguard(&["gate"], 0, "the gate passes")?;
    step(&format!(
        "the loop took {:.0} s; the page: {}",
        started.elapsed().as_secs_f64(),
        story.module.join("diagnosis.html").display()
    ));
    Ok(())
}

struct Story<'a> {
    module: PathBuf,
    go: &'a Go,
    raceguard: &'a raceguard::Source,
}

impl Story<'_> {
    /// Runs a command of raceguard, whose output the reader sees, and demands its exit code.
    fn raceguard(&self, arguments: &[&str], code: i32, why: &str) -> Result<(), Failure> {
        step(why);
        println!("$ raceguard {}", arguments.join(" "));
        let mut command = self.raceguard.command(self.go)?;
        let status = process::run(command.args(arguments).current_dir(&self.module))?;
        if status.code() == Some(code) {
            return Ok(());
        }
        Err(Failure::Findings(format!(
            "`raceguard {}` in {} ended with {status} instead of {code}",
            arguments.join(" "),
            self.module.display()
        )))
    }

    /// The gateway under load, until it dies as it dies in production.
    fn load(&self) -> Result<(), Failure> {
        step("the gateway under load, until it dies");
        println!("$ go run ./load mutex.pb.gz 2> crash.log");
        let mut command = self.go.command();
        command.args(["run", "./load", "mutex.pb.gz"]).current_dir(&self.module);
        let finished = process::collect(&mut command)?;
        if finished.status.success() || !finished.stderr.contains("fatal error: concurrent map") {
            return Err(Failure::Findings(format!(
                "the gateway under load was to die of concurrent map access, but ended with {}\n{}",
                finished.status, finished.stderr
            )));
        }
        print!("{}", finished.stderr.lines().next().map(|line| format!("{line}\n")).unwrap_or_default());
        workspace::write(&self.module.join("crash.log"), &finished.stderr)
    }

    /// Puts the corrected files of the example into the place of the broken ones.
    fn fix(&self, example: &Path) -> Result<(), Failure> {
        step("the fix is applied: one immutable map, swapped through an atomic.Pointer");
        println!("$ rm health.go; cp fixed/*.go .");
        let health = self.module.join("health.go");
        fs::remove_file(&health).map_err(|error| Failure::file("remove", &health, &error))?;
        copy_files(&example.join("fixed"), &self.module)?;
        let fixed = self.module.join("fixed");
        fs::remove_dir_all(&fixed).map_err(|error| Failure::file("remove", &fixed, &error))
    }
}

/// A fresh copy of the example among the products of the demo.
fn copy(example: &Example) -> Result<PathBuf, Failure> {
    let module = workspace::products("demo")?.join("story");
    if module.exists() {
        fs::remove_dir_all(&module).map_err(|error| Failure::file("remove", &module, &error))?;
    }
    for folder in ["", "load", "fixed"] {
        let target = module.join(folder);
        fs::create_dir_all(&target).map_err(|error| Failure::file("create", &target, &error))?;
        copy_files(&example.folder().join(folder), &target)?;
    }
    // The copy lies inside this repository's target folder, whose commits say nothing about it.
    let mut git = Command::new("git");
    git.args(["init", "--quiet"]).current_dir(&module);
    process::demand(&mut git, "install git")?;
    Ok(module)
}

fn copy_files(from: &Path, to: &Path) -> Result<(), Failure> {
    let entries = fs::read_dir(from).map_err(|error| Failure::file("list", from, &error))?;
    for entry in entries.flatten() {
        let path = entry.path();
        let is_source =
            path.extension().is_some_and(|extension| extension == "go") || path.ends_with("go.mod");
        if is_source && path.is_file() {
            let target = to.join(entry.file_name());
            fs::copy(&path, &target).map_err(|error| Failure::file("copy", &path, &error))?;
        }
    }
    Ok(())
}
