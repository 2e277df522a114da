package policyroute

// Protocol marks all rules and routes of this program for whoever lists them
// ("proto 118"). It is free in <linux/rtnetlink.h>.
const Protocol = 118

// Preferences of rules. The kernel looks at rules in this order; the table of
// the host's own addresses has preference 0.
const (
	// BalancePref leads a real server's own clients to the director, and
	// BehindBalancePref is where the table of local addresses comes then: as few
	// as possible of a host's other rules are to change sides with it.
	BalancePref       = 1
	BehindBalancePref = 2
	// ShieldPref ends what comes in for a virtual address.
	ShieldPref = 75
	// DRCheckPref comes before the rules of VPN and container software, which
	// may catch all traffic of this host.
	DRCheckPref = 76
	// LocalPref leads clients on the director's host to the director, and
	// LocalReplyPref is for the reverse path filter alone.
	LocalPref      = 77
	LocalReplyPref = 78
)

// Routing tables. 0x6c76 is "lv", 0x6c77 the next number.
const (
	// ShieldTable has the shield's blackhole.
	ShieldTable = 0x6c770001
	// BalanceTable leads to the director, on a real server. Records of earlier
	// versions name it: it must not change.
	BalanceTable = 0x6c770002
	// LocalTable leads to the director, on its own host, and LocalReplyTable is
	// for the reverse path filter. Earlier versions had 0x6c770002 and
	// 0x6c770003.
	LocalTable      = 0x6c770004
	LocalReplyTable = 0x6c770005
)

// DR checks: real server n (1 <= n <= DRChecks) has table and firewall mark
// DRCheckBase+n, compared in all 32 bits. n stays below 0x4000 because
// kube-proxy gives the bits 0x4000 and 0x8000 of any mark a meaning of its own
// (masquerade, drop).
const (
	DRCheckBase = 0x6c760000
	DRChecks    = 0x3fff
)
