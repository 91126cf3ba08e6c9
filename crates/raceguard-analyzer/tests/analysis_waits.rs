//! Waits that order, and how sure a report is where a wait only may: each function named `Safe…` must not be reported,
//! each named `Sure…` must be as an error, each named `Maybe…` as a warning at most.

use std::collections::BTreeMap;

use raceguard_analyzer::check::check;
use raceguard_analyzer::finding::{Finding, Severity};
use raceguard_analyzer::source::{BuildContext, Environment, LoadOptions, MemoryTree, load};
use raceguard_analyzer::types::standard_library::WithStandardLibrary;

/// The functions of the program that findings are about.
fn check_main(program: &str) -> Vec<String> {
    let found = findings("main.go", program);
    found.iter().flat_map(|finding| &finding.sites).map(|site| site.function.to_string()).collect()
}

fn findings(file: &str, program: &str) -> Vec<Finding> {
    let disk = MemoryTree::new()
        .with_file("/app/go.mod", "module m\n\ngo 1.26\n")
        .with_file(&format!("/app/{file}"), format!("package main\n{program}"));
    let mut environment = Environment::new("/app");
    environment.goroot = Some(WithStandardLibrary::GOROOT.into());
    let tree = WithStandardLibrary::new(&disk);
    let patterns = ["./...".to_owned()];
    let options = LoadOptions::default();
    let loaded = load(&tree, &environment, &BuildContext::default(), &patterns, &options, &mut |_| {});
    let checked = check(&loaded);
    assert!(checked.lowered.errors.is_empty(), "{:?}", checked.lowered.errors);
    checked.findings
}

/// The functions of the program that findings are about, with the worst severity of each.
fn reported(file: &str, program: &str) -> BTreeMap<String, Severity> {
    let mut worst = BTreeMap::new();
    for finding in findings(file, program) {
        for site in &finding.sites {
            let name = site.function.trim_start_matches("main.");
            let name = name.split('.').next().unwrap_or(name).to_owned();
            let known = worst.entry(name).or_insert(finding.severity);
            *known = (*known).max(finding.severity);
        }
    }
    worst
}

fn judge(program: &str) {
    judge_file("main.go", program);
}

fn judge_file(file: &str, program: &str) {
    let reported = reported(file, program);
    let declared = program.lines().filter_map(|line| line.strip_prefix("func ")?.split('(').next());
    for name in declared {
        let severity = reported.get(name).copied();
        let verdict = name.to_lowercase();
        let fits = match verdict.as_str() {
            it if it.starts_with("safe") => severity.is_none(),
            it if it.starts_with("sure") => severity == Some(Severity::Error),
            it if it.starts_with("maybe") => severity.is_some_and(|severity| severity != Severity::Error),
            _ => true,
        };
        assert!(fits, "{name} is {severity:?}; reported: {reported:?}");
    }
}

#[test]
fn a_wait_beside_the_start_orders_all_that_follows() {
    judge(
        r#"
import "sync"

func SafeStartedAndJoinedInOneArm(parallel bool) int {
	total := 0
	if parallel {
		var group sync.WaitGroup
		group.Add(1)
		go func() { defer group.Done(); total++ }()
		group.Wait()
	}
	total++
	return total
}

type store struct{ loaded []int }

func (s *store) load(n int) error {
	if n == 0 {
		return nil
	}
	var group sync.WaitGroup
	for i := range n {
		group.Add(1)
		go func() { defer group.Done(); s.loaded[i] = i }()
	}
	group.Wait()
	return nil
}

func SafeJoinedInTheCallee() int {
	s := &store{loaded: make([]int, 8)}
	_ = s.load(8)
	s.loaded = nil
	return len(s.loaded)
}

func SureStartedBeforeTheArm(wait bool) int {
	total := 0
	go func() { total++ }()
	if wait {
		println(total)
	}
	return total
}
"#,
    );
}

const WAYS_OUT: &str = r#"
import (
	"log"
	"time"
)

func await(done chan bool) {
	for {
		select {
		case <-done:
			return
		default:
			time.Sleep(1)
		}
	}
}

