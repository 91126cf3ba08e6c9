package stats

import (
	"sync"
	"testing"
)

func TestCountUnderLoad(t *testing.T) {
	const handlers, requestsEach = 8, 500
	stats := NewStats()

	var load sync.WaitGroup
	for range handlers {
		load.Add(1)
		go func() {
			defer load.Done()
			for range requestsEach {
				stats.Record("/pay", 512)
			}
		}()
	}
	load.Wait()

	if got, want := stats.Requests("/pay"), int64(handlers*requestsEach); got != want {
		t.Errorf("%d of %d requests counted", got, want)
	}
}
