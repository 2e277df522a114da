package boot

import (
	"encoding/hex"
	"strings"
	"testing"
)

// The boot has one identity, of 16 bytes.
func TestABootHasOneIdentity(t *testing.T) {
	id, err := ID()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ID(); err != nil || again != id {
		t.Errorf("%q, then %q, %v", id, again, err)
	}
	if b, err := hex.DecodeString(strings.ReplaceAll(id, "-", "")); err != nil || len(b) != 16 {
		t.Errorf("%q is not 16 bytes: %v", id, err)
	}
}

// A namespace has one cookie for as long as it is.
func TestANamespaceHasOneCookie(t *testing.T) {
	first, err := Namespace()
	if err != nil || first == 0 {
		t.Fatalf("%d, %v", first, err)
	}
	if again, err := Namespace(); err != nil || again != first {
		t.Errorf("%d, then %d, %v", first, again, err)
	}
}
