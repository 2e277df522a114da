package site

import (
	"slices"

	"lvsdr/control/site/tree"
	"lvsdr/dataplane"
)

// Diff are the edits that lead from old to new. Do with each of them in turn
// makes old's content new's, and nothing that is equal is touched; the order of
// a service's servers is part of the content, because schedulers depend on it.
// Owners are not.
//
// It costs what differs: what the tables share is passed over. What is new comes
// before what goes, so that a service is not without servers between two edits;
// where there is no room for that, it is the other way round.
func Diff(old, new *Table) []Edit {
	var come, gone edits
	for _, c := range tree.Diff(old.all(), new.all()) {
		differences(&come, &gone, c.Old, c.New)
	}
	if old.count()+len(come) > dataplane.MaxServers {
		return append(gone, come...)
	}
	return append(come, gone...)
}

// edits are collected one by one.
type edits []Edit

func (l *edits) service(op Op, c dataplane.ServiceConfig) { *l = append(*l, Edit{Op: op, Service: c}) }

func (l *edits) server(op Op, k dataplane.ServiceKey, c dataplane.ServerConfig) {
	*l = append(*l, Edit{Op: op, Service: dataplane.ServiceConfig{Key: k}, Server: c})
}

// differences adds the edits that lead from old to new: to come those that add
// and change, to gone those that remove what new does not have. nil is no
// service.
func differences(come, gone *edits, old, new *Service) {
	if new == nil {
		gone.service(DelService, dataplane.ServiceConfig{Key: old.Config.Key})
		return
	}
	switch {
	case old == nil:
		come.service(AddService, new.Config)
		old = &Service{}
	case old.Config != new.Config:
		come.service(EditService, new.Config)
	}
	k := new.Config.Key
	first := len(new.Servers) - staying(old.Servers, new.Servers)
	stay := new.Servers[first:] // in the same order in old, with others between
	for _, s := range old.Servers {
		switch {
		case len(stay) > 0 && stay[0].same(s.Config):
			if stay[0].Config != s.Config {
				come.server(EditServer, k, stay[0].Config)
			}
			stay = stay[1:]
		case new.find(s.Config) < 0:
			gone.server(DelServer, k, s.Config)
		default: // it enters again, at the head
			come.server(DelServer, k, s.Config)
		}
	}
	for _, s := range slices.Backward(new.Servers[:first]) {
		come.server(AddServer, k, s.Config)
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
