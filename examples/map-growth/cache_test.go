package cache

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

var sizes = []int{1_000, 10_000, 100_000, 1_000_000}

// A request reads the first products while the warm-up adds all the others.
// The pause keeps the lookups in front of the growth, so that the Go runtime
// does not kill the process; nothing orders them.
func TestReadBeforeGrowth(t *testing.T) {
	for _, size := range sizes {
		t.Run(fmt.Sprintf("keys=%d", size), func(t *testing.T) {
			prices := NewPrices()
			prices.Warm(0, 8)

			var work sync.WaitGroup
			work.Add(2)
			go func() {
				defer work.Done()
				for id := range 8 {
					if cents, ok := prices.Get(id); !ok || cents != int64(id)*100 {
						t.Errorf("price of %d = %d, %t", id, cents, ok)
					}
				}
			}()
			go func() {
				defer work.Done()
				time.Sleep(50 * time.Millisecond)
				prices.Warm(8, size)
			}()
			work.Wait()
		})
	}
}
