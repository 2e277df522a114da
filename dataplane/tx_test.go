package dataplane

import (
	"errors"
	"fmt"
	"math/rand"
	"reflect"
	"slices"
	"strings"
	"testing"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
	"lvsdr/scheduler"
)

// An edit is one of those that a Tx and a Director both have.
type edit struct {
	op      int
	service ServiceConfig
	server  ServerConfig
}

func randomEdit(r *rand.Rand) edit {
	k := crowd{}.key(r.Intn(6))
	return edit{op: r.Intn(12), service: ServiceConfig{Key: k, Scheduler: scheduler.Names()[r.Intn(len(scheduler.Names()))]},
		server: ServerConfig{Addr: crowdServer(1 + r.Intn(5)), Port: uint16(80 + r.Intn(2)), Weight: r.Intn(4) - r.Intn(2)*r.Intn(2),
			Upper: r.Intn(3), Lower: r.Intn(2), Method: Method(r.Intn(20) / 19)}}
}

// An editing is a Tx, or a director edit by edit.
type editing interface {
	AddService(ServiceConfig) error
	EditService(ServiceConfig) error
	AddServer(ServiceKey, ServerConfig) error
	EditServer(ServiceKey, ServerConfig) error
	SetNeighbour(frame.Addr, frame.MAC, Link)
	SetVIPs([]frame.Addr)
}

func (e *edit) do(to editing, delService func() error, delServer func() error) error {
	k := e.service.Key
	switch e.op {
	case 0, 1:
		return to.AddService(e.service)
	case 2:
		return to.EditService(e.service)
	case 3:
		return delService()
	case 4, 5, 6, 7:
		return to.AddServer(k, e.server)
	case 8:
		return to.EditServer(k, e.server)
	case 9:
		return delServer()
	case 10:
		to.SetNeighbour(e.server.Addr, frame.MAC{2, 0, byte(e.server.Weight)}, Link{Index: int32(e.server.Upper)})
	case 11:
		to.SetVIPs([]frame.Addr{k.Addr, e.server.Addr})
	}
	return nil
}

// Many edits in one transaction do what they do one by one, and are refused for
// the same reasons.
func TestEditIsItsEditsOneByOne(t *testing.T) {
	for seed := range int64(50) {
		r := rand.New(rand.NewSource(seed))
		one, all := crowd{}.empty(t), crowd{}.empty(t)
		refused := 0
		for now := range int64(20) {
			edits := make([]edit, r.Intn(20))
			for i := range edits {
				edits[i] = randomEdit(r)
			}
			var want, got []error
			for _, e := range edits {
				k := e.service.Key
				want = append(want, e.do(one, func() error { return one.DelService(k, now) },
					func() error { return one.DelServer(k, e.server.Addr, e.server.Port, now) }))
			}
			all.Edit(now, func(tx *Tx) {
				for _, e := range edits {
					k := e.service.Key
					got = append(got, e.do(tx, func() error { return tx.DelService(k) },
						func() error { return tx.DelServer(k, e.server.Addr, e.server.Port) }))
				}
			})
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("seed %d: errors %v, one by one %v", seed, got, want)
			}
			if a, b := all.Services(), one.Services(); !reflect.DeepEqual(a, b) {
				t.Fatalf("seed %d: services %+v, one by one %+v", seed, a, b)
			}
			if a, b := all.table.Load(), one.table.Load(); !reflect.DeepEqual(a, b) {
				t.Fatalf("seed %d: the table is %+v, one by one %+v", seed, a, b)
			}
			for _, err := range want {
				if err != nil {
					refused++
				}
			}
		}
		if refused == 0 {
			t.Errorf("seed %d: no edit was refused", seed)
		}
	}
}

