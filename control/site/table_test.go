package site

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// addr is an address for tests.
func addr(s string) frame.Addr { return frame.AddrFrom(netip.MustParseAddr(s)) }

// drawEdit draws an edit out of few services and servers, so that many are
// refused.
func drawEdit(t *rapid.T) Edit {
	keys := []dataplane.ServiceKey{
		{Proto: frame.ProtoTCP, Addr: addr("192.0.2.1"), Port: 80},
		{Proto: frame.ProtoUDP, Addr: addr("192.0.2.1"), Port: 80},
		{Proto: frame.ProtoTCP, Addr: addr("192.0.2.1")},
		{Proto: frame.ProtoTCP, Addr: addr("2001:db8::1"), Port: 80},
		{Mark: 1}, {Mark: 1, IPv6: true},
	}
	servers := []string{"192.0.2.11", "192.0.2.12", "192.0.2.13", "2001:db8::11", "0.1.2.3", "224.0.0.1", "255.255.255.255", "fe80::1", "ff02::1", "::"}
	e := Edit{Op: Op(rapid.IntRange(int(AddService), int(DelServer)).Draw(t, "op"))}
	e.Service.Key = rapid.SampledFrom(keys).Draw(t, "key")
	switch e.Op {
	case AddService, EditService:
		e.Service.Scheduler = rapid.SampledFrom([]string{"rr", "wlc", "sh", "nosuch"}).Draw(t, "scheduler")
		e.Service.Persistence = time.Duration(rapid.IntRange(0, 1).Draw(t, "persistence")) * time.Minute
	case AddServer, EditServer, DelServer:
		e.Server = dataplane.ServerConfig{Addr: addr(rapid.SampledFrom(servers).Draw(t, "server")),
			Port: rapid.SampledFrom([]uint16{80, 81}).Draw(t, "port"), Weight: rapid.IntRange(-1, 2).Draw(t, "weight"),
			Method: rapid.SampledFrom([]dataplane.Method{dataplane.Direct, dataplane.Direct, dataplane.Direct, dataplane.IPIP}).Draw(t, "method"),
			Upper:  rapid.IntRange(0, 2).Draw(t, "upper"), Lower: rapid.IntRange(0, 2).Draw(t, "lower")}
	}
	return e
}

// drawTable draws edits on t and gives what they lead to.
func drawTable(t *rapid.T, from *Table) *Table {
	for range rapid.IntRange(0, 60).Draw(t, "edits") {
		by := Owner(rapid.IntRange(0, 1).Draw(t, "by"))
		from, _ = from.Do(drawEdit(t), by)
	}
	return from
}

// text is the content of t without owners.
func text(t *Table) string {
	var all string
	for s := range t.All() {
		all += fmt.Sprintf("%+v\n", s.Config)
		for _, r := range s.Servers {
			all += fmt.Sprintf("  %+v\n", r.Config)
		}
	}
	return all
}

// fold does edits that must not be refused.
func fold(t *rapid.T, from *Table, edits []Edit) *Table {
	next, errs := from.DoAll(edits, File)
	if errs != nil {
		t.Fatalf("edits %v are refused: %v", edits, errs)
	}
	return next
}

func TestTheEditsOfADifferenceLeadFromTheOldTableToTheNewOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := drawTable(t, nil)
		b := drawTable(t, a)
		if rapid.Bool().Draw(t, "of another origin") {
			b = drawTable(t, nil)
		}
		was := text(a)
		if got := text(fold(t, a, Diff(a, b))); got != text(b) {
			t.Fatalf("from\n%sthe edits %v lead to\n%swant\n%s", was, Diff(a, b), got, text(b))
		}
		if edits := Diff(a, a); len(edits) != 0 {
			t.Fatalf("a table differs from itself: %v", edits)
		}
		if text(a) != was {
			t.Fatal("a difference changes a table")
		}
	})
}

// A server is touched only if it differs, or if one behind it in the list has to
// be put in front of it.
func TestADifferenceTouchesOnlyWhatDiffers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := drawTable(t, nil)
		e := drawEdit(t)
		b, err := a.Do(e, File)
		edits := Diff(a, b)
		switch {
		case err != nil:
			if b != a || len(edits) != 0 {
				t.Fatalf("%v is refused and changes the table", e)
			}
		case len(edits) > 1:
			t.Fatalf("%v becomes %d edits: %v", e, len(edits), edits)
		case len(edits) == 1 && (edits[0].Op != e.Op || edits[0].Service.Key != e.Service.Key):
			t.Fatalf("%v becomes %v", e, edits[0])
		case len(edits) == 0 && e.Op != EditService && e.Op != EditServer:
			t.Fatalf("%v is lost", e)
		}
	})
}

