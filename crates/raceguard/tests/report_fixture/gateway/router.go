package gateway

import "time"

// ChannelConfig says how to reach a payment channel.
type ChannelConfig struct {
	Name    string
	Healthy bool
}

// Router holds the payment channels by name.
type Router struct {
	routes map[string]*ChannelConfig
}

func NewRouter() *Router {
	return &Router{routes: make(map[string]*ChannelConfig)}
}

// Reload takes over a new configuration.
func (r *Router) Reload(channels []ChannelConfig) {
	for _, c := range channels {
		r.routes[c.Name] = &c
	}
}

// Watch reloads the configuration whenever it changed.
func (r *Router) Watch(changes <-chan []ChannelConfig) {
	go func() {
		for channels := range changes {
			r.Reload(channels)
			time.Sleep(time.Millisecond)
		}
	}()
}
