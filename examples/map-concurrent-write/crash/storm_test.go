// Package crash shows the end that the race of its parent has under load:
// "fatal error: concurrent map writes", which no recover can stop. This test
// binary is meant to die.
package crash

import (
	"fmt"
	"sync"
	"testing"

	sessions "example.com/map-concurrent-write"
)

// Many users log in at once, until the Go runtime notices two writers inside
// the map. The bound only keeps a machine with a single core from looping.
func TestLoginStorm(t *testing.T) {
	const handlers, loginsEach = 8, 1_000_000
	registry := sessions.NewRegistry()

	var storm sync.WaitGroup
	for handler := range handlers {
		storm.Add(1)
		go func() {
			defer storm.Done()
			for login := range loginsEach {
				registry.Login(fmt.Sprintf("user-%d-%d", handler, login%1000))
			}
		}()
	}
	storm.Wait()
}
