package quota

// Ledger counts what was debited.
type Ledger struct {
	debited int64
}

// Debit takes an amount off the quota.
func (l *Ledger) Debit(amount int64) {
	if amount <= 0 {
		return
	}
	l.debited += amount
}