func SafeHelperReturnsOnlyThen() int {
	total := 0
	done := make(chan bool)
	go func() { total++; done <- true }()
	await(done)
	return total
}

func SafeLoopLeftOnlyThen() int {
	total := 0
	done := make(chan bool)
	go func() { total++; close(done) }()
poll:
	for {
		select {
		case <-done:
			break poll
		default:
		}
	}
	return total
}

func fail() { log.Fatal("too late") }

func SafeOtherwiseTheProcessEnds() int {
	total := 0
	done := make(chan bool)
	go func() { total++; close(done) }()
	select {
	case <-done:
	case <-time.After(time.Second):
		fail()
	}
	return total
}

func MaybeAfterATimeout() int {
	total := 0
	done := make(chan bool)
	go func() { total++; close(done) }()
	select {
	case <-done:
	case <-time.After(time.Second):
	}
	return total
}
"#;

#[test]
fn each_way_out_may_wait() {
    judge(WAYS_OUT);
}

#[test]
fn method_values_of_the_library_do_what_they_name() {
    judge(
        r#"
import "sync"

type crew struct {
	group sync.WaitGroup
	done  int
}

func (c *crew) start() func() {
	c.group.Add(1)
	go func() { defer c.group.Done(); c.done++ }()
	return c.group.Wait
}

func SafeWaitHandedOut() int {
	c := &crew{}
	wait := c.start()
	wait()
	return c.done
}

func SafeWaitGroupHandedOut() int {
	total := 0
	group := begin(&total)
	group.Wait()
	return total
}

func begin(total *int) (group *sync.WaitGroup) {
	group = new(sync.WaitGroup)
	group.Add(1)
	go func() { defer group.Done(); *total++ }()
	return
}

func SafeCountedByTheSender(items []int) int {
	seen := 0
	work := make(chan int)
	var group sync.WaitGroup
	go func() {
		for range work {
			go func() {
				defer group.Done()
			}()
		}
	}()
	for _, item := range items {
		group.Add(1)
		work <- item
	}
	group.Wait()
	close(work)
	seen++
	return seen
}
"#,
    );
}

const OWN_AND_STRIPED_LOCKS: &str = r#"
import (
	"sync"
	"sync/atomic"
)

type spin struct{ state atomic.Int32 }

func (s *spin) Lock() {
	for !s.state.CompareAndSwap(0, 1) {
	}
}
func (s *spin) Unlock() { s.state.Store(0) }

func SafeOwnLock() {
	var lock spin
	seen := map[int]bool{}
	go func() { lock.Lock(); seen[1] = true; lock.Unlock() }()
	lock.Lock()
	seen[2] = true
	lock.Unlock()
}

type keyed struct{ held sync.Map }

func (k *keyed) Lock(key string)   { k.held.Store(key, true) }
func (k *keyed) Unlock(key string) { k.held.Delete(key) }

func MaybeKeyedLock(mine, yours string) {
	var lock keyed
	seen := map[int]bool{}
	go func() { lock.Lock(mine); seen[1] = true; lock.Unlock(mine) }()
	lock.Lock(yours)
	seen[2] = true
	lock.Unlock(yours)
}

type striped struct {
	size  int
	locks []sync.Mutex
	parts []map[string]int
}

func (s *striped) sum() (total int) {
	for i := 0; i < s.size; i++ {
		s.locks[i].Lock()
		part := s.parts[i]
		for _, n := range part {
			total += n
		}
		s.locks[i].Unlock()
	}
	return total
}

func (s *striped) add(key int) {
	i := key & 7
	s.locks[i].Lock()
	s.parts[i]["x"] = 1
	s.locks[i].Unlock()
}

func (s *striped) addElsewhere(key int) {
	i := key & 7
	j := key & 3
	s.locks[j].Lock()
	s.parts[i]["x"] = 1
	s.locks[j].Unlock()
}

func SafeStriped(key int) {
	s := &striped{locks: make([]sync.Mutex, 8), parts: make([]map[string]int, 8)}
	go func() { s.sum() }()
	s.add(key)
}

func StripedByAnother(key int) {
	s := &striped{locks: make([]sync.Mutex, 8), parts: make([]map[string]int, 8)}
	go s.sum()
	s.addElsewhere(key)
}
"#;

