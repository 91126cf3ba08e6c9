package client

import (
	"sync"
	"testing"
)

func TestResetsDuringRequests(t *testing.T) {
	client := NewClient("rates:8443")

	var requests sync.WaitGroup
	for range 4 {
		requests.Add(1)
		go func() {
			defer requests.Done()
			for range 200 {
				if !client.Conn().Healthy() {
					t.Error("a request got half a connection")
					return
				}
			}
		}()
	}
	for range 50 {
		client.Reset()
	}
	requests.Wait()
}
