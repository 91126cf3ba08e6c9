//! What `RACEGUARD=` promises: sampling finds in proportion and never wrongly, a memory limit degrades in the stated
//! order and says so.

mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;
use support::{Ended, GoModule, ended};

/// Races that the sampled program makes, each between two goroutines at a statement of its own.
const RACES: u32 = 2000;

/// A program that makes its races at moments that depend on nothing: the pauses between them are exponentially
/// distributed, 5 ms on average. So each falls into one of the recorded periods by itself, with the probability
/// that is the rate. The other goroutine is a service that always does a little.
fn program_with_many_races() -> String {
    let mut program = String::from(
        "package main\n\nimport (\n\t\"math/rand\"\n\t\"time\"\n)\n\nvar beats [64]int\n\nfunc serve() {\n\
         \tfor i := 0; ; i++ {\n\t\tbeats[i%64]++\n\t\ttime.Sleep(200 * time.Microsecond)\n\t}\n}\n\n\
         func main() {\n\tgo serve()\n\tfor _, write := range writes {\n\
         \t\ttime.Sleep(time.Duration(rand.ExpFloat64() * float64(5*time.Millisecond)))\n\
         \t\tgo write()\n\t\tgo write()\n\t}\n\ttime.Sleep(20 * time.Millisecond)\n}\n",
    );
    write!(program, "\nvar shared [{RACES}]int\n\nvar writes = [...]func(){{").unwrap();
    for race in 0..RACES {
        write!(program, "\n\tfunc() {{ shared[{race}] = 1 }},").unwrap();
    }
    program + "\n}\n"
}

/// A program that works for a second on memory that is shared as it should be: a counter behind a mutex, objects
/// handed over through a channel, a flag of sync/atomic, and results read after a WaitGroup.
const CORRECT_PROGRAM: &str = "package main

import (
	\"fmt\"
	\"sync\"
	\"sync/atomic\"
	\"time\"
)

type job struct{ in, out int }

func main() {
	var (
		mutex   sync.Mutex
		total   int
		byIn    = map[int]int{}
		stop    atomic.Bool
		workers sync.WaitGroup
		jobs    = make(chan *job)
		results [4]int
	)
	for worker := range results {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for job := range jobs {
				job.out = job.in * 2
				results[worker]++
				mutex.Lock()
				total += job.out
				byIn[job.in%100] = job.out
				mutex.Unlock()
			}
		}()
	}
	time.AfterFunc(time.Second, func() { stop.Store(true) })
	sent := 0
	for !stop.Load() {
		jobs <- &job{in: sent}
		sent++
	}
	close(jobs)
	workers.Wait()
	done := 0
	for _, result := range results {
		done += result
	}
	fmt.Println(done == sent && total == sent*(sent-1))
}
";

fn run_with_options(program: &Path, options: &str) -> Ended {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .env("RACEGUARD", options)
        .env_remove("GORACE")
        .env_remove("RACEGUARD_EVIDENCE");
    ended(&command.output().expect("the program starts"))
}

fn built(module: &GoModule) -> std::path::PathBuf {
    module.raceguard(&["build", "-o", "app", "."]).expect(0, &[]);
    module.join("app")
}

/// The number found is binomially distributed: [`RACES`] trials, each with the rate as its probability. Four
/// standard deviations to either side are left by chance once in 15,000 runs. A tenth more is for periods that end
/// late because the machine is busy.
#[test]
fn sampling_finds_races_in_proportion_to_its_rate() {
    let module = GoModule::new(&[("main.go", &program_with_many_races())]);
    let app = built(&module);
    thread::scope(|scope| {
        for (options, rate) in [("sample=1%", 0.01), ("sample=10%", 0.1), ("sample=100%", 1.0)] {
            let app = &app;
            scope.spawn(move || {
                let ended = run_with_options(app, options);
                let found =
                    f64::from(u32::try_from(ended.stderr.matches("WARNING: DATA RACE").count()).unwrap());
                let expected = f64::from(RACES) * rate;
                let deviation = (expected * (1.0 - rate)).sqrt();
                let tolerance = 4.0 * deviation + 0.1 * (1.0 - rate) * expected;
                assert!(
                    (found - expected).abs() <= tolerance,
                    "{options} found {found} of {RACES}, expected {expected} ± {tolerance:.1}"
                );
            });
        }
    });
}

