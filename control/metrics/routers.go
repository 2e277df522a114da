package metrics

import "lvsdr/control/api"

// routers are the VRRP instances.
func (f *families) routers(all []api.Router) {
	if len(all) == 0 {
		return
	}
	master := f.gauge("lvsdr_vrrp_master", "Whether the director is the master of a VRRP instance.", len(all))
	fault := f.gauge("lvsdr_vrrp_fault", "Whether a VRRP instance is in fault: something that it tracks is down.", len(all))
	priority := f.gauge("lvsdr_vrrp_priority", "The priority of a VRRP instance that is in force.", len(all))
	became := f.counter("lvsdr_vrrp_became_master_total", "How often the director has become the master of a VRRP instance.", len(all))
	sent := f.counter("lvsdr_vrrp_adverts_sent_total", "Adverts that a VRRP instance has sent.", len(all))
	received := f.counter("lvsdr_vrrp_adverts_received_total", "Adverts that a VRRP instance has accepted.", len(all))
	refused := f.counter("lvsdr_vrrp_adverts_refused_total", "Packets that a VRRP instance has refused.", len(all))
	for i := range all {
		r := &all[i]
		of := labels("router", r.Name)
		master.add(yesNo(r.Role == "MASTER"), of)
		fault.add(yesNo(r.Role == "FAULT"), of)
		priority.add(float64(r.Priority), of)
		became.add(r.Became, of)
		sent.add(r.Sent, of)
		received.add(r.Received, of)
		refused.add(r.Refused, of)
	}
}
