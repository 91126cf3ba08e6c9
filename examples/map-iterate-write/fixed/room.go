// Package room is a chat room that copies its list of members under the lock
// and delivers outside it, so that a slow member delays nobody who joins.
package room

import "sync"

// Member receives messages.
type Member struct {
	Name  string
	Inbox chan string
}

// Room delivers every message to all of its members.
type Room struct {
	mu      sync.Mutex
	members map[string]*Member
}

// NewRoom is a room with the given members.
func NewRoom(members ...*Member) *Room {
	room := &Room{members: make(map[string]*Member)}
	for _, member := range members {
		room.Join(member)
	}
	return room
}

// Join adds a member.
func (r *Room) Join(member *Member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members[member.Name] = member
}

// Leave removes a member.
func (r *Room) Leave(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.members, name)
}

// Broadcast offers a message to every member and returns how many took it.
func (r *Room) Broadcast(message string) int {
	delivered := 0
	for _, member := range r.present() {
		select {
		case member.Inbox <- message:
			delivered++
		default: // a full inbox does not hold the others up
		}
	}
	return delivered
}

func (r *Room) present() []*Member {
	r.mu.Lock()
	defer r.mu.Unlock()
	present := make([]*Member, 0, len(r.members))
	for _, member := range r.members {
		present = append(present, member)
	}
	return present
}