func TestDifferencesCaseByCase(t *testing.T) {
	const servers = "10.0.0.%d"
	table := func(numbers ...int) *Table { // newest first, weight 1; 100 more: weight 2
		var list []Server
		for _, n := range numbers {
			list = append(list, Server{Config: dataplane.ServerConfig{Addr: addr(fmt.Sprintf(servers, n%100)), Weight: 1 + n/100}})
		}
		return (*Table)(nil).with(&Service{Config: dataplane.ServiceConfig{Key: dataplane.ServiceKey{Mark: 1}, Scheduler: "rr"}, Servers: list})
	}
	for _, c := range []struct {
		law      string
		old, new *Table
		want     string
	}{
		{"nothing", nil, nil, ""},
		{"a new service comes with its servers, the last one first", nil, table(2, 1), "add service, add server 1, add server 2"},
		{"a service goes with its servers at once", table(2, 1), nil, "delete service"},
		{"a server that goes leaves the others alone", table(3, 2, 1), table(3, 1), "delete server 2"},
		{"a server that comes enters at the head", table(2, 1), table(3, 2, 1), "add server 3"},
		{"one that comes further down makes those in front of it new", table(3, 1), table(3, 2, 1), "delete server 3, add server 2, add server 3"},
		{"another weight is an edit in place", table(3, 2, 1), table(3, 102, 1), "edit server 2"},
		{"of two that change places, one is put in again", table(2, 1), table(1, 2), "delete server 1, add server 1"},
		{"what goes, goes last", table(4, 3, 2), table(5, 103, 2), "edit server 3, add server 5, delete server 4"},
	} {
		var got string
		for _, e := range Diff(c.old, c.new) {
			if got != "" {
				got += ", "
			}
			got += e.Op.String()
			if e.Server.Addr != (frame.Addr{}) {
				got += fmt.Sprint(" ", e.Server.Addr.As4()[3])
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.law, got, c.want)
		}
	}
}

// do makes the edit on a director.
func do(d *dataplane.Director, e Edit) error {
	k := e.Service.Key
	switch e.Op {
	case AddService:
		return d.AddService(e.Service)
	case EditService:
		return d.EditService(e.Service)
	case DelService:
		return d.DelService(k, 0)
	case AddServer:
		return d.AddServer(k, e.Server)
	case EditServer:
		return d.EditServer(k, e.Server)
	}
	return d.DelServer(k, e.Server.Addr, e.Server.Port, 0)
}

// directorText returns the text of a table with the director's content.
func directorText(d *dataplane.Director) string {
	var t *Table
	for _, s := range d.Services() {
		service := &Service{Config: s.Config}
		for _, r := range s.Servers {
			service.Servers = append(service.Servers, Server{Config: r.Config})
		}
		t = t.with(service)
	}
	return text(t)
}

func newDirector(t interface{ Fatal(...any) }) *dataplane.Director {
	d, err := dataplane.New(dataplane.Config{Conns: conntrack.Config{Limit: conntrack.MinLimit}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestATableRefusesWhatADirectorRefusesAndEndsAsItDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDirector(t)
		var table *Table
		for range rapid.IntRange(1, 60).Draw(t, "edits") {
			e := drawEdit(t)
			want := do(d, e)
			next, err := table.Do(e, Runtime)
			if fmt.Sprint(err) != fmt.Sprint(want) || errors.Is(err, dataplane.ErrScheduler) != errors.Is(want, dataplane.ErrScheduler) {
				t.Fatalf("%+v: %v; the director says %v", e, err, want)
			}
			table = next
		}
		if got, want := text(table), directorText(d); got != want {
			t.Fatalf("the table has\n%sthe director\n%s", got, want)
		}
	})
}

func TestWhatIsNoEditIsRefused(t *testing.T) {
	k := dataplane.ServiceKey{Mark: 1}
	table, err := (*Table)(nil).Do(Edit{Op: AddService, Service: dataplane.ServiceConfig{Key: k, Scheduler: "rr"}}, File)
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range []Op{Drain, Undrain} { // those of a State
		if _, err := table.Do(Edit{Op: op, Service: dataplane.ServiceConfig{Key: k}}, File); err == nil {
			t.Errorf("%v is done", op)
		}
	}
	const none = Undrain + 1
	if _, err := table.Do(Edit{Op: none, Service: dataplane.ServiceConfig{Key: k}}, File); err == nil || none.String() != "edit?" {
		t.Errorf("%v is done", none)
	}
	if next, err := table.Do(Edit{Op: Flush}, File); err != nil || next.Len() != 0 || table.Len() != 1 {
		t.Errorf("a flush leaves %d services, %v", next.Len(), err)
	}
}

