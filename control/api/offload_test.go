package api_test

import (
	"strings"
	"testing"

	"lvsdr/control/api"
)

// The status says what the kernel forwards, and how much it does not for want of something.
func TestTheStatusSaysWhatTheKernelForwards(t *testing.T) {
	hooks := map[string]string{"eth1": "clsact", "eth0": "tcx"}
	for _, c := range []struct {
		name      string
		offload   *api.Offload
		want, not string
	}{
		{"it is off", nil, "", "offload"},
		{"nothing yet", &api.Offload{Hooks: hooks}, "offload on eth0 by tcx, eth1 by clsact: 0 connections, 0 packets forwarded by the kernel; 0 handed over, 0 of them forced, 0 taken back\n", "not offloaded"},
		{"some", &api.Offload{Hooks: hooks, Flows: 1, Packets: 2, Begun: 3, Forced: 4, Ended: 5}, ": 1 connections, 2 packets forwarded by the kernel; 3 handed over, 4 of them forced, 5 taken back\n", "not offloaded"},
		{"no room", &api.Offload{Hooks: hooks, Full: 8}, "not offloaded: 8 for want of room, 0 that the kernel refused\n", ""},
		{"the kernel refuses", &api.Offload{Hooks: hooks, Refused: 9}, "not offloaded: 0 for want of room, 9 that the kernel refused\n", ""},
		{"past the queue", &api.Offload{Hooks: hooks, Exits: map[string]string{"eth1": "it is device", "eth0": ""}}, "frames by eth0 go to its peer, past its queue\nframes by eth1 do not go to a peer: it is device\n", ""},
		{"it was taken over", &api.Offload{Hooks: hooks, Adopted: 10}, "offload taken over: 10 connections\n", "killed"},
		{"it ends with the director", &api.Offload{Hooks: hooks, Unpinned: "no file system"}, "offload and a killed director: no file system\n", "taken over"},
		{"it cannot be: that is a problem of the director", &api.Offload{Problem: "no CAP_BPF"}, "", "offload"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			st := &api.Status{Offload: c.offload}
			if err := st.WriteScreen(&b, 0); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); !strings.Contains(got, c.want) || c.not != "" && strings.Contains(got, c.not) {
				t.Errorf("the status is\n%s\nwant %q, and not %q", got, c.want, c.not)
			}
		})
	}
}
