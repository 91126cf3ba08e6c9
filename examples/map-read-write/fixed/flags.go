// Package flags answers whether a feature is switched on, reads far more often
// than changes: a read lock for requests, the write lock for updates.
package flags

import "sync"

// Set holds the flags that the control plane sent last.
type Set struct {
	mu      sync.RWMutex
	enabled map[string]bool
}

// NewSet starts with the built-in defaults.
func NewSet(defaults map[string]bool) *Set {
	set := &Set{enabled: make(map[string]bool, len(defaults))}
	for name, on := range defaults {
		set.enabled[name] = on
	}
	return set
}

// Enabled is asked on every request.
func (s *Set) Enabled(name string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.enabled[name]
}

// Update applies one change pushed by the control plane.
func (s *Set) Update(name string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enabled[name] = on
}