func TestATableHasRoomForAsManyServersAsADirectorCanNumber(t *testing.T) {
	k := dataplane.ServiceConfig{Key: dataplane.ServiceKey{Mark: 1}, Scheduler: "rr"}
	full := &Table{services: (*Table)(nil).with(&Service{Config: k}).services, servers: dataplane.MaxServers}
	add := Edit{Op: AddServer, Service: k, Server: dataplane.ServerConfig{Addr: addr("192.0.2.11")}}
	if _, err := full.Do(add, File); !errors.Is(err, dataplane.ErrTooManyServers) {
		t.Errorf("one more than %d servers: %v", dataplane.MaxServers, err)
	}
	if _, err := full.adopt(&Service{Servers: []Server{{Config: add.Server}}, Config: dataplane.ServiceConfig{Scheduler: "rr"}}); !errors.Is(err, dataplane.ErrTooManyServers) {
		t.Errorf("a service with one more: %v", err)
	}
	full.servers--
	if table, err := full.Do(add, File); err != nil || table.count() != dataplane.MaxServers {
		t.Errorf("as many as there is room for: %d servers, %v", table.count(), err)
	}
}

func TestWhatGoesGoesFirstWhereThereIsNoRoomForBoth(t *testing.T) {
	one := &Service{Config: dataplane.ServiceConfig{Key: dataplane.ServiceKey{Mark: 1}, Scheduler: "rr"}}
	other := &Service{Config: dataplane.ServiceConfig{Key: dataplane.ServiceKey{Mark: 2}, Scheduler: "rr"}, Servers: make([]Server, 1)}
	full := &Table{services: (*Table)(nil).with(one).services, servers: dataplane.MaxServers}
	edits := Diff(full, (*Table)(nil).with(other))
	if len(edits) != 3 || edits[0].Op != DelService || edits[2].Op != AddServer {
		t.Errorf("%v", edits)
	}
}

func TestTheFileTakesOverWhatItEditsAndIpvsadmDoesNot(t *testing.T) {
	k := dataplane.ServiceKey{Mark: 1}
	service := func(scheduler string) dataplane.ServiceConfig {
		return dataplane.ServiceConfig{Key: k, Scheduler: scheduler}
	}
	server := func(weight int) dataplane.ServerConfig {
		return dataplane.ServerConfig{Addr: addr("192.0.2.11"), Weight: weight}
	}
	for _, c := range []struct {
		added, edited, want Owner
	}{{File, File, File}, {File, Runtime, File}, {Runtime, File, File}, {Runtime, Runtime, Runtime}} {
		for _, change := range []int{0, 1} { // an edit that changes nothing is one too
			table, _ := (*Table)(nil).DoAll([]Edit{{Op: AddService, Service: service("rr")}, {Op: AddServer, Service: service(""), Server: server(1)}}, c.added)
			table, errs := table.DoAll([]Edit{{Op: EditService, Service: service([]string{"rr", "wrr"}[change])},
				{Op: EditServer, Service: service(""), Server: server(1 + change)}}, c.edited)
			s := table.Service(k)
			if errs != nil || s.Owner != c.want || s.Servers[0].Owner != c.want {
				t.Errorf("added by the %v and edited by the %v: service of the %v, server of the %v, %v",
					c.added, c.edited, s.Owner, s.Servers[0].Owner, errs)
			}
		}
	}
}

func TestTheServicesOfAVIPAreTogether(t *testing.T) {
	var table *Table
	for _, k := range []dataplane.ServiceKey{
		{Proto: frame.ProtoUDP, Addr: addr("192.0.2.1"), Port: 53}, {Proto: frame.ProtoTCP, Addr: addr("192.0.2.2"), Port: 80},
		{Proto: frame.ProtoTCP, Addr: addr("192.0.2.1"), Port: 80}, {Proto: frame.ProtoTCP, Addr: addr("192.0.2.1")},
		{Mark: 1}, {Proto: frame.ProtoTCP, Addr: addr("2001:db8::1"), Port: 80},
	} {
		table = table.with(&Service{Config: dataplane.ServiceConfig{Key: k}})
	}
	var ports []uint16
	for s := range table.On(addr("192.0.2.1")) {
		ports = append(ports, s.Config.Key.Port)
	}
	if !slices.Equal(ports, []uint16{0, 80, 53}) {
		t.Errorf("ports %v", ports)
	}
	for range table.On(addr("192.0.2.1")) {
		break
	}
	for range table.On(frame.Addr{}) {
		t.Error("there is a service without an address that is not one by mark")
	}
	n := 0
	for range table.All() {
		n++
		break
	}
	if n != 1 || table.Len() != 6 {
		t.Errorf("%d services seen of %d", n, table.Len())
	}
}

func FuzzDiff(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		a, b := drawTable(t, nil), drawTable(t, nil)
		if text(fold(t, a, Diff(a, b))) != text(b) {
			t.Fatal("the edits lead elsewhere")
		}
	}))
}
