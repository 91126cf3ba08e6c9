package main

import (
	"sync"

	"github.com/puzpuzpuz/xsync/v4"
)

// A measured map. The loop is written out for each map, so that no call through an interface is part of an operation.
type measured interface {
	// loop does the operations and returns a sum of what was read.
	loop(operations []uint32) uint64
	put(key, value uint64)
	get(key uint64) (uint64, bool)
	sum() uint64
}

// What to do stands in the upper three bits of an operation, the key in the others. Setting a value is all that is none
// of these.
const (
	bits      = 29
	index     = 1<<bits - 1
	read      = 0
	increment = 2
	remove    = 4
	pass      = 5
)

func empty(name string) measured {
	switch name {
	case "go-sync-map":
		return &syncMap{}
	case "go-mutex":
		return &mutexMap{entries: map[uint64]uint64{}}
	case "go-rwmutex":
		return &rwMutexMap{entries: map[uint64]uint64{}}
	case "go-32-shards":
		return newSharded()
	case "go-xsync":
		return &xsyncMap{entries: xsync.NewMap[uint64, uint64]()}
	}
	return nil
}

type syncMap struct{ entries sync.Map }

func (m *syncMap) loop(operations []uint32) (result uint64) {
	for _, operation := range operations {
		key := uint64(operation & index)
		switch operation >> bits {
		case read:
			if value, ok := m.entries.Load(key); ok {
				result += value.(uint64)
			}
		case increment:
			for {
				old, _ := m.entries.Load(key)
				if m.entries.CompareAndSwap(key, old, old.(uint64)+1) {
					break
				}
			}
		case remove:
			m.entries.Delete(key)
		case pass:
			result += m.sum()
		default:
			m.entries.Store(key, key)
		}
	}
	return result
}

func (m *syncMap) put(key, value uint64) { m.entries.Store(key, value) }

func (m *syncMap) get(key uint64) (uint64, bool) {
	value, ok := m.entries.Load(key)
	if !ok {
		return 0, false
	}
	return value.(uint64), true
}

func (m *syncMap) sum() (all uint64) {
	m.entries.Range(func(_, value any) bool {
		all += value.(uint64)
		return true
	})
	return all
}

type mutexMap struct {
	lock    sync.Mutex
	entries map[uint64]uint64
}

func (m *mutexMap) loop(operations []uint32) (result uint64) {
	for _, operation := range operations {
		key := uint64(operation & index)
		if operation>>bits == pass {
			result += m.sum()
			continue
		}
		m.lock.Lock()
		switch operation >> bits {
		case read:
			result += m.entries[key]
		case increment:
			m.entries[key]++
		case remove:
			delete(m.entries, key)
		default:
			m.entries[key] = key
		}
		m.lock.Unlock()
	}
	return result
}

func (m *mutexMap) put(key, value uint64) {
	m.lock.Lock()
	m.entries[key] = value
	m.lock.Unlock()
}

func (m *mutexMap) get(key uint64) (uint64, bool) {
	m.lock.Lock()
	value, ok := m.entries[key]
	m.lock.Unlock()
	return value, ok
}

func (m *mutexMap) sum() (all uint64) {
	m.lock.Lock()
	for _, value := range m.entries {
		all += value
	}
	m.lock.Unlock()
	return all
}

type rwMutexMap struct {
	lock    sync.RWMutex
	entries map[uint64]uint64
}

func (m *rwMutexMap) loop(operations []uint32) (result uint64) {
	for _, operation := range operations {
		key := uint64(operation & index)
		switch operation >> bits {
		case read:
			m.lock.RLock()
			result += m.entries[key]
			m.lock.RUnlock()
		case increment:
			m.lock.Lock()
			m.entries[key]++
			m.lock.Unlock()
		case remove:
			m.lock.Lock()
			delete(m.entries, key)
			m.lock.Unlock()
		case pass:
			result += m.sum()
		default:
			m.lock.Lock()
			m.entries[key] = key
			m.lock.Unlock()
		}
	}
	return result
}

func (m *rwMutexMap) put(key, value uint64) {
	m.lock.Lock()
	m.entries[key] = value
	m.lock.Unlock()
}

func (m *rwMutexMap) get(key uint64) (uint64, bool) {
	m.lock.RLock()
	value, ok := m.entries[key]
	m.lock.RUnlock()
	return value, ok
}

func (m *rwMutexMap) sum() (all uint64) {
	m.lock.RLock()
	for _, value := range m.entries {
		all += value
	}
	m.lock.RUnlock()
	return all
}

const shards = 32

type shardedMap struct {
	shards [shards]struct {
		rwMutexMap
		_ [96]byte // Fills up two cache lines, which the processor fetches together.
	}
}

func newSharded() *shardedMap {
	m := &shardedMap{}
	for number := range m.shards {
		m.shards[number].entries = map[uint64]uint64{}
	}
	return m
}

func (m *shardedMap) of(key uint64) *rwMutexMap {
	return &m.shards[key*0x9e3779b97f4a7c15>>(64-5)].rwMutexMap
}

func (m *shardedMap) loop(operations []uint32) (result uint64) {
	for _, operation := range operations {
		key := uint64(operation & index)
		shard := m.of(key)
		switch operation >> bits {
		case read:
			shard.lock.RLock()
			result += shard.entries[key]
			shard.lock.RUnlock()
		case increment:
			shard.lock.Lock()
			shard.entries[key]++
			shard.lock.Unlock()
		case remove:
			shard.lock.Lock()
			delete(shard.entries, key)
			shard.lock.Unlock()
		case pass:
			result += m.sum()
		default:
			shard.lock.Lock()
			shard.entries[key] = key
			shard.lock.Unlock()
		}
	}
	return result
}

func (m *shardedMap) put(key, value uint64)         { m.of(key).put(key, value) }
func (m *shardedMap) get(key uint64) (uint64, bool) { return m.of(key).get(key) }

func (m *shardedMap) sum() (all uint64) {
	for number := range m.shards {
		all += m.shards[number].sum()
	}
	return all
}

type xsyncMap struct{ entries *xsync.Map[uint64, uint64] }

func (m *xsyncMap) loop(operations []uint32) (result uint64) {
	for _, operation := range operations {
		key := uint64(operation & index)
		switch operation >> bits {
		case read:
			value, _ := m.entries.Load(key)
			result += value
		case increment:
			m.entries.Compute(key, func(old uint64, _ bool) (uint64, xsync.ComputeOp) {
				return old + 1, xsync.UpdateOp
			})
		case remove:
			m.entries.Delete(key)
		case pass:
			result += m.sum()
		default:
			m.entries.Store(key, key)
		}
	}
	return result
}

func (m *xsyncMap) put(key, value uint64)         { m.entries.Store(key, value) }
func (m *xsyncMap) get(key uint64) (uint64, bool) { return m.entries.Load(key) }

func (m *xsyncMap) sum() (all uint64) {
	m.entries.Range(func(_, value uint64) bool {
		all += value
		return true
	})
	return all
}
