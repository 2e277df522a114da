package keepalived

import (
	"fmt"
	"testing"
)

// What keepalived 2.2.7 says with -t.
func TestGroupsOfInterfacesAreJudgedAsKeepalivedDoes(t *testing.T) {
	group := func(lines string) string { return "garp_group {\n" + lines + "\n}\n" }
	verdicts(t, ExitOK, []string{
		"garp_interval 0.1\ninterface eth0", "garp_interval 0.1\ngna_interval 0.2\ninterfaces {\neth0\neth1\n}", "garp_interval 0.1", "garp_interval 0\ninterface eth0",
	}, group)
	verdicts(t, ExitConfig, []string{
		"interface eth0", "garp_interval 5000\ninterface eth0", "garp_interval x\ninterface eth0", "garp_interval 0.1\ninterfaces {\n}", "garp_interval 0.1\ninterfaces {\neth0 eth0\n}",
	}, group)
	verdicts(t, ExitConfig, []string{group("garp_interval 0.1\ninterface eth0") + group("garp_interval 0.2\ninterface eth0")}, func(text string) string { return text })
}

// An interface is in the first group that names it.
func TestGroupsOfInterfaces(t *testing.T) {
	v, _ := routers(t, `garp_group {
 garp_interval 0.1
 interface eth0
}
garp_group {
 gna_interval 0.25
}
garp_group {
 garp_interval 0.2
 gna_interval 0.3
 interfaces {
  eth1 eth0
  eth2
 }
}
garp_group {
 interface eth3
}
`)
	const want = "[{100ms 0s [eth0]} {0s 250ms []} {200ms 300ms [eth1 eth2]}]"
	if got := fmt.Sprint(v.GARPGroups); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestTimesOfOtherInterfaces(t *testing.T) {
	for _, c := range []struct{ global, instance, want string }{
		{"", "", "0s false"},
		{"", "garp_extra_if 100", "1m40s false"},
		{"", "garp_extra_if all 100", "1m40s true"},
		{"vrrp_garp_extra_if all 60", "", "1m0s true"},
		{"vrrp_garp_extra_if all 60", "garp_extra_if 30", "30s false"},
		{"vrrp_garp_extra_if all 60", "garp_extra_if 0", "0s false"},
		{"vrrp_garp_extra_if all 60", "garp_extra_if nothing", "1m0s true"},
		{"vrrp_vmac_garp_intvl 60", "", "1m0s false"},
		{"vrrp_vmac_garp_intvl 60", "vmac_garp_intvl all 20", "20s true"},
		{"", "vmac_garp_intvl all 20\ngarp_extra_if 10", "10s false"},
	} {
		i := onlyRouter(t, "global_defs {\n"+c.global+"\n}\n"+instance(c.instance, "10.0.0.9"))
		if got := fmt.Sprint(i.GARP.Extra, i.GARP.ExtraAll); got != c.want {
			t.Errorf("%q and %q: %s, want %s", c.global, c.instance, got, c.want)
		}
	}
}
