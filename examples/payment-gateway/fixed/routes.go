// Package gateway is the payment gateway with its routes published as one
// immutable snapshot: a reload builds the next map and swaps it in.
package gateway

import (
	"fmt"
	"maps"
	"sync/atomic"
)

// ChannelConfig says how one payment channel is reached. It is never changed
// after it was published.
type ChannelConfig struct {
	Name     string
	Endpoint string
	Weight   int
	Enabled  bool
}

// RouteTable maps a currency to the channel that settles it.
type RouteTable struct {
	channels atomic.Pointer[map[string]*ChannelConfig]
}

// NewRouteTable starts with the routes of the configuration file.
func NewRouteTable(initial map[string]*ChannelConfig) *RouteTable {
	table := &RouteTable{}
	table.Reload(initial)
	return table
}

// Reload publishes a copy of the new routes. Readers see the old table or the
// new one, never a mixture.
func (t *RouteTable) Reload(routes map[string]*ChannelConfig) {
	next := maps.Clone(routes)
	t.channels.Store(&next)
}

// Route finds the channel for a payment in the given currency.
func (t *RouteTable) Route(currency string) (*ChannelConfig, error) {
	config, ok := (*t.channels.Load())[currency]
	if !ok || !config.Enabled {
		return nil, fmt.Errorf("no enabled channel for %s", currency)
	}
	return config, nil
}

// HealthCheck probes every enabled channel and returns the names of those that
// did not answer.
func (t *RouteTable) HealthCheck(probe func(endpoint string) error) []string {
	var down []string
	for _, config := range *t.channels.Load() {
		if config.Enabled && probe(config.Endpoint) != nil {
			down = append(down, config.Name)
		}
	}
	return down
}
