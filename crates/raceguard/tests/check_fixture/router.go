package gateway

import "sync"

// Router sends requests to backends.
type Router struct {
	mu     sync.RWMutex
	routes map[string]string
	hits   int
}

// Reload takes new routes.
func (r *Router) Reload(routes map[string]string) {
	for host, backend := range routes {
		r.routes[host] = backend
	}
}

func (r *Router) count() {
	r.mu.Lock()
	r.hits++ // the größte Zähler: 𝄞
	r.mu.Unlock()
	r.hits--
}
