package client

import (
	"sync"
	"testing"
	"time"
)

// Two requests need the connection, the second one a little later: its check
// in front of the Once may see the pointer and not yet what it points to.
func TestFirstUseFromTwoRequests(t *testing.T) {
	client := NewClient("rates:8443")

	var requests sync.WaitGroup
	requests.Add(2)
	go func() {
		defer requests.Done()
		if !client.Conn().Healthy() {
			t.Error("the first request got half a connection")
		}
	}()
	go func() {
		defer requests.Done()
		time.Sleep(50 * time.Millisecond)
		if !client.Conn().Healthy() {
			t.Error("the second request got half a connection")
		}
	}()
	requests.Wait()
}

// The connection is reset while a request is using it.
func TestResetDuringRequest(t *testing.T) {
	client := NewClient("rates:8443")

	var work sync.WaitGroup
	work.Add(2)
	go func() {
		defer work.Done()
		client.Conn()
	}()
	go func() {
		defer work.Done()
		time.Sleep(50 * time.Millisecond)
		client.Reset()
	}()
	work.Wait()
}
