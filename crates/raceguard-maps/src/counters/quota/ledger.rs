//! [`Ledger`]: the accounts of one shard and the reservations on them. Sequential; the shard's lock is around it.
//!
//! Invariant: for each account, `balance - reserved >= floor`, and `reserved` is the sum of its `holds`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::{BuildHasher, Hash};
use std::time::Instant;

use slab::Slab;

use crate::counters::clock::Clock;
use crate::counters::quota::{Quota, QuotaError, Totals};
use crate::error::MapError;
use crate::lifecycle::CloseReport;
use crate::map::Lookup;
use crate::table::Table;

#[derive(Debug)]
pub(super) struct Ledger<K> {
    /// Slots in `accounts`, so that later steps of an operation do without code of the keys.
    index: Table<K, usize>,
    accounts: Slab<Account>,
    holds: Slab<Hold>,
    /// The earliest first. May name holds that are gone.
    deadlines: BinaryHeap<Reverse<(Instant, HoldId)>>,
    next_serial: u64,
    /// Set by `close`.
    pub(super) closed: Option<CloseReport>,
}

#[derive(Debug)]
struct Account {
    balance: i64,
    floor: i64,
    reserved: u64,
    holds: usize,
}

#[derive(Debug)]
struct Hold {
    /// Tells a hold from an earlier one in the same slot.
    serial: u64,
    account: usize,
    amount: u64,
}

/// Which hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HoldId {
    serial: u64,
    slot: usize,
}

impl<K> Default for Ledger<K> {
    fn default() -> Self {
        Self {
            index: Table::default(),
            accounts: Slab::new(),
            holds: Slab::new(),
            deadlines: BinaryHeap::new(),
            next_serial: 0,
            closed: None,
        }
    }
}

impl Account {
    fn available(&self) -> u64 {
        let available = i128::from(self.balance) - i128::from(self.reserved) - i128::from(self.floor);
        u64::try_from(available).unwrap_or(0)
    }
}

impl<K> Ledger<K> {
    /// Refuses a closed ledger, and gives back what reservations kept whose time is up.
    pub(super) fn refresh(&mut self, clock: &impl Clock) -> Result<(), MapError> {
        if self.closed.is_some() {
            return Err(MapError::Closed);
        }
        self.expire(clock);
        Ok(())
    }

    pub(super) fn expire(&mut self, clock: &impl Clock) {
        // The clock is asked only where something can expire.
        if self.deadlines.is_empty() {
            return;
        }
        let now = clock.now();
        while let Some(&Reverse((deadline, hold))) = self.deadlines.peek()
            && deadline <= now
        {
            self.deadlines.pop();
            self.release(hold);
        }
    }

    pub(super) fn quota(&self, slot: usize) -> Quota {
        let account = &self.accounts[slot];
        Quota {
            balance: account.balance,
            floor: account.floor,
            reserved: account.reserved,
            available: account.available(),
        }
    }

    /// The balance after adding an amount.
    pub(super) fn credited(&self, slot: usize, amount: u64) -> Result<i64, QuotaError> {
        let balance = self.accounts[slot].balance;
        balance.checked_add_unsigned(amount).ok_or(QuotaError::Overflow { balance, amount })
    }

    /// The balance after taking an amount that is available.
    pub(super) fn debited(&self, slot: usize, amount: u64) -> Result<i64, QuotaError> {
        let account = &self.accounts[slot];
        let insufficient = || QuotaError::Insufficient { available: account.available(), requested: amount };
        if amount > account.available() {
            return Err(insufficient());
        }
        account.balance.checked_sub_unsigned(amount).ok_or_else(insufficient)
    }

    pub(super) fn set_balance(&mut self, slot: usize, balance: i64) {
        self.accounts[slot].balance = balance;
    }

    pub(super) fn set_floor(&mut self, slot: usize, floor: i64) -> Result<(), QuotaError> {
        let account = &mut self.accounts[slot];
        check_floor(account.balance, account.reserved, floor)?;
        account.floor = floor;
        Ok(())
    }

