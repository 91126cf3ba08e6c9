// Package cache keeps product prices by id and is filled while it is in use.
package cache

// Prices maps a product id to its price in cents.
type Prices struct {
	byID map[int]int64
}

// NewPrices is an empty cache. It is not given a size, so it grows by doubling:
// each time, every entry moves to a new place while readers look for it.
func NewPrices() *Prices {
	return &Prices{byID: make(map[int]int64)}
}

// Put stores the price of one product.
func (p *Prices) Put(id int, cents int64) {
	p.byID[id] = cents
}

// Get finds the price of one product.
func (p *Prices) Get(id int) (cents int64, ok bool) {
	cents, ok = p.byID[id]
	return cents, ok
}

// Warm fills the cache with the products first to last-1.
func (p *Prices) Warm(first, last int) {
	for id := first; id < last; id++ {
		p.Put(id, int64(id)*100)
	}
}
