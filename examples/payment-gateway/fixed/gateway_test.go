package gateway

import (
	"errors"
	"sync"
	"testing"
)

func routes(version string) map[string]*ChannelConfig {
	return map[string]*ChannelConfig{
		"EUR": {Name: "adyen-" + version, Endpoint: "adyen:443", Enabled: true},
		"USD": {Name: "stripe-" + version, Endpoint: "stripe:443", Enabled: true},
		"INR": {Name: "razorpay-" + version, Endpoint: "razorpay:443", Enabled: true},
	}
}

func TestReloadUnderLoad(t *testing.T) {
	table := NewRouteTable(routes("v1"))
	probe := func(endpoint string) error {
		if endpoint == "razorpay:443" {
			return errors.New("connection refused")
		}
		return nil
	}

	var work sync.WaitGroup
	work.Add(3)
	go func() {
		defer work.Done()
		for range 200 {
			table.Reload(routes("v2"))
		}
	}()
	go func() {
		defer work.Done()
		for range 200 {
			if down := table.HealthCheck(probe); len(down) != 1 {
				t.Errorf("down = %v, want the INR channel alone", down)
				return
			}
		}
	}()
	go func() {
		defer work.Done()
		for range 200 {
			if _, err := table.Route("EUR"); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	work.Wait()
}
