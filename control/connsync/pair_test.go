package connsync_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lvsdr/conntrack"
	"lvsdr/control/connsync"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// A node is a director of a pair, on a clock that the test sets.
type node struct {
	d       *dataplane.Director
	scratch *dataplane.Scratch
	batch   *dataplane.Batch
	now     int64
	feed    *dataplane.SyncFeed
	master  *connsync.Master
	backup  connsync.Backup
}

var vip = netip.MustParseAddr("192.0.2.1")

func newNode(t testing.TB, limit int) *node {
	d, err := dataplane.New(dataplane.Config{Conns: conntrack.Config{Limit: limit, Secret: [16]byte{1}}, Tunables: dataplane.DefaultTunables()})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{d: d, scratch: d.NewScratch(0), batch: dataplane.NewBatch(), master: connsync.NewMaster(connsync.MasterConfig{SyncID: 3, MaxLen: 200, Version: 1}),
		backup: connsync.Backup{SyncID: 3}}
	d.SetVIPs([]frame.Addr{frame.AddrFrom(vip)})
	for i := range byte(3) {
		d.SetNeighbour(frame.AddrFrom4([4]byte{10, 0, 0, i}), frame.MAC{2, 0, 0, 0, 1, i}, dataplane.Link{Index: 2})
	}
	for _, c := range []dataplane.ServiceConfig{{Key: serviceOf(frame.ProtoTCP, 80)}, {Key: serviceOf(frame.ProtoUDP, 53)},
		{Key: serviceOf(frame.ProtoTCP, 443), Persistence: 100 * time.Second}} {
		c.Scheduler = "rr"
		if err := d.AddService(c); err != nil {
			t.Fatal(err)
		}
		for i := range byte(3) {
			if err := d.AddServer(c.Key, dataplane.ServerConfig{Addr: frame.AddrFrom4([4]byte{10, 0, 0, i}), Port: c.Key.Port, Weight: 1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return n
}

func serviceOf(proto frame.Proto, port uint16) dataplane.ServiceKey {
	return dataplane.ServiceKey{Proto: proto, Addr: frame.AddrFrom(vip), Port: port}
}

// packet sends one of a client's, and says which server it went to; 0xff: to none.
func (n *node) packet(client byte, to uint16, flags string) byte {
	src, dst := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, client}), 4000+uint16(client)), netip.AddrPortFrom(vip, to)
	f := build.TCP{Src: src, Dst: dst, Flags: flags}.Bytes()
	if to == 53 {
		f = build.UDP{Src: src, Dst: dst}.Bytes()
	}
	n.batch.Packets = append(n.batch.Packets[:0], dataplane.Packet{Data: f})
	n.d.Process(n.scratch, n.batch, n.now)
	if p := &n.batch.Packets[0]; p.Verdict == dataplane.Forward {
		return p.Data[5]
	}
	return 0xff
}

// messages are those that a master has to send by now.
func (n *node) messages() (all [][]byte) {
	var buf [16]dataplane.Synced
	add := func(m []byte) {
		if m != nil {
			all = append(all, slices.Clone(m))
		}
	}
	for {
		some, _ := n.feed.Read(buf[:])
		for i := range buf[:some] {
			e := connsync.EntryOf(&buf[i])
			add(n.master.Add(&e, n.now))
		}
		if some < len(buf) {
			add(n.master.Flush())
			return all
		}
	}
}

// receive takes a message.
func (n *node) receive(message []byte) {
	entries, _ := n.backup.Read(message)
	var take []dataplane.Synced
	for i := range entries {
		if s, ok := entries[i].Synced(); ok {
			take = append(take, s)
		}
	}
	n.d.TakeSync(take, n.now)
}

// pass lets time pass.
func (n *node) pass(d time.Duration) {
	for end := n.now + int64(d); n.now < end; {
		next, ok := n.d.NextExpiry(n.now + 1)
		if n.now = end; ok && next < end {
			n.now = next
		}
		n.d.Sweep(n.now, n.d.Chunks())
	}
}

// entries are the connections and templates that others are told of: their servers and
// states.
func (n *node) entries() map[string]string {
	all := map[string]string{}
	for _, c := range n.d.Conns(n.now) {
		if c.State != "SYN_RECV" && c.Expires > 0 {
			all[nameOf(c.Key.Client[15], c.Key.VirtualPort, c.Key.Template)] = fmt.Sprint(c.Server, " ", c.State)
		}
	}
	return all
}

// nameOf names the connection, or the template, of a client to a port: each has one alone.
func nameOf(client byte, to uint16, template bool) string {
	return fmt.Sprintf("client %d to port %d, template %v", client, to, template)
}

// namesOf are the names of the connection of a client to a port and of its template.
func namesOf(client byte, to uint16) []string {
	return []string{nameOf(client, to, false), nameOf(client, to, true)}
}

// serverOf is the server of an entry of entries, empty without one.
func serverOf(entry string) string {
	server, _, _ := strings.Cut(entry, " ")
	return server
}

// counts are all active, inactive and persistent connections.
func (n *node) counts() (active, inactive, templates int) {
	for s := range n.d.EachService() {
		for _, r := range s.Servers {
			active, inactive, templates = active+r.Active, inactive+r.Inactive, templates+r.Persistent
		}
	}
	return active, inactive, templates
}

// Two directors over a link that loses messages: once a packet of each connection that
// lives has been told of without loss, the backup knows these connections and their templates,
// at the same servers and in the same states. Where the backup still has an earlier one at
// another server, only an active connection replaces it, as in ip_vs_proc_conn
// (ip_vs_sync.c). Packets then go on through the backup to the same servers, and when all
// is quiet both forget everything.
func TestAPairAgrees(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := newNode(t, 1<<12), newNode(t, 1<<12)
		v := a.d.Tunables()
		v.SyncThreshold, v.SyncPeriod = 0, 1 // every packet tells
		a.d.SetTunables(v)
		a.feed = a.d.FollowSync()
		type key struct {
			client byte
			to     uint16
		}
		used := map[key]bool{}
		at, earlier := map[string]string{}, map[string]string{} // servers at the master, and of earlier entries that the backup has
		// send sends a packet through the master, and notes which entries it made anew.
		send := func(k key, flags string) byte {
			server := a.packet(k.client, k.to, flags)
			told, known := a.entries(), b.entries()
			for _, name := range namesOf(k.client, k.to) {
				if now := serverOf(told[name]); now != "" && now != at[name] {
					at[name], earlier[name] = now, serverOf(known[name])
				}
			}
			return server
		}
		lossy := true
		deliver := func() {
			for _, m := range a.messages() {
				if !lossy || rapid.IntRange(0, 2).Draw(rt, "lost") > 0 {
					b.receive(m)
				}
			}
		}
		for range rapid.IntRange(1, 40).Draw(rt, "packets") {
			k := key{rapid.ByteRange(1, 6).Draw(rt, "client"), rapid.SampledFrom([]uint16{80, 443, 53}).Draw(rt, "port")}
			send(k, rapid.SampledFrom([]string{"S", "A", "A", "FA", "R"}).Draw(rt, "flags"))
			used[k] = true
			deliver()
			d := time.Duration(rapid.IntRange(0, 20).Draw(rt, "seconds")) * time.Second
			a.pass(d)
			b.pass(d)
		}
		lossy = false
		for k := range used {
			if send(k, "A") == 0xff {
				delete(used, k)
			}
		}
		deliver()
		told, known := a.entries(), b.entries()
		for k := range used {
			for template, name := range namesOf(k.client, k.to) {
				s, ok := told[name]
				if !ok || known[name] == s {
					continue
				}
				if active := k.to == 53 || strings.HasSuffix(s, " ESTABLISHED"); active || earlier[name] == "" || serverOf(known[name]) != earlier[name] {
					rt.Fatalf("%s: %q at the master, %q at the backup", name, s, known[name])
				}
				if template == 0 {
					delete(used, k)
				}
			}
		}
		for k := range used {
			if x, y := a.packet(k.client, k.to, "A"), b.packet(k.client, k.to, "A"); x != y {
				rt.Fatalf("client %d to port %d: server %d at the master, %d at the backup", k.client, k.to, x, y)
			}
		}
		a.pass(time.Hour)
		b.pass(time.Hour)
		for _, n := range []*node{a, b} {
			x, y, z := n.counts()
			if entries, _, _ := n.d.TableUse(); entries != 0 || x != 0 || y != 0 || z != 0 {
				rt.Fatalf("after an hour %d entries, counted as %d, %d and %d", entries, x, y, z)
			}
		}
	})
}

