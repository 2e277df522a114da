package control

import (
	"maps"
	"sync"
	"time"

	"lvsdr/control/check"
	"lvsdr/control/hostnet"
)

var _ check.Links = (*linkStates)(nil)

// linkStates know which links are down, for the checks. The loop tells them; the checks
// ask, from their own goroutines.
type linkStates struct {
	mu   sync.Mutex
	down map[int]string    // why, by index
	last map[int]time.Time // when a link was last seen to be down
}

// see takes the links that are down now.
func (l *linkStates) see(down map[int]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil {
		l.last = map[int]time.Time{}
	}
	now := time.Now()
	for i := range l.down {
		l.last[i] = now // until now it was
	}
	for i := range down {
		l.last[i] = now
	}
	l.down = maps.Clone(down)
}

// Down implements check.Links. The kernel is asked too: it knows first.
func (l *linkStates) Down(index int, since time.Time) string {
	if why := hostnet.DownNow(index); why != "" {
		return why
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if why := l.down[index]; why != "" {
		return why
	}
	if at, ok := l.last[index]; ok && !at.Before(since) {
		return "the interface was down meanwhile"
	}
	return ""
}
