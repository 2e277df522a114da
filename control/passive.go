package control

import (
	"lvsdr/control/health"
	"lvsdr/control/site"
	"lvsdr/dataplane"
)

// synsKey is the key of site.Counted in the mailbox: the newest one says it all.
type synsKey struct{}

// tellSYNs tells the loop what the servers were sent that are watched for failures which their
// clients show, as service says; without such servers it does nothing.
func (l *loop) tellSYNs(service func(dataplane.ServiceKey) (dataplane.ServiceStatus, bool)) {
	v := l.view.Load()
	if v == nil {
		return
	}
	var syns map[site.ServerOf]health.SYNs
	for k := range v.State.Watched() {
		if syns == nil {
			syns = map[site.ServerOf]health.SYNs{}
		}
		st, _ := service(k)
		for i := range st.Servers {
			r := &st.Servers[i]
			syns[site.ServerOf{Service: k, Addr: r.Config.Addr, Port: r.Config.Port}] = health.SYNs{Connections: r.Traffic.Conns, Repeated: r.Repeated}
		}
	}
	if syns != nil {
		l.box.put(synsKey{}, site.Counted{SYNs: syns, Now: l.now()})
	}
}
