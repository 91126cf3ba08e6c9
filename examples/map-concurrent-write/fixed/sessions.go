// Package sessions remembers who is logged in, behind a mutex.
package sessions

import (
	"sync"
	"time"
)

// Registry maps a session token to the time of its login.
type Registry struct {
	mu     sync.Mutex
	logins map[string]time.Time
}

// NewRegistry is an empty registry.
func NewRegistry() *Registry {
	return &Registry{logins: make(map[string]time.Time)}
}

// Login records a new session.
func (r *Registry) Login(token string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.logins[token] = time.Now()
}

// Logout forgets a session.
func (r *Registry) Logout(token string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.logins, token)
}

// Active is the number of sessions.
func (r *Registry) Active() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.logins)
}
