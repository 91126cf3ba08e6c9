// Package stats counts requests per endpoint with atomic sums: the lock covers
// the map, the atomics cover what outlives the lock.
package stats

import (
	"sync"
	"sync/atomic"
)

// Endpoint is the statistics of one endpoint.
type Endpoint struct {
	Requests atomic.Int64
	Bytes    atomic.Int64
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

// Record counts one request.
func (s *Stats) Record(path string, bytes int64) {
	endpoint := s.endpoint(path)
	endpoint.Requests.Add(1)
	endpoint.Bytes.Add(bytes)
}

// Requests is the number of requests of one endpoint.
func (s *Stats) Requests(path string) int64 {
	return s.endpoint(path).Requests.Load()
}
