package gateway

import (
	"errors"
	"sync"
	"testing"
	"time"
)

type fakeProber map[string]error

func (p fakeProber) Probe(endpoint string) error { return p[endpoint] }

func routes(version string) map[string]*ChannelConfig {
	return map[string]*ChannelConfig{
		"EUR": {Name: "adyen-" + version, Endpoint: "adyen:443", Weight: 3, Enabled: true},
		"USD": {Name: "stripe-" + version, Endpoint: "stripe:443", Weight: 5, Enabled: true},
		"INR": {Name: "razorpay-" + version, Endpoint: "razorpay:443", Weight: 1, Enabled: true},
	}
}

// The health check is running when the watcher delivers a new configuration.
// The pause keeps the two apart in time: without it the Go runtime may notice
// the overlap itself and kill the process. It orders nothing.
func TestHealthCheckDuringReload(t *testing.T) {
	table := NewRouteTable(routes("v1"))
	prober := fakeProber{"razorpay:443": errors.New("connection refused")}

	var work sync.WaitGroup
	work.Add(2)
	go func() {
		defer work.Done()
		if down := table.HealthCheck(prober); len(down) != 1 {
			t.Errorf("down = %v, want the INR channel alone", down)
		}
	}()
	go func() {
		defer work.Done()
		time.Sleep(50 * time.Millisecond)
		table.Reload(routes("v2"))
	}()
	work.Wait()
}

// A payment looks its route up while a channel is being withdrawn.
func TestPaymentDuringReload(t *testing.T) {
	table := NewRouteTable(routes("v1"))

	var work sync.WaitGroup
	work.Add(2)
	go func() {
		defer work.Done()
		if _, err := table.Route("EUR"); err != nil {
			t.Error(err)
		}
	}()
	go func() {
		defer work.Done()
		time.Sleep(50 * time.Millisecond)
		withoutRupees := routes("v2")
		delete(withoutRupees, "INR")
		table.Reload(withoutRupees)
	}()
	work.Wait()

	if _, err := table.Route("INR"); err == nil {
		t.Error("INR is still routed after its channel was withdrawn")
	}
}