#[test]
fn sampling_reports_nothing_where_nothing_is_wrong() {
    let module = GoModule::new(&[("main.go", CORRECT_PROGRAM)]);
    let app = built(&module);
    for options in ["sample=1%", "sample=10%", "sample=50%"] {
        let ended = run_with_options(&app, options);
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
            (0, "true\n", ""),
            "{options}"
        );
    }
}

/// Steps of the program that needs more and more memory.
const STEPS: usize = 40;

/// Each step makes a race on a fresh object at a statement of its own, lets forty goroutines read it that nobody
/// waits for, overwrites it, and touches another megabyte.
fn program_that_grows() -> String {
    let mut program = String::from(
        "package main\n\nimport \"time\"\n\ntype object struct{ raced, crowded int }\n\nvar kept [][]byte\n\n\
         func read(o *object) int { return o.crowded }\n\nfunc overwrite(o *object) { o.crowded = 1 }\n\n\
         func main() {\n\tfor _, write := range writes {\n\t\to := new(object)\n\t\tgo write(o)\n\t\tgo write(o)\n\
         \t\tfor range 40 {\n\t\t\tgo read(o)\n\t\t}\n\t\ttime.Sleep(2 * time.Millisecond)\n\t\tgo overwrite(o)\n\
         \t\ttime.Sleep(2 * time.Millisecond)\n\t\tfill := make([]byte, 1<<20)\n\t\tfor i := range fill {\n\
         \t\t\tfill[i] = 1\n\t\t}\n\t\tkept = append(kept, fill)\n\t}\n}\n\nvar writes = [...]func(*object){",
    );
    for step in 0..STEPS {
        write!(program, "\n\tfunc(o *object) {{ o.raced = {step} }},").unwrap();
    }
    program + "\n}\n"
}

const FIRST_NOTE: &str = "memory_limit reached: allocation stacks are not recorded any more";
const SECOND_NOTE: &str = "memory_limit exceeded: of concurrent readers only the last one was kept";

/// What the runtime had given up when it found a race: nothing, allocation stacks, readers too.
fn stage(race: &Value) -> usize {
    let notes: Vec<&str> =
        race["notes"].as_array().into_iter().flatten().map(|note| note.as_str().unwrap()).collect();
    match notes[..] {
        [] => 0,
        [first] if first == FIRST_NOTE => 1,
        [first, second] if first == FIRST_NOTE && second.starts_with(SECOND_NOTE) => 2,
        _ => panic!("notes in another order than stated: {notes:?}"),
    }
}

fn statements(races: &[Value]) -> BTreeSet<String> {
    let functions = races.iter().map(|race| race["accesses"][1]["stack"][0]["function"].to_string());
    functions.collect()
}

#[test]
fn a_memory_limit_gives_up_allocation_stacks_then_readers_and_says_so() {
    let module = GoModule::new(&[("main.go", &program_that_grows())]);
    let unlimited = module.raceguard(&["run", "--no-report", "."]);
    assert_eq!(unlimited.code, 1, "{unlimited}");
    let all = module.records_of("race");
    assert_eq!(statements(&all).len(), STEPS + 1, "every write races, and the reads with the last one");
    assert!(all.iter().all(|race| stage(race) == 0));

    let limited = support::run(
        module.command(&["run", "--format", "text", "."]).env("RACEGUARD", "memory_limit=24MiB"),
    );
    limited.expect(1, &["= note: memory_limit reached", "= note: memory_limit exceeded"]);
    let races = module.records_of("race");
    assert_eq!(statements(&races), statements(&all), "the races themselves are all found");
    let stages: Vec<usize> = races.iter().map(stage).collect();
    assert!(stages.is_sorted(), "nothing is taken back: {stages:?}");
    for expected in 0..=2 {
        assert!(stages.contains(&expected), "no race at stage {expected}: {stages:?}");
    }
    for race in &races {
        let has_allocation = !race["object"]["allocation"].is_null();
        assert_eq!(has_allocation, stage(race) == 0, "{race:#}");
    }

    let json = module.raceguard(&["report", "--format", "json"]);
    assert!(json.stdout.contains(FIRST_NOTE) && json.stdout.contains(SECOND_NOTE), "{json}");
}