// FuzzBackup: whatever messages say, in any order and number, between packets of the
// director's own clients: nothing crashes, the table keeps its limit, no connection of
// the director's own is pushed out, no more is counted than there is, and in the end
// nothing is left.
func FuzzBackup(f *testing.F) {
	for _, m := range recordedMessages {
		f.Add([]byte(m))
	}
	f.Add([]byte(recordedMessages[0] + recordedMessages[1]))
	f.Fuzz(func(t *testing.T, in []byte) {
		n := newNode(t, 1<<8)
		own := n.packet(200, 80, "S")
		for len(in) > 3 {
			// The input is cut where its messages say that they end.
			length := min(max(int(in[2])<<8|int(in[3]), 4), len(in))
			m := in[:length]
			in = in[length:]
			n.backup.SyncID = 0
			n.receive(m)
			n.packet(m[0]%8, 80, "A")
			n.packet(m[0]%8, 443, "S")
			entries, limit, evicted := n.d.TableUse()
			x, y, z := n.counts()
			if entries > limit || evicted > 0 || x < 0 || y < 0 || z < 0 || x+y+z > entries {
				t.Fatalf("%d entries of %d, %d evicted, counted as %d, %d and %d", entries, limit, evicted, x, y, z)
			}
		}
		if _, replaced := n.entries()[nameOf(200, 80, false)]; !replaced {
			if got := n.packet(200, 80, "A"); got != own {
				t.Fatalf("the director's own connection goes to %d, was at %d", got, own)
			}
		}
		n.pass(200 * 24 * time.Hour)
		if entries, _, _ := n.d.TableUse(); entries != 0 {
			t.Fatalf("%d entries are left", entries)
		}
		if x, y, z := n.counts(); x != 0 || y != 0 || z != 0 {
			t.Fatalf("%d, %d and %d are counted of none", x, y, z)
		}
	})
}

// recordedMessages are messages of a kernel, with the addresses of this test.
var recordedMessages = []string{
	"\x00\x07\x00\x2c\x01\x01\x00\x00\x00\x06\x00\x24\x00\x00\x00\x03\x00\x01\x4e\x22\x00\x50\x00\x50\x00\x00\x00\x00\x00\x00\x03\x84\xc6\x33\x64\x01\xc0\x00\x02\x01\x0a\x00\x00\x01",
	"\x00\x07\x00\x2c\x01\x01\x00\x00\x00\x06\x00\x24\x00\x00\x10\x03\x00\x00\x00\x00\x01\xbb\x01\xbb\x00\x00\x00\x00\x00\x00\x00\x05\xc6\x33\x64\x02\xc0\x00\x02\x01\x0a\x00\x00\x02",
	"\x01\x07\x00\x1c\x00\x06\x4e\x22\x00\x50\x00\x50\xc6\x33\x64\x01\xc0\x00\x02\x01\x0a\x00\x00\x02\x01\x83\x00\x04",
}
