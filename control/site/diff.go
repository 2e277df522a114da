package site

import (
	"slices"

	"lvsdr/control/site/tree"
	"lvsdr/dataplane"
)

// Diff are the edits that lead from old to new. Do with each of them in turn
// makes old's content new's, and nothing that is equal is touched; the order of
// a service's servers is part of the content, because schedulers go by it. Who
// owns what is not.
//
// It costs what differs: what the tables share is passed over. What goes comes
// first, so that there is room for what is new.
func Diff(old, new *Table) []Edit {
	var gone, rest edits
	for _, c := range tree.Diff(old.all(), new.all()) {
		gone.removals(c.Old, c.New)
		rest.additions(c.Old, c.New)
	}
	return append(gone, rest...)
}

// edits are collected one by one.
type edits []Edit

func (l *edits) service(op Op, c dataplane.ServiceConfig) { *l = append(*l, Edit{Op: op, Service: c}) }

func (l *edits) server(op Op, k dataplane.ServiceKey, c dataplane.ServerConfig) {
	*l = append(*l, Edit{Op: op, Service: dataplane.ServiceConfig{Key: k}, Server: c})
}

// removals add the edits that remove what new has not, or elsewhere in its list.
// nil is no service.
func (l *edits) removals(old, new *Service) {
	if old == nil {
		return
	}
	k := old.Config.Key
	if new == nil {
		l.service(DelService, dataplane.ServiceConfig{Key: k})
		return
	}
	stay := staying(old.Servers, new.Servers)
	at := len(new.Servers) - stay
	for i := range old.Servers {
		if at < len(new.Servers) && old.Servers[i].same(new.Servers[at].Config) {
			at++
			continue
		}
		l.server(DelServer, k, old.Servers[i].Config)
	}
}

// additions add the edits that change and add what old has otherwise, or not at
// all.
func (l *edits) additions(old, new *Service) {
	switch {
	case new == nil:
		return
	case old == nil:
		l.service(AddService, new.Config)
		old = &Service{Config: new.Config}
	case old.Config != new.Config:
		l.service(EditService, new.Config)
	}
	k := new.Config.Key
	first := len(new.Servers) - staying(old.Servers, new.Servers)
	at := 0 // in old, which has the ones that stay in the same order
	for _, s := range new.Servers[first:] {
		for !old.Servers[at].same(s.Config) {
			at++
		}
		if old.Servers[at].Config != s.Config {
			l.server(EditServer, k, s.Config)
		}
	}
	for _, s := range slices.Backward(new.Servers[:first]) {
		l.server(AddServer, k, s.Config)
	}
}

// staying is how many servers at the end of new are in old too, in that order.
// As servers enter at the head, all others must be added.
func staying(old, new []Server) int {
	for n := range new {
		s := new[len(new)-1-n]
		i := len(old) - 1
		for i >= 0 && !old[i].same(s.Config) {
			i--
		}
		if i < 0 {
			return n
		}
		old = old[:i]
	}
	return len(new)
}
