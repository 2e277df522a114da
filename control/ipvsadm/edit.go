package ipvsadm

import (
	"errors"

	"lvsdr/dataplane"
)

// edit carries out what changes the director.
func (i *Interpreter) edit(q *request) error {
	d, key := i.Director, q.service.Key
	switch q.command {
	case addService, editService:
		if q.engine != "" {
			return unsupported("persistence engine `" + q.engine + "'")
		}
		if q.command == addService {
			return d.AddService(q.service)
		}
		return d.EditService(q.service)
	case delService:
		return d.DelService(key, i.Now())
	case clearAll:
		return i.clear()
	case addServer, editServer:
		return i.setServer(q)
	case delServer:
		return d.DelServer(key, q.addr, q.server.Port, i.Now())
	case zero:
		return i.zero(q)
	case set:
		d.SetTimeouts(q.timeouts[0], q.timeouts[1], q.timeouts[2])
		return nil
	}
	return unsupported("the sync daemon")
}

// clear removes all services. One that went meanwhile is gone, too.
func (i *Interpreter) clear() error {
	for _, s := range i.Director.Services() {
		if err := i.Director.DelService(s.Config.Key, i.Now()); err != nil && !errors.Is(err, dataplane.ErrNoService) {
			return err
		}
	}
	return nil
}

func (i *Interpreter) setServer(q *request) error {
	switch {
	case q.forward == 'i':
		return otherMethod("tunnelling (-i)")
	case q.forward == 'm':
		return otherMethod("masquerading (-m)")
	case q.command == addServer:
		return i.Director.AddServer(q.service.Key, q.server)
	}
	return i.Director.EditServer(q.service.Key, q.server)
}

// zero sets counters to zero, also those that were summed up for listings.
func (i *Interpreter) zero(q *request) error {
	if !q.given[serviceAddress] {
		i.Director.ZeroAll()
		if i.Counters != nil {
			i.Counters.zero(nil)
		}
		return nil
	}
	err := i.Director.Zero(q.service.Key)
	if err == nil && i.Counters != nil {
		i.Counters.zero(&q.service.Key)
	}
	return err
}