// Between two edits nothing is locked that a packet needs; what has been done is
// in force, but the VIPs are not before the end.
func TestPacketsComeBetweenEdits(t *testing.T) {
	c := crowd{services: 20, servers: 3}
	d := c.empty(t)
	free := func() {
		t.Helper()
		if !d.mu.TryLock() {
			t.Fatal("the director's lock is held between two edits")
		}
		d.mu.Unlock()
	}
	vip := c.key(0).Addr
	d.Edit(0, func(tx *Tx) {
		tx.SetVIPs([]frame.Addr{vip})
		for i := range c.services {
			must(t, tx.AddService(c.config(i)))
			free()
			for j := range c.servers {
				must(t, tx.AddServer(c.key(i), c.server(i, j)))
				free()
			}
		}
		if d.services.lookup(0, &conntrack.Key{Proto: frame.ProtoTCP, Virtual: c.key(7).Addr, VirtualPort: c.key(7).Port}) == nil {
			t.Error("an added service is not found before the end")
		}
		if d.table.Load().ours(&vip) {
			t.Error("the VIPs are in force before the end")
		}
	})
	if !d.table.Load().ours(&vip) {
		t.Error("the VIPs are not in force in the end")
	}
	for range d.EachService() {
		free()
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Releasing the lock waits until each worker that waited then has had it.
func TestReleaseLetsWorkersIn(t *testing.T) {
	d := crowd{}.empty(t)
	const workers = 3
	for range 100 {
		had := make(chan bool, workers)
		d.mu.Lock()
		for range workers {
			go func() {
				d.lockFor(&d.mu)
				had <- true
				d.mu.Unlock()
			}()
		}
		for d.waiting.Load() < workers {
		}
		d.release()
		// The last may be about to say so.
		for range workers {
			<-had
		}
		if n := d.waiting.Load(); n != 0 {
			t.Fatalf("%d workers wait", n)
		}
	}
	d.mu.Lock()
	d.release() // and does not wait for workers that do not
}

// A service by key is the one that is listed.
func TestServiceIsTheListedOne(t *testing.T) {
	c := crowd{services: 30, servers: 4}
	d := c.director(t)
	all := d.Services()
	if len(all) != c.services {
		t.Fatalf("%d services, want %d", len(all), c.services)
	}
	for _, want := range all {
		if got, ok := d.Service(want.Config.Key); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v, listed is %+v", got, ok, want)
		}
	}
	if s, ok := d.Service(ServiceKey{Mark: 9}); ok {
		t.Errorf("there is %+v", s)
	}
	n := 0
	for range d.EachService() {
		if n++; n == 7 {
			break
		}
	}
	if n != 7 {
		t.Errorf("%d services, wanted 7", n)
	}
}

// Services are found and listed by the same order whatever came and went.
func TestServicesAreSorted(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	var all services
	have := map[ServiceKey]*service{}
	var keys []ServiceKey
	for range 60 {
		k := ServiceKey{Proto: []frame.Proto{frame.ProtoTCP, frame.ProtoUDP}[r.Intn(2)], Port: uint16(r.Intn(3) * 21), IPv6: r.Intn(2) == 0}
		if k.Addr = frame.AddrFrom4([4]byte{10, 0, 0, byte(r.Intn(3))}); r.Intn(3) == 0 {
			k.Addr = frame.Addr{0: 0x20, 15: byte(r.Intn(3))}
		}
		if r.Intn(4) == 0 {
			k = ServiceKey{Mark: uint32(1 + r.Intn(3)), IPv6: k.IPv6}
		}
		keys = append(keys, k)
	}
	for range 5000 {
		k := keys[r.Intn(len(keys))]
		if s := have[k]; s != nil {
			all.remove(s)
			delete(have, k)
		} else {
			have[k] = &service{cfg: ServiceConfig{Key: k}}
			all.add(have[k])
		}
		marks, ftp := 0, 0
		for k := range have {
			if k.Mark != 0 {
				marks++
			}
			if k.Port == ftpPort {
				ftp++
			}
		}
		if len(all.sorted) != len(have) || all.marks != marks || all.ftp != ftp {
			t.Fatalf("%d services, %d by mark, %d of FTP; want %d, %d, %d", len(all.sorted), all.marks, all.ftp, len(have), marks, ftp)
		}
		if !slices.IsSortedFunc(all.sorted, func(a, b *service) int { return compareKeys(a.cfg.Key, b.cfg.Key) }) {
			t.Fatal("the services are not sorted")
		}
		walked := 0
		for s := all.first(); s != nil; s = all.after(s.cfg.Key) {
			if have[s.cfg.Key] != s {
				t.Fatalf("%+v is listed", s.cfg.Key)
			}
			walked++
		}
		if walked != len(have) {
			t.Fatalf("%d services were walked over, want %d", walked, len(have))
		}
	}
}

// Two keys are never equal in the order and different as keys.
func TestKeysHaveATotalOrder(t *testing.T) {
	a := ServiceKey{Addr: frame.Addr{0: 0x20}, Port: 1}
	b := a
	b.IPv6 = true
	if compareKeys(a, b) == 0 || compareKeys(a, b) != -compareKeys(b, a) || compareKeys(a, a) != 0 {
		t.Error("two keys are one to the order")
	}
}

// What no service can have for a server is refused, in words.
func TestServerConfigCheck(t *testing.T) {
	good := ServerConfig{Addr: crowdServer(1), Weight: 1}
	for _, c := range []struct {
		name   string
		change func(*ServerConfig)
		want   error
	}{
		{"a plain server", func(*ServerConfig) {}, nil},
		{"a quiesced one", func(c *ServerConfig) { c.Weight = 0 }, nil},
		{"a negative weight", func(c *ServerConfig) { c.Weight = -1 }, ErrThresholds},
		{"a lower threshold above the upper", func(c *ServerConfig) { c.Lower = 1 }, ErrThresholds},
		{"no address", func(c *ServerConfig) { c.Addr = frame.Addr{} }, ErrAddress},
		{"a multicast address", func(c *ServerConfig) { c.Addr = frame.AddrFrom4([4]byte{224, 0, 0, 1}) }, ErrAddress},
		{"a link-local address", func(c *ServerConfig) { c.Addr = frame.Addr{0: 0xfe, 1: 0x80, 15: 1} }, ErrAddress},
		{"IPIP", func(c *ServerConfig) { c.Method = IPIP }, nil},
		{"GRE", func(c *ServerConfig) { c.Method = GRE; c.Tunnel.Sum = FullSum }, nil},
		{"GUE", func(c *ServerConfig) { c.Method, c.Tunnel = GUE, Tunnel{Port: 6080, Sum: RemoteSum} }, nil},
		{"Direct Routing to the port of a tunnel", func(c *ServerConfig) { c.Tunnel.Port = 6080 }, ErrMethod},
		{"NAT", func(c *ServerConfig) { c.Method = Masquerade }, nil},
		{"NAT to the port of a tunnel", func(c *ServerConfig) { c.Method, c.Tunnel.Port = Masquerade, 6080 }, ErrMethod},
		{"this host", func(c *ServerConfig) { c.Method = Local }, ErrMethod},
	} {
		s := good
		c.change(&s)
		err := s.Check()
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if c.want == ErrMethod && !strings.Contains(err.Error(), s.Method.String()) {
			t.Errorf("%s: %q does not name the method", c.name, err)
		}
		d := crowd{services: 1}.director(t)
		if err := d.AddServer(crowd{}.key(0), s); !errors.Is(err, c.want) {
			t.Errorf("%s: added with %v, want %v", c.name, err, c.want)
		}
	}
}

// All servers of an address learn of a new neighbour, more than workers wait
// for at a time too; those of others do not, and no removed one is forgotten to
// be told.
func TestSetNeighbourReachesAllServersOfTheAddress(t *testing.T) {
	c := crowd{services: 3*neighbourStep + 1, servers: 2}
	d := c.director(t)
	gone := c.key(5)
	must(t, d.DelServer(gone, crowdServer(0), gone.Port, 0))
	mac := frame.MAC{2, 9, 9, 9, 9, 9}
	d.SetNeighbour(crowdServer(0), mac, Link{Index: 3, MTU: 1400})
	must(t, d.AddServer(gone, ServerConfig{Addr: crowdServer(0), Port: gone.Port, Weight: 1}))
	for _, s := range d.Services() {
		for _, rs := range s.Servers {
			if want := rs.Config.Addr == crowdServer(0); (rs.MAC == mac) != want {
				t.Errorf("%v of port %d has MAC address %v", rs.Config.Addr.IP(), s.Config.Key.Port, rs.MAC)
			}
		}
	}
}

// The servers of an address are known while they are remembered, and no longer.
func TestServersOfAnAddressAreListed(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	c := crowd{services: 40, servers: 5}
	d := c.director(t)
	now := int64(0)
	for range 400 {
		i, j := r.Intn(c.services), r.Intn(c.servers)
		if d.AddServer(c.key(i), c.server(i, j)) != nil {
			must(t, d.DelServer(c.key(i), crowdServer(j), c.key(i).Port, now))
		}
		if now += trashTime / 10; r.Intn(5) == 0 {
			d.Sweep(now, d.Chunks())
		}
		listed := 0
		for a, all := range d.byAddr {
			for i, ds := range all {
				if ds.Addr != a || ds.listed != i || d.hops.Load().dest(ds.ref) != ds {
					t.Fatalf("server %d of %v is another's, or none", i, a.IP())
				}
			}
			listed += len(all)
		}
		if listed != d.dests.Len() {
			t.Fatalf("%d servers are listed of %d", listed, d.dests.Len())
		}
	}
	d.Edit(now, func(tx *Tx) {
		for i := range c.services {
			must(t, tx.DelService(c.key(i)))
		}
	})
	d.Sweep(now+trashTime, d.Chunks())
	if len(d.byAddr) != 0 || d.dests.Len() != 0 {
		t.Errorf("%d addresses and %d servers are remembered", len(d.byAddr), d.dests.Len())
	}
}
