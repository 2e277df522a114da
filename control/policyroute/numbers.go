package policyroute

// Protocol marks all rules and routes of this program, as "proto 118" in their
// listings. It is free in <linux/rtnetlink.h>.
const Protocol = 118

// Preferences of rules. The kernel looks at rules in this order; the table of
// the host's own addresses has preference 0.
const (
	// BalancePref sends a real server's own clients to the director. The rule for
	// the table of local addresses moves to BehindBalancePref, so close behind it
	// that hardly any other rule of the host changes its place relative to it.
	BalancePref       = 1
	BehindBalancePref = 2
	// ShieldPref ends what comes in for a virtual address.
	ShieldPref = 75
	// The rules of DR checks have DRCheckPref. DRCheckSkipPref sends packets
	// without their marks past them, to DRCheckEndPref, which does nothing. All
	// three come before the rules of VPN and container software, which may catch
	// all traffic of this host.
	DRCheckSkipPref = 76
	DRCheckPref     = 77
	DRCheckEndPref  = 78
	// LocalPref sends clients on the director's host to the director;
	// LocalReplyPref only serves the reverse path filter. LocalServerPref delivers what the
	// director sends to real servers on its own host.
	LocalPref       = 79
	LocalReplyPref  = 80
	LocalServerPref = 81
)

// Routing tables. 0x6c76 is "lv", 0x6c77 the next number.
const (
	// BalanceTable has the routes from a real server to the director. It must not
	// change: records of earlier versions name it.
	BalanceTable = 0x6c770002
	// LocalTable has the routes to the director on its own host, LocalReplyTable
	// those for the reverse path filter, LocalServerTable those that end at this host.
	LocalTable       = 0x6c770004
	LocalReplyTable  = 0x6c770005
	LocalServerTable = 0x6c770006
	// The shield has a table for each interface: ShieldBase+1 to
	// ShieldBase+ShieldTables.
	ShieldBase   = 0x6c780000
	ShieldTables = 0xffff
)

// DR checks: real server n (1 <= n <= DRChecks) has table and firewall mark
// DRCheckBase+n. A mark is one of a DR check if its bits DRCheckMask are those
// of DRCheckBase; it is compared in all 32 bits. n stays below 0x4000 because
// kube-proxy gives the bits 0x4000 and 0x8000 of any mark a meaning of its own
// (masquerade, drop).
const (
	DRCheckBase = 0x6c760000
	DRChecks    = 0x3fff
	DRCheckMask = 0xffffc000
)

// OffloadMark is the mark of frames that the kernel, where it forwards established flows,
// leaves to the director; it is compared in all 32 bits.
const OffloadMark = 0x6c790001

// Numbers of earlier versions, for cleaning up after them. The director's local
// clients had BalanceTable too.
const (
	oldShieldTable     = 0x6c770001
	oldLocalTable      = 0x6c770002
	oldLocalReplyTable = 0x6c770003
	oldLocalPref       = 77
)

// A Span is a range of numbers, both ends included.
type Span struct{ First, Last int }

// Has reports whether n is in the range.
func (s Span) Has(n int) bool { return s.First <= n && n <= s.Last }

// one is the range of one number.
func one(n int) Span { return Span{n, n} }

// A Claim is a preference and the tables that rules of it lead to; table 0 are
// rules that lead to no table.
type Claim struct {
	Pref   int
	Tables Span
}

// An Owner is a feature of this program with what belongs to it: each rule that
// leads to one of its Tables, whoever made it; each rule of this program that
// fits a claim; each route in its Tables.
type Owner struct {
	Name   string // for error texts
	Tables []Span
	Claims []Claim
}

// Shield owns the rules and routes of the shield.
func Shield() Owner {
	return Owner{Name: "shield", Tables: []Span{one(oldShieldTable), {ShieldBase, ShieldBase + ShieldTables}}}
}

// DRCheck owns the rules and routes of DR checks.
func DRCheck() Owner {
	return Owner{
		Name:   "DR checks",
		Tables: []Span{{DRCheckBase + 1, DRCheckBase + DRChecks}},
		Claims: []Claim{{DRCheckSkipPref, one(0)}, {DRCheckEndPref, one(0)}},
	}
}

// Local owns the rules and routes of clients and servers on the director's host. Their
// former table belongs to real servers now: only the rule that led to it is claimed.
func Local() Owner {
	return Owner{
		Name:   "local clients",
		Tables: []Span{one(LocalTable), one(LocalReplyTable), one(LocalServerTable), one(oldLocalReplyTable)},
		Claims: []Claim{{oldLocalPref, one(oldLocalTable)}},
	}
}

// HasTable reports whether a table belongs to o.
func (o Owner) HasTable(n int) bool {
	for _, s := range o.Tables {
		if s.Has(n) {
			return true
		}
	}
	return false
}

// HasRule reports whether a rule belongs to o.
func (o Owner) HasRule(r Rule) bool {
	if r.Table != 0 && o.HasTable(r.Table) {
		return true
	}
	for _, c := range o.Claims {
		if r.Protocol == Protocol && r.Pref == c.Pref && c.Tables.Has(r.Table) {
			return true
		}
	}
	return false
}
