package control

import (
	"errors"
	"testing"

	"lvsdr/control/actor/actortest"
	"lvsdr/control/site"
	"lvsdr/dataplane/frame"
)

// A real server on this host is reached by the pair of interfaces of clients on this host,
// as long as that is there, whoever made the server.
func TestARealServerOnThisHostIsReachedByThePair(t *testing.T) {
	bubble(t, func(t *testing.T) {
		own := "192.168.1.10"
		r := newRig(t, service(vip, own, rs1)).start()
		want := func(when string, reached bool) {
			t.Helper()
			h, ok := r.Hops[ip(own)]
			if ok != reached || ok && (!h.Local || h.Link != actortest.Near || h.MAC != actortest.Near.MAC) {
				t.Errorf("%s: %+v, %v; want it reached: %v", when, h, ok, reached)
			}
		}
		want("before anything is announced", false)
		r.resolve()
		want("when it is", true)
		if len(r.Redirects) != 1 || !r.Redirects[0].Served {
			t.Errorf("served are %+v", r.Redirects)
		}
		r.put(portsLost{actortest.Near.Index, errors.New("lost")})
		want("when the pair is lost", false)
		r.pass(2 * maxRetry)
		want("when it is there again", true)
		if _, err := r.reload(service(vip, rs1)); err != nil {
			t.Fatal(err)
		}
		want("when the file has it no more", false)
		if len(r.Redirects) != 1 || r.Redirects[0].Served {
			t.Errorf("served are %+v", r.Redirects)
		}
		r.edit(site.Edit{Op: site.AddServer, Service: add(vip)[0].Service, Server: server(own, 1)})
		want("when ipvsadm has added it", true)
		if h := r.Hops[ip(rs1)]; h.Local || h.MAC == (frame.MAC{}) {
			t.Errorf("the other server: %+v", h)
		}
	})
}
