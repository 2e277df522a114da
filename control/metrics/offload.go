package metrics

import "lvsdr/control/api"

// offload says what the kernel forwards; the packets are among the frames, with the reason
// "offloaded". nil: it is not to, and there are no samples.
func (f *families) offload(o *api.Offload) {
	n := 1
	if o == nil {
		n, o = 0, &api.Offload{}
	}
	g := f.gauge("lvsdr_offload_connections", "Connections that the kernel forwards, or is about to (docs/offload.md).", n)
	working := f.gauge("lvsdr_offload_working", "Whether the kernel forwards packets, where it is to (1), or cannot (0).", n)
	handed := f.counter("lvsdr_offload_handed_over_total", "Connections that were handed over to the kernel.", n)
	back := f.counter("lvsdr_offload_taken_back_total", "Connections that were taken back from the kernel, or ended.", n)
	forced := f.counter("lvsdr_offload_forced_total", "Connections handed over before all of their packets had left.", n)
	refused := f.counter("lvsdr_offload_refused_total", "Connections not handed over, or not taken back at once: the table was full, or the kernel refused.", 2*n)
	if n == 0 {
		return
	}
	g.add(float64(o.Flows), nil)
	working.add(yesNo(o.Problem == ""), nil)
	handed.add(o.Begun, nil)
	back.add(o.Ended, nil)
	forced.add(o.Forced, nil)
	refused.add(o.Full, labels("reason", "full"))
	refused.add(o.Refused, labels("reason", "kernel"))
}
