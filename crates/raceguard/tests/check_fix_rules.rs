//! `--fix` with the rules as they are: each fix leaves code that is formatted, builds, passes vet, and has no finding.

mod support;

use std::process::Command;

use support::{GoModule, go, run};

/// Applies all fixes, and tells which lines are new; each is marked by the line that it follows.
#[track_caller]
fn new_lines(version: &str, source: &str) -> String {
    let module = GoModule::new(&[("a.go", source)]);
    module.write("go.mod", format!("module example.com/m\n\ngo {version}\n"));
    assert_formatted(&module, "before");
    let ended = module.check(&["--fix", "--no-cache"]);
    ended.expect(0, &["fixed in 1 file", "no findings"]);
    assert_formatted(&module, "after");
    for arguments in [["build", "./..."], ["vet", "./..."]] {
        let ended = run(Command::new(go()).args(arguments).current_dir(module.path()));
        assert_eq!(ended.code, 0, "go {}: {ended}\n{}", arguments[0], module.read("a.go"));
    }
    let fixed = module.read("a.go");
    let diff = similar::TextDiff::from_lines(source, &fixed);
    let lines = diff.iter_all_changes().filter(|change| change.tag() != similar::ChangeTag::Equal);
    lines.map(|change| format!("{}{change}", change.tag())).collect::<Vec<_>>().concat()
}

#[track_caller]
fn assert_formatted(module: &GoModule, when: &str) {
    let gofmt = go().with_file_name("gofmt");
    let ended = run(Command::new(gofmt).args(["-d", "a.go"]).current_dir(module.path()));
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{when}: {ended}");
}

/// A cache whose other methods take the lock; `method` stands at its end.
fn cache(method: &str) -> String {
    format!(
        "package m

import \"sync\"

type Cache struct {{
	mu    sync.RWMutex
	items map[string]int
}}

func (c *Cache) Put(key string, value int) {{
	c.mu.Lock()
	defer c.mu.Unlock()
	c.items[key] = value
}}

func (c *Cache) Delete(key string) {{
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.items, key)
}}

func (c *Cache) Clear() {{
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.items)
}}

{method}"
    )
}

#[test]
fn the_guard_is_held_for_the_whole_function_where_that_is_all_it_does() {
    let get = "func (c *Cache) Get(key string) int {\n\treturn c.items[key]\n}\n";
    assert_eq!(new_lines("1.22", &cache(get)), "+\tc.mu.RLock()\n+\tdefer c.mu.RUnlock()\n");
    let len = "func (c *Cache) Len() int { return len(c.items) }\n";
    let expected = "-func (c *Cache) Len() int { return len(c.items) }\n+func (c *Cache) Len() int {\n+\tc.mu.RLock()\n\
                    +\tdefer c.mu.RUnlock()\n+\treturn len(c.items)\n+}\n";
    assert_eq!(new_lines("1.22", &cache(len)), expected);
    let fill = "func (c *Cache) Fill(n int) {\n\tfor range n {\n\t\tc.items[\"\"]++\n\t}\n}\n";
    assert_eq!(new_lines("1.22", &cache(fill)), "+\tc.mu.Lock()\n+\tdefer c.mu.Unlock()\n");
}

#[test]
fn the_lock_is_taken_for_writing_where_something_behind_the_map_is_written() {
    let bump =
        "func (c *Cache) Bump(key string) {\n\tc.items[key].count++\n}\n\ntype item struct{ count int }\n";
    let source = cache(bump).replace("map[string]int", "map[string]*item");
    let source = source.replace("value int)", "value *item)");
    assert_eq!(new_lines("1.22", &source), "+\tc.mu.Lock()\n+\tdefer c.mu.Unlock()\n");
}

#[test]
fn the_guard_is_held_around_what_needs_it_where_something_may_block() {
    let count = "func (c *Cache) Count(keys chan string) {\n\tfor key := range keys {\n\t\t// One more.\n\
                 \t\tif c.items[key] == 0 { // new\n\t\t\tc.items[key] = 1\n\t\t}\n\t}\n}\n";
    assert_eq!(new_lines("1.22", &cache(count)), "+\t\tc.mu.Lock()\n+\t\tc.mu.Unlock()\n");
    let take = "func (c *Cache) Take(key string, done chan int) int {\n\tdone <- 1\n\tif key != \"\" {\n\
                \t\treturn c.items[key]\n\t}\n\treturn 0\n}\n";
    assert_eq!(new_lines("1.22", &cache(take)), "+\t\tc.mu.RLock()\n+\t\tdefer c.mu.RUnlock()\n");
}

