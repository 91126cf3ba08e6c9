// Package shop has one map that two statements change without a lock, and one that a lock guards.
package shop

import (
	"context"
	"runtime/trace"
	"sync"
)

// Catalog is used by many goroutines.
type Catalog struct {
	mu     sync.Mutex
	prices map[string]int
	stock  map[string]int
}

// New makes a catalog.
func New() *Catalog {
	return &Catalog{prices: map[string]int{}, stock: map[string]int{}}
}

// Reprice starts a goroutine that sets a price.
func (c *Catalog) Reprice(ctx context.Context, key string, price int) {
	go func() {
		trace.WithRegion(ctx, "map_access", func() {
			trace.Log(ctx, "map_key", key)
			c.prices[key] = price
		})
	}()
}

// Price looks one up.
func (c *Catalog) Price(key string) int {
	return c.prices[key]
}

// Drop removes a price; no test calls it.
func (c *Catalog) Drop(key string) {
	delete(c.prices, key)
}

// Take removes from the stock under the lock.
func (c *Catalog) Take(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stock[key]--
}
