package scenario

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What can be read and played gives a scenario that, read and played again,
// gives itself: the results do not depend on results that were there, and the
// writer writes what the reader reads.
func FuzzPlay(f *testing.F) {
	for _, name := range []string{"ttl", "fragments", "icmp-errors", "mtu", "persist-zero", "udp-ops-persist", "ipv6-sched", "no-service"} {
		b, err := os.ReadFile(filepath.Join("testdata", name+".jsonl"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"op":"scenario","schema":1}` + "\n" + `{"op":"pkt","proto":"icmp","src":"1.2.3.4","dst":"5.6.7.8","icmp_type":3,"inner":{"proto":"tcp","src":"5.6.7.8","dst":"1.2.3.4"}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		ops, err := Read("fuzz", bytes.NewReader(in))
		if err != nil || len(ops) > 200 || Play(ops) != nil {
			return
		}
		first := written(t, ops)
		again, err := Read("fuzz", bytes.NewReader(first))
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, first)
		}
		if err := Play(again); err != nil {
			t.Fatalf("what was played cannot be played again: %v\n%s", err, first)
		}
		if second := written(t, again); !bytes.Equal(first, second) {
			t.Fatalf("played again:\n%s\nnot as before:\n%s", second, first)
		}
	})
}

func written(t *testing.T, ops []*Op) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, ops); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
