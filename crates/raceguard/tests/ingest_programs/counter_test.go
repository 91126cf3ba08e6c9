package counter

import (
	"sync"
	"testing"
)

func TestMap(t *testing.T) {
	c := New()
	var wg sync.WaitGroup
	for i := 0; i < 2; i++ {
		wg.Add(1)
		go func() { defer wg.Done(); c.Add("a") }()
	}
	t.Log("working")
	wg.Wait()
}

func TestSub(t *testing.T) {
	t.Run("reader", func(t *testing.T) {
		c := New()
		done := make(chan bool)
		go func() { c.Add("b"); close(done) }()
		c.Get("b")
		<-done
	})
}

func TestClean(t *testing.T) {}
