// Package gateway routes payments to the channels (acquirers) that can take them.
package gateway

import "fmt"

// ChannelConfig says how one payment channel is reached and how much it may take.
type ChannelConfig struct {
	Name     string
	Endpoint string
	Weight   int
	Enabled  bool
}

// RouteTable maps a currency to the channel that settles it. The configuration
// watcher calls Reload whenever operators change a channel, payments call Route.
type RouteTable struct {
	channels map[string]*ChannelConfig
}

// NewRouteTable starts with the routes of the configuration file.
func NewRouteTable(initial map[string]*ChannelConfig) *RouteTable {
	table := &RouteTable{channels: make(map[string]*ChannelConfig)}
	table.Reload(initial)
	return table
}

// Reload puts the new routes into the table and drops those that are gone.
func (t *RouteTable) Reload(routes map[string]*ChannelConfig) {
	for currency, config := range routes {
		t.channels[currency] = config
	}
	for currency := range t.channels {
		if _, kept := routes[currency]; !kept {
			delete(t.channels, currency)
		}
	}
}

// Route finds the channel for a payment in the given currency.
func (t *RouteTable) Route(currency string) (*ChannelConfig, error) {
	config, ok := t.channels[currency]
	if !ok || !config.Enabled {
		return nil, fmt.Errorf("no enabled channel for %s", currency)
	}
	return config, nil
}
