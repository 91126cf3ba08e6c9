package room

import (
	"sync"
	"testing"
	"time"
)

func member(name string) *Member {
	return &Member{Name: name, Inbox: make(chan string, 8)}
}

// Somebody joins while a message goes out.
func TestJoinDuringBroadcast(t *testing.T) {
	room := NewRoom(member("ada"), member("grace"))
	newcomer := member("linus")

	var work sync.WaitGroup
	work.Add(2)
	go func() {
		defer work.Done()
		if got := room.Broadcast("hello"); got < 2 {
			t.Errorf("delivered to %d members, want at least 2", got)
		}
	}()
	go func() {
		defer work.Done()
		time.Sleep(50 * time.Millisecond)
		room.Join(newcomer)
	}()
	work.Wait()
}

// Somebody leaves while a message goes out.
func TestLeaveDuringBroadcast(t *testing.T) {
	room := NewRoom(member("ada"), member("grace"))

	var work sync.WaitGroup
	work.Add(2)
	go func() {
		defer work.Done()
		if got := room.Broadcast("hello"); got < 1 {
			t.Errorf("delivered to %d members, want at least 1", got)
		}
	}()
	go func() {
		defer work.Done()
		time.Sleep(50 * time.Millisecond)
		room.Leave("grace")
	}()
	work.Wait()
}