#[test]
fn nothing_is_held_over_what_may_take_the_lock_or_by_whom_holds_it() {
    let callback = "func (c *Cache) Each(visit func(int)) {\n\tfor _, item := range c.items {\n\t\tvisit(item)\n\t}\n}\n";
    let other = "func (c *Cache) Swap(a, b *Cache) {\n\ta.items[\"a\"] = b.items[\"b\"]\n}\n";
    let channel = "func (c *Cache) Send(to chan int) {\n\tto <- c.items[\"a\"]\n}\n";
    for method in [callback, other, channel] {
        let module = GoModule::without_go(&[("a.go", &cache(method))]);
        let ended = module.check(&["--fix"]);
        assert_eq!((ended.code, module.read("a.go")), (1, cache(method)), "{ended}");
    }
}

#[test]
fn a_lock_that_another_package_can_not_name_is_not_taken_there() {
    let source = cache("").replace("items", "Items");
    let user =
        "package user\n\nimport \"example.com/m\"\n\nfunc Len(c *m.Cache) int {\n\treturn len(c.Items)\n}\n";
    let module = GoModule::without_go(&[("a.go", &source), ("user/user.go", user)]);
    let ended = module.check(&["--fix"]);
    assert_eq!((ended.code, module.read("user/user.go").as_str()), (1, user), "{ended}");
    module.write("a.go", source.replace("mu    sync.RWMutex", "sync.RWMutex").replace("c.mu.", "c."));
    module.check(&["--fix"]).expect(0, &["1 finding fixed"]);
    assert!(
        module.read("user/user.go").contains("\tc.RLock()\n\tdefer c.RUnlock()\n\treturn len(c.Items)\n")
    );
}

#[test]
fn a_helper_is_left_as_it_is_and_its_caller_takes_the_lock() {
    let helper = "func (c *Cache) put(key string) {\n\tc.items[key] = 1\n}\n\nfunc (c *Cache) Locked(key string) {\n\
                  \tc.mu.Lock()\n\tdefer c.mu.Unlock()\n\tc.put(key)\n}\n\nfunc (c *Cache) Bare(key string, done chan int) {\n\
                  \tc.put(key)\n\tdone <- 1\n}\n";
    assert_eq!(new_lines("1.22", &cache(helper)), "+\tc.mu.Lock()\n+\tc.mu.Unlock()\n");
}

#[test]
fn a_write_gets_the_write_lock_on_every_way() {
    let touch = "func (c *Cache) Touch(key string) {\n\tc.mu.RLock()\n\tif key == \"\" {\n\t\tc.mu.RUnlock()\n\t\treturn\n\t}\n\
                 \tc.items[key]++\n\tc.mu.RUnlock()\n}\n";
    let expected = "-\tc.mu.RLock()\n+\tc.mu.Lock()\n-\t\tc.mu.RUnlock()\n+\t\tc.mu.Unlock()\n-\tc.mu.RUnlock()\n\
                    +\tc.mu.Unlock()\n";
    assert_eq!(new_lines("1.22", &cache(touch)), expected);
    let deferred =
        "func (c *Cache) Touch(key string) {\n\tc.mu.RLock()\n\tdefer c.mu.RUnlock()\n\tc.items[key]++\n}\n";
    let expected = "-\tc.mu.RLock()\n-\tdefer c.mu.RUnlock()\n+\tc.mu.Lock()\n+\tdefer c.mu.Unlock()\n";
    assert_eq!(new_lines("1.22", &cache(deferred)), expected);
}

#[test]
fn a_missing_defer_is_written() {
    let at_once = "func (c *Cache) Add(key string) {\n\tc.mu.Lock()\n\tc.mu.Unlock()\n\tc.items[key]++\n}\n";
    assert_eq!(new_lines("1.22", &cache(at_once)), "-\tc.mu.Unlock()\n+\tdefer c.mu.Unlock()\n");
    let missing = "func (c *Cache) Find(key string) (int, bool) {\n\tc.mu.RLock()\n\tif item, ok := c.items[key]; ok {\n\
                   \t\treturn item + len(c.items), true\n\t}\n\tc.mu.RUnlock()\n\treturn 0, false\n}\n";
    assert_eq!(new_lines("1.22", &cache(missing)), "+\tdefer c.mu.RUnlock()\n-\tc.mu.RUnlock()\n");
    let called = "func (c *Cache) Call(call func(int) int) int {\n\tc.mu.RLock()\n\titem := c.items[\"a\"]\n\tif item == 0 {\n\
                  \t\treturn 0\n\t}\n\tc.mu.RUnlock()\n\treturn call(item)\n}\n";
    assert_eq!(
        new_lines("1.22", &cache(called)),
        "+\t\tc.mu.RUnlock()\n",
        "a call is not drawn under the lock"
    );
}

