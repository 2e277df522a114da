package dataplane

import (
	"fmt"
	"sync"
	"sync/atomic"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// A Config says how a Director is made.
type Config struct {
	Conns    conntrack.Config // size and secret of the connection table; Removed is the director's own
	Workers  int              // how many workers have a part of the table each; 0: one
	Tunables Tunables
	Limits   Limits
	// ResumeUntil is the end of the time after a start in which a packet in the middle
	// of a TCP connection or an SCTP association that is not known is scheduled, as with
	// sloppy_tcp and sloppy_sctp, and not refused: it may be of one from before the
	// start. Nanoseconds of the director's clock; 0: there is no such time.
	ResumeUntil int64
	// ResumeDrops has TCP segments of unknown connections dropped in that time (NotResumed), and neither
	// scheduled nor refused: where another director, or a file, will bring the connections.
	ResumeDrops bool
	// SettleUntil is the end of the time after a start in which a new connection to a
	// service that has servers, and no MAC address of one yet, is dropped (NoMAC) and not
	// refused. As ResumeUntil.
	SettleUntil int64
	// Kept, if not nil, is memory of which the director makes its tables, of as many
	// workers as it says, and goes on with what is in it; Conns is not looked at then,
	// but for the secret. PID is this process, and Now the moment, in nanoseconds of the
	// director's clock: they are noted there.
	Kept *conntrack.Kept
	PID  int
	Now  int64
}

// A Director holds the services, the servers and the connections. Its methods
// may be called from several goroutines; Process by several workers at once.
type Director struct {
	limits      Limits
	resumeUntil int64
	resumeDrops bool
	settleUntil int64
	hasher      *conntrack.Table // gives the identities of all shards
	shards      []*shard

	table atomic.Pointer[Table]
	hops  atomic.Pointer[hops]
	// tracing is the trace that batches are shown to; nil: none.
	tracing atomic.Pointer[Trace]
	// waiting is how many workers want a lock that somebody else has, served
	// how many have got one after they had to wait.
	waiting atomic.Int32
	served  atomic.Uint64

	// admin is held by whoever changes services or servers, over all that
	// belongs together; mu is taken within, for one step at a time.
	admin      sync.Mutex
	neighbours map[frame.Addr]neighbour // guarded by admin
	byAddr     map[frame.Addr][]*dest   // the servers of each address, removed ones too; guarded by admin
	answerers  answerers                // guarded by admin and mu, as services are

	// mu guards all below, and the state of services and servers; see shard.
	// Services and dests change under admin and mu both: either is enough to
	// read them.
	mu sync.Mutex
	state
	dests     conntrack.Dests
	records   conntrack.Dests // those of services, whose keys have no server
	kept      *kept
	began     struct{ conns, templates int }
	order     uint64 // of the server that was added last
	scratches []*Scratch
	past      Counters // of workers that have ended
	frags     *fragments
	purge     purge
	ways      *ways   // of clients of tunnelled connections
	learnt    []*path // those whose MTU an error has told
	// outboxes are the shards' events, kept while there are followers; both are
	// guarded by admin, what is in an outbox by mu.
	outboxes  []*conntrack.Outbox
	followers int
	// feed is that of FollowSync; nil: other directors are told nothing. strangers is
	// how many servers in no service messages have named. Both are guarded by admin and
	// mu, as services are.
	feed      *SyncFeed
	offloader Offloader // nil: nobody; as feed
	strangers int
}

// state is the data that decisions about new connections depend on, besides the table.
type state struct {
	services services
	timeouts conntrack.Timeouts
	shedding int // new connections since drop_packet refused one
}

// neighbour is how a real server is reached.
type neighbour struct {
	mac   frame.MAC
	link  Link
	local bool // it is this host
	path  *path
}

// A Table is a snapshot of what every packet is checked against; it never
// changes.
type Table struct {
	vips     addrs
	martians addrs
	// answerers are the addresses of masqueraded servers.
	answerers  addrs
	interfaces interfaces
	marks      marks
	tunables   Tunables
	backup     bool // a backup daemon runs
}

// New makes a director without services.
func New(c Config) (*Director, error) {
	d := Prepare(c)
	if err := d.Open(c); err != nil {
		return nil, err
	}
	return d, nil
}

// Prepare makes a director without tables, which takes most of the time that New does: before all else
// it needs Open.
func Prepare(c Config) *Director {
	d := &Director{limits: c.Limits.orDefault(), resumeDrops: c.ResumeDrops,
		neighbours: map[frame.Addr]neighbour{}, byAddr: map[frame.Addr][]*dest{}}
	d.timeouts = conntrack.DefaultTimeouts()
	d.frags = newFragments(c.Conns.Secret)
	d.ways = newWays(c.Conns.Secret)
	d.hops.Store(&hops{})
	d.table.Store(&Table{tunables: c.Tunables})
	return d
}

// Open gives d its tables, with what is in c.Kept. Only the moments in c may differ from those that Prepare got.
func (d *Director) Open(c Config) error {
	d.resumeUntil, d.settleUntil = c.ResumeUntil, c.SettleUntil
	c.Conns.Removed, c.Conns.Server = d.removed, d.serverSide
	if c.Kept != nil {
		if err := d.takeOver(&c); err != nil {
			return fmt.Errorf("take the connection table over: %w", err)
		}
		return nil
	}
	d.makeShards(max(c.Workers, 1))
	tables, err := conntrack.NewGroup(c.Conns, max(c.Workers, 1))
	if err != nil {
		return err
	}
	d.useTables(tables)
	return nil
}

// makeShards makes n shards without tables.
func (d *Director) makeShards(n int) {
	for range n {
		d.shards = append(d.shards, &shard{})
	}
}

// useTables gives each shard its table.
func (d *Director) useTables(tables []*conntrack.Table) {
	for i, t := range tables {
		d.shards[i].conns = t
	}
	d.hasher = tables[0]
}

// removed keeps the servers' counts when an entry leaves the table.
func (d *Director) removed(e *conntrack.Entry) {
	if ds := d.destOf(e); ds != nil {
		ds.unbind(e)
	}
}

// destOf is the server of e, removed or not.
func (d *Director) destOf(e *conntrack.Entry) *dest { return d.hops.Load().dest(e.Dest()) }

// ours reports whether addr is a VIP.
func (t *Table) ours(addr *frame.Addr) bool { return t.vips.has(addr) }

// forged reports whether p comes from an address that nothing may have as its
// source: the host's own, unless it is the host's, or that of a whole network.
func (t *Table) forged(p *Packet, local bool) bool { return !local && t.martians.has(&p.header.Src) }
