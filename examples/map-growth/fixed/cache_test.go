package cache

import (
	"fmt"
	"sync"
	"testing"
)

func TestReadDuringGrowth(t *testing.T) {
	for _, size := range []int{1_000, 100_000} {
		t.Run(fmt.Sprintf("keys=%d", size), func(t *testing.T) {
			prices := NewPrices()
			var warmUp sync.WaitGroup
			warmUp.Add(1)
			go func() {
				defer warmUp.Done()
				prices.Warm(0, size)
			}()
			for id := range size {
				if cents, ok := prices.Get(id); ok && cents != int64(id)*100 {
					t.Errorf("price of %d = %d", id, cents)
				}
			}
			warmUp.Wait()
			if cents, ok := prices.Get(size - 1); !ok || cents != int64(size-1)*100 {
				t.Errorf("price of the last product = %d, %t", cents, ok)
			}
		})
	}
}
