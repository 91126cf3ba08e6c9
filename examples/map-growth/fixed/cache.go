// Package cache keeps product prices in shards, each behind its own lock: the
// growth of one shard stops only the readers of that shard.
package cache

import "sync"

const shardCount = 16

type shard struct {
	mu   sync.RWMutex
	byID map[int]int64
}

// Prices maps a product id to its price in cents.
type Prices struct {
	shards [shardCount]shard
}

// NewPrices is an empty cache.
func NewPrices() *Prices {
	prices := &Prices{}
	for i := range prices.shards {
		prices.shards[i].byID = make(map[int]int64)
	}
	return prices
}

// Put stores the price of one product.
func (p *Prices) Put(id int, cents int64) {
	shard := &p.shards[id%shardCount]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	shard.byID[id] = cents
}

// Get finds the price of one product.
func (p *Prices) Get(id int) (cents int64, ok bool) {
	shard := &p.shards[id%shardCount]
	shard.mu.RLock()
	defer shard.mu.RUnlock()
	cents, ok = shard.byID[id]
	return cents, ok
}

// Warm fills the cache with the products first to last-1.
func (p *Prices) Warm(first, last int) {
	for id := first; id < last; id++ {
		p.Put(id, int64(id)*100)
	}
}
