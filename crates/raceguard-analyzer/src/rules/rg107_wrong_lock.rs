//! RG107: memory is accessed under a lock that does not guard it.

use super::Rule;
use crate::finding::Severity;

/// `RG107`
pub const RULE: Rule = Rule {
    code: "RG107",
    name: "wrong-lock",
    summary: "Two accesses are guarded by different locks",
    severity: Severity::Error,
    what: "Reports two accesses to the same memory, one of them a write, each under a lock, but not under the same \
           one: the mutex of another field, of another instance, or one that is made anew on each call.",
    why: "Locks exclude each other only when they are the same object. Under two different ones both accesses run at \
          once, as if there were no lock at all.",
    bad: r#"package bank

import "sync"

type Bank struct {
	readers  sync.Mutex
	writers  sync.Mutex
	balances map[string]int
}

func (b *Bank) Deposit(account string, amount int) {
	b.writers.Lock()
	defer b.writers.Unlock()
	b.balances[account] += amount
}

func (b *Bank) Balance(account string) int {
	b.readers.Lock()
	defer b.readers.Unlock()
	return b.balances[account] // want RG107 "balances"
}
"#,
    good: r#"package bank

import "sync"

type Bank struct {
	mu       sync.Mutex
	balances map[string]int
}

func (b *Bank) Deposit(account string, amount int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.balances[account] += amount
}

func (b *Bank) Balance(account string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.balances[account]
}
"#,
    remedy: "Decide which lock guards the memory, say so in a comment (`// guarded by mu`), and take that one around \
             every access.",
    limits: "Two instances are told apart only where the source names them differently in the same function.",
    fixable: true,
};
