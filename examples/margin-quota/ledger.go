// Package quota keeps the margin that each trading account may still use.
package quota

import "errors"

// ErrInsufficient says that an account's margin does not cover an order.
var ErrInsufficient = errors.New("insufficient margin")

// Ledger holds balances in cents. Orders debit an account, cancelled orders
// refund it; both arrive on their own goroutines.
type Ledger struct {
	balances map[string]int64
}

// NewLedger opens the accounts with the given balances.
func NewLedger(opening map[string]int64) *Ledger {
	ledger := &Ledger{balances: make(map[string]int64, len(opening))}
	for account, cents := range opening {
		ledger.balances[account] = cents
	}
	return ledger
}

// Debit reserves margin for an order.
func (l *Ledger) Debit(account string, cents int64) error {
	balance := l.balances[account]
	if balance < cents {
		return ErrInsufficient
	}
	l.balances[account] = balance - cents
	return nil
}

// Refund gives the margin of a cancelled order back.
func (l *Ledger) Refund(account string, cents int64) {
	l.balances[account] += cents
}

// Balance is the margin an account has left.
func (l *Ledger) Balance(account string) int64 {
	return l.balances[account]
}
