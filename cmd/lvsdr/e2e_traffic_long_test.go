//go:build long

package main_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"testing"

	"lvsdr/bench/netlab"
)

// Bulk data arrives whole, through frames with unfinished checksums of up to
// 64 KiB, on every real server.
func TestUploadsArriveWholeOnEveryServer(t *testing.T) {
	t.Parallel()
	size := int64(sized(100, 8, 8)) << 20
	lab := newHTTPLab(t, netlab.Spec{})
	s := rotating()
	s.Scheduler = "rr"
	d := direct(t, lab, lab.Config(s))
	hit := map[string]bool{}
	for i := range lab.Servers {
		sum := sha256.New()
		body := io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{byte(i)}), size), sum)
		name, got := put(t.Context(), t, lab.client(t, lab.Clients[0].Addr, freshConnections), url(lab), body, size)
		if want := hex.EncodeToString(sum.Sum(nil)); got != want {
			t.Errorf("%s received %s, sent was %s", name, got, want)
		}
		hit[name] = true
	}
	if len(hit) != len(lab.Servers) {
		t.Errorf("round robin took the uploads to %v only", hit)
	}
	if b := status(t, d).Services[0].Traffic.Bytes; b < uint64(size)*uint64(len(lab.Servers)) {
		t.Errorf("the director counts %d bytes", b)
	}
}
