package room

import (
	"fmt"
	"sync"
	"testing"
)

func TestComingAndGoingDuringBroadcasts(t *testing.T) {
	ada := &Member{Name: "ada", Inbox: make(chan string, 1000)}
	room := NewRoom(ada)

	var work sync.WaitGroup
	for guest := range 4 {
		work.Add(1)
		go func() {
			defer work.Done()
			name := fmt.Sprintf("guest-%d", guest)
			for range 100 {
				room.Join(&Member{Name: name, Inbox: make(chan string, 1)})
				room.Leave(name)
			}
		}()
	}
	for range 200 {
		room.Broadcast("hello")
	}
	work.Wait()

	if got := len(ada.Inbox); got != 200 {
		t.Errorf("ada received %d messages, want 200", got)
	}
}
