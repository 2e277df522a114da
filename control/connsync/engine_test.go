package connsync

import (
	"testing"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

func TestMethodsInMessages(t *testing.T) {
	for _, c := range []struct {
		method conntrack.Method
		flags  Flags
	}{
		{conntrack.Direct, 3}, {conntrack.IPIP, 2}, {conntrack.GRE, 2}, {conntrack.GUE, 2}, {conntrack.Masquerade, 0}, {conntrack.Local, 1},
	} {
		e := EntryOf(&dataplane.Synced{Method: c.method, Key: conntrack.Key{Client: ip4(1, 2, 3, 4)}})
		if e.Flags != c.flags {
			t.Errorf("%s is told by %#x, want %#x", c.method, e.Flags, c.flags)
		}
	}
	for flags, want := range map[Flags]conntrack.Method{
		0: conntrack.Masquerade, 1: conntrack.Local, 2: conntrack.IPIP, 3: conntrack.Direct, 4: conntrack.Local, 7: conntrack.Local, 0x183: conntrack.Direct,
	} {
		if got := flags.method(); got != want {
			t.Errorf("flags %#x are %s, want %s", flags, got, want)
		}
	}
}

// Every state of SCTP that the engine has is told by a number of its own, and comes
// back.
func TestStatesOfSCTP(t *testing.T) {
	seen := map[uint16]bool{}
	for s := conntrack.SCTPNone; s <= conntrack.SCTPClosed; s++ {
		e := EntryOf(&dataplane.Synced{State: s, Key: conntrack.Key{Proto: frame.ProtoSCTP, Client: ip4(1, 2, 3, 4)}})
		if back, _ := e.Synced(); back.State != s || seen[e.State] || !e.known() {
			t.Errorf("state %d is told by %d and comes back as %d", s, e.State, back.State)
		}
		seen[e.State] = true
	}
	for state := range uint16(sctpStates) {
		e := Entry{Proto: frame.ProtoSCTP, State: state, Client: ip4(1, 2, 3, 4)}
		if s, ok := e.Synced(); !ok || s.State > conntrack.SCTPClosed {
			t.Errorf("state %d of a message is %d here", state, s.State)
		}
	}
}

func TestTemplatesAreAssuredOrNot(t *testing.T) {
	for state, want := range map[uint16]conntrack.State{0: conntrack.None, 1: conntrack.Assured, 2: conntrack.None, 0xff01: conntrack.None} {
		e := Entry{Proto: frame.ProtoSCTP, Flags: Template, State: state, Client: ip4(1, 2, 3, 4)}
		if s, ok := e.Synced(); !ok || !s.Key.Template || s.State != want {
			t.Errorf("state %d of a template is %v", state, s.State)
		}
	}
}

func TestWhatTheRestOfAnEntryMeans(t *testing.T) {
	e := recorded[4].m.Entries[0]
	e.Mark, e.ServerPort = 5, 8080
	s, ok := e.Synced()
	want := dataplane.Synced{Key: conntrack.Key{Client: e.Client, Virtual: e.Virtual, ClientPort: 30001, VirtualPort: 80, Proto: frame.ProtoTCP},
		Server: e.Server, Port: 8080, Method: conntrack.Direct, State: conntrack.FinWait, Inactive: true, NoOutput: true, BySync: true, Mark: 5, Timeout: 120}
	if !ok || s != want {
		t.Errorf("%+v, want %+v", s, want)
	}
	if back := EntryOf(&s); back != e {
		t.Errorf("%+v, want %+v", back, e)
	}
}

// An IPv4 address in the form of IPv6 would be taken for one of IPv4.
func TestMappedAddressesAreRefused(t *testing.T) {
	six := frame.Addr{0: 0xfd}
	for n := range 3 {
		e := Entry{IPv6: true, Proto: frame.ProtoUDP, Client: six, Virtual: six, Server: six}
		if _, ok := e.Synced(); !ok {
			t.Error("IPv6 is refused")
		}
		*[]*frame.Addr{&e.Client, &e.Virtual, &e.Server}[n] = ip4(1, 2, 3, 4)
		if _, ok := e.Synced(); ok {
			t.Errorf("address %d is taken", n)
		}
	}
}
