package flags

import (
	"sync"
	"testing"
)

func TestUpdatesDuringRequests(t *testing.T) {
	set := NewSet(map[string]bool{"new-checkout": true})

	var work sync.WaitGroup
	for range 4 {
		work.Add(1)
		go func() {
			defer work.Done()
			for range 500 {
				if !set.Enabled("new-checkout") {
					t.Error("new-checkout is off, want on")
					return
				}
			}
		}()
	}
	for push := range 500 {
		set.Update("dark-mode", push%2 == 0)
	}
	work.Wait()
}
