// Package sessions remembers who is logged in.
package sessions

import "time"

// Registry maps a session token to the time of its login.
type Registry struct {
	logins map[string]time.Time
}

// NewRegistry is an empty registry.
func NewRegistry() *Registry {
	return &Registry{logins: make(map[string]time.Time)}
}

// Login records a new session. Every request handler may call it.
func (r *Registry) Login(token string) {
	r.logins[token] = time.Now()
}

// Logout forgets a session.
func (r *Registry) Logout(token string) {
	delete(r.logins, token)
}

// Active is the number of sessions.
func (r *Registry) Active() int {
	return len(r.logins)
}
