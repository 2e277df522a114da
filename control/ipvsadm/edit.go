package ipvsadm

import (
	"cmp"

	"lvsdr/control/api"
)

// defaultInterface is that of a sync daemon for which none is given.
const defaultInterface = "eth0"

// edit is the edit that a legal request asks for; nil: it asks for none.
func (q *request) edit() (*api.Edit, error) {
	e := &api.Edit{Service: q.service}
	switch q.command {
	case addService, editService:
		e.Op = api.AddService
		if q.command == editService {
			e.Op = api.EditService
		}
		return e, nil
	case addServer, editServer, delServer:
		e.Op, e.Server = serverEdits[q.command], q.server
	case delService:
		e.Op = api.DelService
	case clearAll:
		e.Op = api.Flush
	case zero:
		e.Op = api.Zero
	case set:
		e.Op, e.Timeouts = api.SetTimeouts, api.Timeouts{TCP: q.timeouts[0], TCPFin: q.timeouts[1], UDP: q.timeouts[2]}
	case startDaemon, stopDaemon:
		e.Op, e.Daemon = api.StopDaemon, api.Daemon{Role: q.daemon.Role}
		if q.command == startDaemon {
			e.Op, e.Daemon = api.StartDaemon, q.daemon
			e.Daemon.Interface = cmp.Or(q.daemon.Interface, defaultInterface)
		}
	default:
		return nil, nil
	}
	e.Service = api.ServiceConfig{ServiceKey: q.service.ServiceKey} // only its key counts
	return e, nil
}

// serverEdits are the edits of the commands about servers.
var serverEdits = map[command]api.EditOp{addServer: api.AddServer, editServer: api.EditServer, delServer: api.DelServer}
