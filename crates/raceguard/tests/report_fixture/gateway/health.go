package gateway

// CheckAll asks every channel whether it is healthy.
func (r *Router) CheckAll(ping func(*ChannelConfig) bool) int {
	healthy := 0
	for _, ch := range r.routes { // every channel, however many
		if ping(ch) {
			healthy++
		}
	}
	return healthy
}