#[test]
fn own_locks_and_striped_locks_exclude() {
    judge(OWN_AND_STRIPED_LOCKS);
    let found = check_main(OWN_AND_STRIPED_LOCKS);
    let striped = |name: &str| found.iter().any(|function| function.ends_with(name));
    assert!(striped(").addElsewhere") && !striped(").add"), "{found:?}");
}

#[test]
fn channels_of_two_names_may_be_one() {
    judge(
        r"
type queue struct{ last map[string]chan struct{} }

func (q *queue) add(name string, f func()) {
	done := make(chan struct{})
	before, ok := q.last[name]
	q.last[name] = done
	go func() {
		if ok {
			<-before
		}
		f()
		close(done)
	}()
}

func MaybeOneAfterTheOther() {
	q := &queue{last: map[string]chan struct{}{}}
	total := 0
	q.add(``, func() { total++ })
	q.add(``, func() { total++ })
}

type loop struct {
	quit chan struct{}
	done chan struct{}
	last int
}

func (l *loop) run() {
	l.last = 1
	close(l.done)
}

func SureOtherFieldIsAnotherChannel() {
	l := &loop{quit: make(chan struct{}), done: make(chan struct{})}
	go l.run()
	go func() {
		<-l.quit
		l.last = 2
	}()
}
",
    );
}

#[test]
fn tests_end_with_their_cleanups_and_ask_one_by_one() {
    judge_file(
        "main_test.go",
        r#"
import (
	"net/http"
	"testing"
)

func listen(t *testing.T) chan int {
	conn := 0
	ready := make(chan int)
	go func() { conn++; ready <- 1 }()
	t.Cleanup(func() { conn = 0 })
	return ready
}

func SafeCleanupAtTheEnd(t *testing.T) {
	ready := listen(t)
	<-ready
}

func MaybeAskedOneByOne(t *testing.T) {
	asked := map[string]int{}
	http.HandleFunc("/", func(_ http.ResponseWriter, request *http.Request) { asked[request.Method]++ })
}

func SafeCounterAskedOneByOne(t *testing.T) {
	asked := 0
	http.HandleFunc("/", func(http.ResponseWriter, *http.Request) { asked++ })
}
"#,
    );
    judge(
        r#"
import "net/http"

func SureAskedByMany() {
	asked := 0
	http.HandleFunc("/", func(http.ResponseWriter, *http.Request) { asked++ })
}
"#,
    );
}

#[test]
fn the_caller_may_hold_the_lock() {
    judge(
        r#"
import (
	"sync"
	"time"
)

type Cache struct {
	mu      sync.Mutex
	entries map[string]int
}

func (c *Cache) Renew(name string) {
	c.mu.Lock()
	maybeCalledWithIt(c, name)
	c.mu.Unlock()
}

func maybeCalledWithIt(c *Cache, name string) {
	time.AfterFunc(time.Hour, func() {
		c.mu.Lock()
		delete(c.entries, name)
		c.mu.Unlock()
	})
	c.entries[name] = 1
}

func SureNoCallerHoldsIt() {
	var mu sync.Mutex
	entries := map[string]int{}
	time.AfterFunc(time.Hour, func() {
		mu.Lock()
		delete(entries, "")
		mu.Unlock()
	})
	entries[""] = 1
}
"#,
    );
}

#[test]
fn append_reads_what_it_copies() {
    judge(
        r"
func SureCopiedWhileWritten() {
	items := make([]int, 10)
	go func() { _ = append(items, 1) }()
	items[0] = 1
}

func SafeOtherSlices() {
	items, others := make([]int, 10), make([]int, 10)
	go func() { _ = append(items, 1) }()
	others[0] = 1
}
",
    );
}

#[test]
fn a_goroutine_that_is_counted_may_add() {
    judge(
        r#"
import "sync"

func SafeAddsWhileItIsCounted(items []int) {
	var group sync.WaitGroup
	for range items {
		group.Add(1)
		go func() {
			defer group.Done()
			group.Add(1)
			go func() { defer group.Done() }()
		}()
	}
	group.Wait()
}
"#,
    );
}
