package control

import (
	"fmt"

	"lvsdr/control/api"
	"lvsdr/control/director"
	"lvsdr/control/site"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// A subject is the target of an edit: a service, or a server of one.
type subject struct {
	service dataplane.ServiceKey
	server  frame.Addr
	port    uint16 // of the server
}

func subjectOf(e *site.Edit) subject {
	s := subject{service: e.Service.Key}
	switch e.Op {
	case site.AddServer, site.EditServer, site.DelServer, site.Drain, site.Undrain:
		s.server, s.port = e.Server.Addr, e.Server.Port
	}
	return s
}

// describe is an edit in words.
func describe(e *site.Edit) string {
	service := director.WireKey(e.Service.Key).String()
	server := api.HostPort(e.Server.Addr.IP(), e.Server.Port)
	switch e.Op {
	case site.AddService:
		return fmt.Sprintf("add %s, %s", service, e.Service.Scheduler)
	case site.EditService:
		return fmt.Sprintf("change %s, %s", service, e.Service.Scheduler)
	case site.DelService:
		return "remove " + service
	case site.AddServer:
		return fmt.Sprintf("add %s to %s, weight %d", server, service, e.Server.Weight)
	case site.EditServer:
		return fmt.Sprintf("change %s of %s, weight %d", server, service, e.Server.Weight)
	case site.Drain:
		return fmt.Sprintf("drain %s of %s", server, service)
	case site.Undrain:
		return fmt.Sprintf("undo the draining of %s of %s", server, service)
	case site.DelServer:
		return fmt.Sprintf("remove %s from %s", server, service)
	}
	return e.Op.String()
}

// maxChanges bounds the lines about a reload.
const maxChanges = 1000

// changes are the differences between the tables of two States, in words.
func changes(old, new *site.State) []string {
	edits := site.Diff(old.Table(), new.Table())
	lines := make([]string, 0, min(len(edits), maxChanges+1))
	for i := range edits {
		if i == maxChanges {
			lines = append(lines, fmt.Sprintf("and %d more", len(edits)-i))
			break
		}
		lines = append(lines, describe(&edits[i]))
	}
	return lines
}
