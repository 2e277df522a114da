package control

import (
	"bytes"
	"iter"
	"slices"
	"time"

	"lvsdr/control/api"
	"lvsdr/control/connsync/syncnet"
	"lvsdr/control/director"
	"lvsdr/control/site"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// A syncEngine is the engine of connection sync over a director.
type syncEngine struct {
	director *dataplane.Director
	now      func() int64 // its clock
}

var _ syncnet.Engine = (*syncEngine)(nil)

// Follow implements syncnet.Engine.
func (e *syncEngine) Follow() syncnet.Feed { return e.director.FollowSync() }

// Take implements syncnet.Engine.
func (e *syncEngine) Take(all []dataplane.Synced) syncnet.Taken {
	return e.director.TakeSync(all, e.now())
}

// All implements syncnet.Engine.
func (e *syncEngine) All() iter.Seq[dataplane.Synced] { return e.director.EachSynced(e.now) }

// SetBackup implements syncnet.Engine.
func (e *syncEngine) SetBackup(runs bool) { e.director.SetBackup(runs) }

// Tunables implements syncnet.Engine.
func (e *syncEngine) Tunables() syncnet.Tunables {
	t := e.director.Tunables()
	return syncnet.Tunables{Version: t.SyncVersion, Ports: t.SyncPorts, QueueMax: t.SyncQueueMax, SockSize: t.SyncSockSize}
}

// tellStrangers tells the loop to which servers in no service connections of other directors
// go, if these are others than it was told last. It is for one goroutine.
func (l *loop) tellStrangers(all []frame.Addr) {
	slices.SortFunc(all, func(a, b frame.Addr) int { return bytes.Compare(a[:], b[:]) })
	if slices.Equal(all, l.strangers) {
		return
	}
	l.strangers = all
	var e site.Strangers
	for _, a := range all {
		e.Addrs = append(e.Addrs, a.IP())
	}
	l.box.put(nil, e)
}

// openSync makes the actor of connection sync, without daemons.
func (d *daemon) openSync() {
	d.sync = syncnet.New(syncnet.Config{Engine: &syncEngine{d.director, d.clock.Now}, Log: d.o.Log, Wall: time.Now,
		Fetched: func(number uint64) { d.loop.box.put(nil, site.Fetched{Backup: number}) }})
	d.actors.Sync = d.sync
}

// A syncReader implements api.Syncer.
type syncReader struct{ status func() syncnet.Status }

// Sync implements api.Syncer.
func (r syncReader) Sync() *api.Sync {
	st := r.status()
	t := &st.Received
	out := &api.Sync{Daemons: director.WireDaemons(st.Running), Peers: []api.SyncPeer{},
		Sent: api.SyncSent{Messages: st.Sent.Messages, Entries: st.Sent.Entries, Bytes: st.Sent.Bytes, Lost: st.Sent.Lost},
		Received: api.SyncReceived{Messages: t.Messages, Entries: t.Entries, Foreign: t.Foreign, Malformed: t.Malformed, Unauthenticated: t.Unauthenticated,
			Stale: t.Stale, Dropped: t.Dropped, Made: t.Made, Updated: t.Updated, Replaced: t.Replaced, Ignored: t.Ignored, Refused: t.Refused}}
	for _, p := range st.Peers {
		out.Peers = append(out.Peers, api.SyncPeer{Address: p.Address, Heard: p.Heard, Messages: p.Messages, Numbered: p.Numbered, Lost: p.Lost, Lag: p.Lag.Seconds()})
	}
	if j := st.Join; j.State != "" {
		out.Join = &api.SyncJoin{State: j.State, Peer: j.Peer, Time: j.Time, Entries: j.Entries, Seconds: j.Seconds, Error: j.Error}
	}
	if d := st.Digest; d.State != "" {
		out.Digest = &api.SyncDigest{State: d.State, Peer: d.Peer, Time: d.Time, Entries: d.Entries, Differ: d.Differ, Error: d.Error}
	}
	return out
}
