package flags

import (
	"sync"
	"testing"
	"time"
)

// A request asks for a flag while the control plane pushes a change of another
// one: different keys, the same map.
func TestUpdateDuringRequest(t *testing.T) {
	set := NewSet(map[string]bool{"new-checkout": true})

	var work sync.WaitGroup
	work.Add(2)
	go func() {
		defer work.Done()
		if !set.Enabled("new-checkout") {
			t.Error("new-checkout is off, want on")
		}
	}()
	go func() {
		defer work.Done()
		time.Sleep(50 * time.Millisecond)
		set.Update("dark-mode", true)
	}()
	work.Wait()
}
