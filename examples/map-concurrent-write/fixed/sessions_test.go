package sessions

import (
	"fmt"
	"sync"
	"testing"
)

func TestLoginStorm(t *testing.T) {
	const handlers, loginsEach = 8, 100
	registry := NewRegistry()

	var storm sync.WaitGroup
	for handler := range handlers {
		storm.Add(1)
		go func() {
			defer storm.Done()
			for login := range loginsEach {
				registry.Login(fmt.Sprintf("user-%d-%d", handler, login))
			}
			registry.Logout(fmt.Sprintf("user-%d-0", handler))
		}()
	}
	storm.Wait()

	if got, want := registry.Active(), handlers*(loginsEach-1); got != want {
		t.Errorf("%d active sessions, want %d", got, want)
	}
}
