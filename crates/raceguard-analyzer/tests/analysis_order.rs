//! What the race engine takes for ordered, and what not: each function named `Race…` must be reported, none named
//! `Safe…` may be.

use std::collections::BTreeSet;

use raceguard_analyzer::check::check;
use raceguard_analyzer::source::{BuildContext, Environment, LoadOptions, MemoryTree, load};
use raceguard_analyzer::types::standard_library::WithStandardLibrary;

/// The functions of the program that findings are about, by the goroutine they begin in.
fn reported(program: &str) -> BTreeSet<String> {
    let disk = MemoryTree::new()
        .with_file("/app/go.mod", "module m\n\ngo 1.26\n")
        .with_file("/app/main.go", format!("package main\n{program}"));
    let mut environment = Environment::new("/app");
    environment.goroot = Some(WithStandardLibrary::GOROOT.into());
    let tree = WithStandardLibrary::new(&disk);
    let patterns = ["./...".to_owned()];
    let options = LoadOptions::default();
    let loaded = load(&tree, &environment, &BuildContext::default(), &patterns, &options, &mut |_| {});
    assert!(
        loaded.missing.is_empty() && loaded.problems.is_empty(),
        "{:?} {:?}",
        loaded.missing,
        loaded.problems
    );
    let checked = check(&loaded);
    assert!(checked.lowered.errors.is_empty(), "{:?}", checked.lowered.errors);
    let functions = checked.findings.iter().flat_map(|finding| &finding.sites).map(|site| {
        let name = site.function.trim_start_matches("main.");
        name.split('.').next().unwrap_or(name).to_owned()
    });
    functions.collect()
}

/// Every function of the program that begins with `Race` is reported, and none that begins with `Safe`.
fn judge(program: &str) {
    let reported = reported(program);
    let declared = program.lines().filter_map(|line| line.strip_prefix("func ")?.split('(').next());
    for name in declared.filter(|name| name.starts_with("Race") || name.starts_with("Safe")) {
        assert_eq!(reported.contains(name), name.starts_with("Race"), "{name}; reported: {reported:?}");
    }
}

#[test]
fn sends_and_receives_order_by_their_number() {
    judge(
        r"
func SafeAfterAllReceives() int {
	total := 0
	done := make(chan bool)
	go func() { total++; done <- true }()
	<-done
	return total
}

func RaceAfterTooFewReceives() int {
	left, right := 0, 0
	done := make(chan bool, 2)
	go func() { left++; done <- true }()
	go func() { right++; done <- true }()
	<-done
	return left + right
}

func SafeWithOneWorkerAfterTheOther() int {
	total := 0
	done := make(chan bool, 1)
	go func() { total++; done <- true }()
	<-done
	go func() { total++; done <- true }()
	<-done
	return total
}

func SafeAfterClose() int {
	total := 0
	done := make(chan struct{})
	go func() { defer close(done); total++ }()
	<-done
	return total
}

func RaceBufferedSendDoesNotWait() int {
	total := 0
	slots := make(chan bool, 1)
	go func() { total++; <-slots }()
	slots <- true
	return total
}

func SafeUnbufferedSendWaits() int {
	total := 0
	slots := make(chan bool)
	go func() { total++; <-slots }()
	slots <- true
	return total
}
",
    );
}

#[test]
fn select_orders_what_each_of_its_arms_waits_for() {
    judge(
        r"
func SafeEachArmWaits(a, b chan int) int {
	total := 0
	first, second := make(chan int), make(chan int)
	go func() { total++; first <- 1; second <- 1 }()
	select {
	case <-first:
	case <-second:
	}
	return total
}

func RaceOneArmDoesNotWait(stop chan bool) int {
	total := 0
	first := make(chan int)
	go func() { total++; first <- 1 }()
	select {
	case <-first:
	case <-stop:
	}
	return total
}
",
    );
}

#[test]
fn groups_wait_for_what_was_added_before() {
    judge(
        r#"
import "sync"

func SafeCounted(items []int) int {
	total := make([]int, len(items))
	var group sync.WaitGroup
	for i := range items {
		group.Add(1)
		go func() { defer group.Done(); total[i] = items[i] }()
	}
	group.Wait()
	return total[0]
}

func RaceAddedTooLate(items []int) {
	var group sync.WaitGroup
	for range items {
		go func() { group.Add(1); defer group.Done() }()
	}
	group.Wait()
}

func RaceSharedTotal(items []int) (total int) {
	var group sync.WaitGroup
	for _, item := range items {
		group.Go(func() { total += item })
	}
	group.Wait()
	return total
}
"#,
    );
}

#[test]
fn locks_exclude_and_hand_over() {
    judge(
        r#"
import "sync"

func SafeSameLock() {
	var lock sync.Mutex
	seen := map[int]bool{}
	go func() { lock.Lock(); seen[1] = true; lock.Unlock() }()
	lock.Lock()
	seen[2] = true
	lock.Unlock()
}

func RaceOtherLock() {
	var one, other sync.Mutex
	seen := map[int]bool{}
	go func() { one.Lock(); seen[1] = true; one.Unlock() }()
	other.Lock()
	seen[2] = true
	other.Unlock()
}

func RaceWritesUnderTheReadLock() {
	var lock sync.RWMutex
	seen := map[int]bool{}
	go func() { lock.RLock(); seen[1] = true; lock.RUnlock() }()
	lock.RLock()
	seen[2] = true
	lock.RUnlock()
}

func SafeUnlockedByTheOther() int {
	total := 0
	var lock sync.Mutex
	lock.Lock()
	go func() { total++; lock.Unlock() }()
	lock.Lock()
	return total
}

func SafeOnce() map[int]bool {
	var once sync.Once
	var seen map[int]bool
	fill := func() { seen = map[int]bool{1: true} }
	go once.Do(fill)
	once.Do(fill)
	return seen
}
"#,
    );
}

#[test]
fn iterations_have_variables_of_their_own() {
    judge(
        r"
func SafeOwnVariable(items []int) {
	for _, item := range items {
		go func() { println(item) }()
	}
}

func SafeOwnElement(items []int) {
	for i := range items {
		go func() { items[i]++ }()
	}
}

func RaceOneMapForAll(items []int) {
	seen := map[int]bool{}
	for _, item := range items {
		go func() { seen[item] = true }()
	}
}

func RaceWhileTheParentGoesOn(items []int) {
	var results []int
	for i := range items {
		results = append(results, 0)
		go func() { results[i] = 1 }()
	}
}
",
    );
}