    /// Reserves an amount that is available.
    pub(super) fn hold(
        &mut self,
        slot: usize,
        amount: u64,
        deadline: Option<Instant>,
    ) -> Result<HoldId, QuotaError> {
        let account = &mut self.accounts[slot];
        if amount > account.available() {
            return Err(QuotaError::Insufficient { available: account.available(), requested: amount });
        }
        let Some(reserved) = account.reserved.checked_add(amount) else {
            return Err(QuotaError::Insufficient { available: account.available(), requested: amount });
        };
        account.reserved = reserved;
        account.holds += 1;
        let serial = self.next_serial;
        self.next_serial += 1;
        let id = HoldId { serial, slot: self.holds.insert(Hold { serial, account: slot, amount }) };
        if let Some(deadline) = deadline {
            self.forget_old_deadlines();
            self.deadlines.push(Reverse((deadline, id)));
        }
        Ok(id)
    }

    /// Whose account a hold is on and how much it keeps, unless its time was up.
    pub(super) fn held(&self, id: HoldId) -> Result<(usize, u64), QuotaError> {
        match self.holds.get(id.slot) {
            Some(hold) if hold.serial == id.serial => Ok((hold.account, hold.amount)),
            _ => Err(QuotaError::Expired),
        }
    }

    /// Ends a hold, so that its amount is available again; no effect when it is gone.
    pub(super) fn release(&mut self, id: HoldId) {
        if let Ok((account, amount)) = self.held(id) {
            self.holds.remove(id.slot);
            let account = &mut self.accounts[account];
            account.reserved -= amount;
            account.holds -= 1;
        }
    }

    /// Ends a hold and takes its amount from the balance; returns the balance.
    pub(super) fn spend(&mut self, id: HoldId) -> Result<i64, QuotaError> {
        let (account, amount) = self.held(id)?;
        self.release(id);
        let balance = self.debited(account, amount)?;
        self.set_balance(account, balance);
        Ok(balance)
    }

    pub(super) fn add_to(&self, totals: &mut Totals) {
        totals.accounts += self.accounts.len();
        totals.reservations += self.holds.len();
        for (_, account) in &self.accounts {
            totals.balance += i128::from(account.balance);
            totals.reserved += u128::from(account.reserved);
        }
    }

    /// Empties the ledger for good.
    pub(super) fn close(&mut self, report: CloseReport, balances: &mut Vec<(K, i64)>) {
        self.closed = Some(report);
        let accounts = std::mem::take(&mut self.accounts);
        let index = std::mem::take(&mut self.index);
        balances.extend(index.into_entries().map(|(key, slot)| (key, accounts[slot].balance)));
        self.holds = Slab::new();
        self.deadlines = BinaryHeap::new();
    }

    /// Keeps the deadlines in proportion to the holds, whose ends do not look for them.
    fn forget_old_deadlines(&mut self) {
        if self.deadlines.len() > 2 * self.holds.len() + 16 {
            let holds = &self.holds;
            self.deadlines
                .retain(|Reverse((_, id))| holds.get(id.slot).is_some_and(|hold| hold.serial == id.serial));
        }
    }
}

impl<K: Hash + Eq + Clone> Ledger<K> {
    pub(super) fn find<Q: Lookup<K> + ?Sized>(&self, hash: u64, key: &Q) -> Result<usize, QuotaError> {
        self.index.get(hash, key).copied().ok_or(QuotaError::NoAccount)
    }

    pub(super) fn add(
        &mut self,
        hash: u64,
        key: K,
        floor: i64,
        balance: i64,
        hasher: &impl BuildHasher,
    ) -> Result<(), QuotaError> {
        check_floor(balance, 0, floor)?;
        if self.index.get(hash, &key).is_some() {
            return Err(QuotaError::Exists);
        }
        self.index.make_way(hash, hasher);
        let slot = self.accounts.insert(Account { balance, floor, reserved: 0, holds: 0 });
        self.index.add(hash, key, slot, hasher);
        Ok(())
    }

    pub(super) fn remove<Q: Lookup<K> + ?Sized>(
        &mut self,
        hash: u64,
        key: &Q,
        hasher: &impl BuildHasher,
    ) -> Result<(K, i64), QuotaError> {
        let slot = self.find(hash, key)?;
        let Account { reserved, holds, .. } = self.accounts[slot];
        if holds > 0 {
            return Err(QuotaError::Reserved { reserved });
        }
        let removed = self.index.remove_if(hash, key, |_| true, hasher);
        let (key, slot) = removed.ok_or(QuotaError::NoAccount)?;
        Ok((key, self.accounts.remove(slot).balance))
    }
}

fn check_floor(balance: i64, reserved: u64, floor: i64) -> Result<(), QuotaError> {
    if i128::from(balance) - i128::from(reserved) < i128::from(floor) {
        return Err(QuotaError::BelowFloor { balance, reserved, floor });
    }
    Ok(())
}
