package quota

import (
	"sync"
	"testing"
)

func TestBalancesDoNotDrift(t *testing.T) {
	const orders = 500
	ledger := NewLedger(map[string]int64{"ACC-1": 1_000_000})

	var work sync.WaitGroup
	work.Add(3)
	go func() {
		defer work.Done()
		for range orders {
			if err := ledger.Debit("ACC-1", 100); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	go func() {
		defer work.Done()
		for range orders {
			ledger.Refund("ACC-1", 100)
		}
	}()
	go func() {
		defer work.Done()
		for range orders {
			ledger.Balance("ACC-1")
		}
	}()
	work.Wait()

	if got := ledger.Balance("ACC-1"); got != 1_000_000 {
		t.Errorf("balance drifted to %d cents, want 1000000", got)
	}
}
