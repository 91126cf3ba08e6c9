// Package room is a chat room: members join and leave while messages go out.
package room

// Member receives messages.
type Member struct {
	Name  string
	Inbox chan string
}

// Room delivers every message to all of its members.
type Room struct {
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
	r.members[member.Name] = member
}

// Leave removes a member.
func (r *Room) Leave(name string) {
	delete(r.members, name)
}

// Broadcast offers a message to every member and returns how many took it.
func (r *Room) Broadcast(message string) int {
	delivered := 0
	for _, member := range r.members {
		select {
		case member.Inbox <- message:
			delivered++
		default: // a full inbox does not hold the others up
		}
	}
	return delivered
}
