package uml

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const dep = `kernel/net/ipvs/ip_vs.ko: kernel/nf_conntrack.ko kernel/nf_defrag_ipv6.ko kernel/nf_defrag_ipv4.ko
kernel/net/ipvs/ip_vs_rr.ko: kernel/net/ipvs/ip_vs.ko kernel/nf_conntrack.ko kernel/nf_defrag_ipv6.ko kernel/nf_defrag_ipv4.ko
kernel/nf_conntrack.ko: kernel/nf_defrag_ipv6.ko kernel/nf_defrag_ipv4.ko
kernel/nf_defrag_ipv4.ko:
kernel/nf_defrag_ipv6.ko:
kernel/crc32c-generic.ko.xz:

a line that is none
`

// Each module comes after all that it needs, and once.
func TestModulesComeAfterThoseThatTheyNeed(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "modules.dep"), []byte(dep), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		law   string
		names []string
		want  string
	}{
		{"none", nil, ""},
		{"one that needs no other", []string{"nf_defrag_ipv4"}, "nf_defrag_ipv4"},
		{"needs of needs come first", []string{"ip_vs_rr"}, "nf_defrag_ipv4 nf_defrag_ipv6 nf_conntrack ip_vs ip_vs_rr"},
		{"what two need is loaded once", []string{"ip_vs", "ip_vs_rr", "ip_vs"}, "nf_defrag_ipv4 nf_defrag_ipv6 nf_conntrack ip_vs ip_vs_rr"},
		{"names have underscores where files have hyphens", []string{"crc32c_generic"}, "crc32c_generic"},
	} {
		files, err := modulesOf(dir, c.names)
		if err != nil {
			t.Errorf("%s: %v", c.law, err)
		}
		var got []string
		for _, f := range files {
			if !strings.HasPrefix(f, dir+"/kernel/") {
				t.Errorf("%s: %s is in another folder", c.law, f)
			}
			got = append(got, moduleName(f))
		}
		if !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%s: %q, want %s", c.law, got, c.want)
		}
	}
	if _, err := modulesOf(dir, []string{"ip_vs", "none"}); err == nil || !strings.Contains(err.Error(), "no module none") {
		t.Errorf("a module that there is not: %v", err)
	}
	if _, err := modulesOf(filepath.Join(dir, "none"), nil); err == nil {
		t.Error("a kernel without modules is no error")
	}
}

// Only the job's own word counts: not how the machine's process ended.
func TestTheJobSaysHowItEnded(t *testing.T) {
	for _, c := range []struct {
		law, file string
		ok        bool
	}{{"it wrote nothing", "", false}, {"zero", "0", true}, {"one", "1", false}, {"no number", "x", false}} {
		dir := t.TempDir()
		if c.file != "" {
			if err := os.WriteFile(filepath.Join(dir, exitFile), []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, failed := range []error{nil, os.ErrInvalid} {
			if err := ended(dir, failed); (err == nil) != c.ok {
				t.Errorf("%s, and the process ended with %v: %v", c.law, failed, err)
			}
		}
	}
}
