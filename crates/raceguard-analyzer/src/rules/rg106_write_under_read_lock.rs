//! RG106: a map is changed while only the read lock is held.

pub(super) mod callback;

use super::Rule;
use crate::finding::Severity;

/// `RG106`
pub const RULE: Rule = Rule {
    code: "RG106",
    name: "write-under-read-lock",
    summary: "Memory is written while only the read lock is held",
    severity: Severity::Error,
    what: "Reports a write, above all to a map, between `RLock` and `RUnlock` of the `sync.RWMutex` that guards the \
           memory, also where a helper does the writing that is called with the read lock held.",
    why: "Any number of goroutines may hold the read lock at once. Two of them write at the same time, or one writes \
          while the others read; for a map that ends the process with `fatal error: concurrent map writes`. The lock \
          makes it look safe, so reviews miss it.",
    bad: r#"package cache

import "sync"

type Cache struct {
	mu   sync.RWMutex
	data map[string]string
	hits map[string]int
}

func (c *Cache) Get(key string) string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	c.hits[key]++ // want RG106 "hits"
	return c.data[key]
}

func (c *Cache) Put(key, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.data[key] = value
	delete(c.hits, key)
}
"#,
    good: r#"package cache

import "sync"

type Cache struct {
	mu   sync.RWMutex
	data map[string]string
	hits map[string]int
}

func (c *Cache) Get(key string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hits[key]++
	return c.data[key]
}

func (c *Cache) Put(key, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.data[key] = value
	delete(c.hits, key)
}
"#,
    remedy: "Take `Lock` instead of `RLock` around the write; or keep what reads change apart (an atomic counter for \
             each entry, a mutex of its own).",
    limits: "What a field of function type holds is not known. A literal that is given to a function value or interface \
             method counts as called there and then.",
    fixable: true,
};
