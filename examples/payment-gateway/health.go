package gateway

// Prober asks a channel's endpoint whether it is alive.
type Prober interface {
	Probe(endpoint string) error
}

// HealthCheck probes every enabled channel and returns the names of those that
// did not answer. It runs on a ticker, beside reloads and payments.
func (t *RouteTable) HealthCheck(prober Prober) []string {
	var down []string
	for _, config := range t.channels {
		if !config.Enabled {
			continue
		}
		if err := prober.Probe(config.Endpoint); err != nil {
			down = append(down, config.Name)
		}
	}
	return down
}
