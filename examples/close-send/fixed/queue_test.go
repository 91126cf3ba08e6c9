package queue

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

func TestSubmitDuringShutdown(t *testing.T) {
	queue := NewQueue()
	var accepted, ran atomic.Int64

	var handlers sync.WaitGroup
	for range 8 {
		handlers.Add(1)
		go func() {
			defer handlers.Done()
			for range 200 {
				switch err := queue.Submit(func() { ran.Add(1) }); {
				case err == nil:
					accepted.Add(1)
				case !errors.Is(err, ErrClosed):
					t.Error(err)
				}
			}
		}()
	}
	queue.Shutdown()
	handlers.Wait()

	if accepted.Load() != ran.Load() {
		t.Errorf("%d jobs accepted, %d ran", accepted.Load(), ran.Load())
	}
}