#[test]
fn what_escapes_is_copied_as_the_language_version_has_it() {
    let all = "func (c *Cache) All() map[string]int {\n\tc.mu.RLock()\n\tdefer c.mu.RUnlock()\n\treturn c.items\n}\n";
    let source = cache(all);
    let grouped =
        source.replace("import \"sync\"", "import (\n\t\"sync\"\n\t\"time\"\n)\n\nvar _ = time.Now");
    let expected = "+\t\"maps\"\n-\treturn c.items\n+\treturn maps.Clone(c.items)\n";
    assert_eq!(new_lines("1.22", &grouped), expected);
    let old = source.replace("clear(c.items)", "c.items[\"\"] = 0");
    let expected = "-\treturn c.items\n+\tcopied := make(map[string]int, len(c.items))\n+\tfor key, value := range c.items {\n\
                    +\t\tcopied[key] = value\n+\t}\n+\treturn copied\n";
    assert_eq!(new_lines("1.20", &old), expected);
}

#[test]
fn goroutines_are_counted_before_they_start_and_get_variables_of_their_own() {
    let source = "package m\n\nimport \"sync\"\n\nfunc Run(jobs []func()) {\n\tvar wg sync.WaitGroup\n\
                  \tfor i := 0; i < len(jobs); i++ {\n\t\tgo func() {\n\t\t\twg.Add(1)\n\t\t\tdefer wg.Done()\n\t\t\tjobs[i]()\n\
                  \t\t}()\n\t}\n\twg.Wait()\n}\n";
    let added = "+\t\twg.Add(1)\n-\t\t\twg.Add(1)\n";
    assert_eq!(new_lines("1.22", source), added);
    assert_eq!(new_lines("1.21", source), format!("+\t\ti := i\n{added}"));
    let source = "package m\n\nimport \"sync\"\n\nfunc Each(names map[string]int, visit func(string, int)) {\n\
                  \tvar wg sync.WaitGroup\n\tfor name, number := range names {\n\t\twg.Add(1)\n\t\tgo func() {\n\
                  \t\t\tdefer wg.Done()\n\t\t\tvisit(name, number)\n\t\t}()\n\t}\n\twg.Wait()\n}\n";
    let added = new_lines("1.21", source);
    assert!(
        added == "+\t\tnumber := number\n+\t\tname := name\n"
            || added == "+\t\tname := name\n+\t\tnumber := number\n",
        "{added}"
    );
}

#[test]
fn a_local_mutex_and_one_of_the_package_are_taken_too() {
    let source = "package m\n\nimport \"sync\"\n\nfunc Count(words []string) map[string]int {\n\tcounts := map[string]int{}\n\
                  \tvar mu sync.Mutex\n\tvar wg sync.WaitGroup\n\tfor _, word := range words {\n\t\twg.Add(1)\n\t\tgo func() {\n\
                  \t\t\tdefer wg.Done()\n\t\t\tmu.Lock()\n\t\t\tcounts[word]++\n\t\t\tmu.Unlock()\n\t\t}()\n\t\tcounts[\"\"]++\n\t}\n\
                  \twg.Wait()\n\treturn counts\n}\n";
    assert_eq!(new_lines("1.22", source), "+\t\tmu.Lock()\n+\t\tmu.Unlock()\n");
    let source = "package m\n\nimport \"sync\"\n\nvar (\n\tmu    sync.Mutex\n\tnames = map[string]int{}\n)\n\n\
                  func Add(name string) {\n\tmu.Lock()\n\tdefer mu.Unlock()\n\tnames[name]++\n}\n\n\
                  func Remove(name string) {\n\tmu.Lock()\n\tdefer mu.Unlock()\n\tdelete(names, name)\n}\n\n\
                  func Has(name string) bool {\n\t_, ok := names[name]\n\treturn ok\n}\n";
    assert_eq!(new_lines("1.22", source), "+\tmu.Lock()\n+\tdefer mu.Unlock()\n");
}

#[test]
fn files_keep_their_line_ends() {
    let get = "func (c *Cache) Get(key string) int {\n\treturn c.items[key]\n}\n";
    let source = cache(get).replace('\n', "\r\n");
    let module = GoModule::without_go(&[("a.go", &source)]);
    module.check(&["--fix"]).expect(0, &["1 finding fixed in 1 file"]);
    let expected = cache(&get.replace("{\n", "{\n\tc.mu.RLock()\n\tdefer c.mu.RUnlock()\n"));
    assert_eq!(module.read("a.go"), expected.replace('\n', "\r\n"));
}

#[test]
fn many_fixes_of_one_file_are_applied_together_and_one_after_the_other() {
    let get = "func (c *Cache) Get(key string) int {\n\treturn c.items[key]\n}\n\n";
    let methods: String = (0..6).map(|number| get.replace("Get", &format!("Get{number}"))).collect();
    let put =
        "func (c *Cache) Put2(key string) {\n\tc.mu.Lock()\n\tdefer c.mu.Unlock()\n\tc.items[key] = 0\n}\n";
    let more: String = (3..9).map(|number| put.replace("Put2", &format!("Put{number}")) + "\n").collect();
    let lines = new_lines("1.22", &cache(&format!("{methods}{more}{put}")));
    assert_eq!(lines, "+\tc.mu.RLock()\n+\tdefer c.mu.RUnlock()\n".repeat(6));
}
