package conntrack

import "testing"

// TestATunnelsWordsAreThoseOfIpvsadm: --tun-nocsum, --tun-csum and --tun-remcsum.
func TestATunnelsWordsAreThoseOfIpvsadm(t *testing.T) {
	for s, want := range map[Sum]string{NoSum: "nocsum", FullSum: "csum", RemoteSum: "remcsum", numSums: "sum?"} {
		if got := s.String(); got != want {
			t.Errorf("checksum %d is called %s, want %s", s, got, want)
		}
	}
}

// TestThreeMethodsTunnel: the others leave the packet in front.
func TestThreeMethodsTunnel(t *testing.T) {
	for m := range numMethods {
		if got, want := m.Tunnels(), m == IPIP || m == GRE || m == GUE; got != want {
			t.Errorf("%v tunnels: %v, want %v", m, got, want)
		}
	}
}

// TestARecordKeepsItsTunnel: a process that takes the registry over finds it, and the
// record is no longer for it.
func TestARecordKeepsItsTunnel(t *testing.T) {
	var d Dests
	key := DestKey{Service: ServiceKey{Port: 80}, Port: 80}
	ref, _, err := d.Add(key, GUE)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.At(ref).Tunnel(); got != (Tunnel{}) {
		t.Errorf("a new record has the tunnel %+v", got)
	}
	want := Tunnel{Port: 6080, Sum: RemoteSum}
	d.At(ref).SetTunnel(want)
	d.Remove(ref, 1)
	if _, revived, err := d.Add(key, GUE); err != nil || !revived {
		t.Fatalf("the record does not come back: %v, %v", revived, err)
	}
	if got := d.At(ref).Tunnel(); got != want {
		t.Errorf("the record has the tunnel %+v, want %+v", got, want)
	}
}
