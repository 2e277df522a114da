//go:build long

package main_test

import (
	"testing"

	"lvsdr/bench/netlab"
)

func TestReloadsUnderTrafficLoseNothing(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{ClientAddrs: 4, Servers: weighted(1, 1, 1, 1)})
	d := direct(t, lab, configOf(lab, 1, 1, 1, leftOut))
	r := &reloading{lab: lab, d: d, open: []*pinned{pin(t, lab, "rs1"), pin(t, lab, "rs2")}, up: pin(t, lab, "rs1").upload(t)}
	r.load = startLoad(t, lab)
	r.load.round(t)

	r.with(t, 5, 1, 3, leftOut)
	refuseBadFile(t, lab, d)
	r.check(t)
	// A server is taken out as an operator would: drained first.
	if served := r.with(t, 1, 2, 0, leftOut); served["rs3"] > 0 {
		t.Errorf("rs3 served %d requests with weight 0", served["rs3"])
	}
	await(t, "rs3 to have no connection left", func() bool { return status(t, d).Services[0].Servers[2].Active == 0 })
	if served := r.with(t, 1, 2, leftOut, leftOut); served["rs3"] > 0 {
		t.Errorf("rs3 served %d requests after its removal", served["rs3"])
	}
	if served := r.with(t, 1, 2, leftOut, 3); served["rs4"] == 0 {
		t.Errorf("a server that came served nothing: %v", served)
	}
	if served := r.with(t, 1, 1, 1, 1); served["rs3"] == 0 || served["rs4"] == 0 {
		t.Errorf("not all servers serve: %v", served)
	}
	addElsewhere(t, lab, d)
	r.check(t)
	r.up.finish(t)
	r.load.stop()
	r.load.wg.Wait()
	if len(r.load.failed) > 0 {
		t.Errorf("%d requests failed, the first: %v", len(r.load.failed), r.load.failed[0])
	}
	if st := status(t, d); st.Reloads != 10 || st.ConfigErr != "" {
		t.Errorf("the status says %d reloads, %q; want 10, the last one good", st.Reloads, st.ConfigErr)
	}
}
