package dataplane

import "lvsdr/conntrack"

// syncRoom is how many entries each shard notes for the reader of a SyncFeed.
const syncRoom = 1 << 14

// A SyncFeed tells of the connections and templates that other directors are to be told
// of, as the tunables net.ipv4.vs.sync_* say. Its methods are for one goroutine.
type SyncFeed struct {
	d      *Director
	logs   []*conntrack.SyncLog
	events [flowStep]conntrack.SyncEvent
	shard  int // the next to be read
}

// FollowSync starts with the packets from now on, and takes 16 bytes for each place in
// the table until Stop. As long as nobody follows, nothing is noted. There is one feed at
// a time: a second one takes over from the first.
func (d *Director) FollowSync() *SyncFeed {
	d.admin.Lock()
	defer d.admin.Unlock()
	f := &SyncFeed{d: d}
	rule := d.Tunables().syncRule()
	for _, sh := range d.shards {
		f.logs = append(f.logs, sh.conns.NewSyncLog(syncRoom, rule))
	}
	d.mu.Lock()
	defer d.release()
	d.setFeed(f)
	return f
}

// setFeed makes f the feed; nil: there is none. The caller holds d.admin and d.mu.
func (d *Director) setFeed(f *SyncFeed) {
	d.feed = f
	for i, sh := range d.shards {
		sh.mu.Lock()
		if f == nil {
			sh.conns.SetSyncLog(nil)
		} else {
			sh.conns.SetSyncLog(f.logs[i])
		}
		sh.mu.Unlock()
	}
}

// Stop ends it. Read must not be called any more.
func (f *SyncFeed) Stop() {
	f.d.admin.Lock()
	defer f.d.admin.Unlock()
	f.d.mu.Lock()
	defer f.d.release()
	if f.d.feed == f {
		f.d.setFeed(nil)
	}
}

// setSyncRule has a feed go by the tunables. The caller holds d.admin.
func (d *Director) setSyncRule(t Tunables) {
	if d.feed == nil {
		return
	}
	d.mu.Lock()
	defer d.release()
	for i, sh := range d.shards {
		sh.mu.Lock()
		d.feed.logs[i].SetRule(t.syncRule())
		sh.mu.Unlock()
	}
}

// Read gives the entries to tell of since the last Read, as many as fit into buf; more
// than none says that there may be more. lost is how many there was no room to note. No
// lock that a packet may wait for is held for more than a part of them.
func (f *SyncFeed) Read(buf []Synced) (n int, lost uint64) {
	for range f.d.shards {
		for n < len(buf) {
			events := f.events[:min(flowStep, len(buf)-n)]
			noted, missed := f.take(events)
			lost += missed
			n += f.tell(buf[n:], events[:noted])
			if noted < len(events) {
				break
			}
		}
		if n == len(buf) {
			break // this shard may have more, and comes first next time
		}
		f.shard = (f.shard + 1) % len(f.d.shards)
	}
	return n, lost
}

// take takes events of the next shard.
func (f *SyncFeed) take(events []conntrack.SyncEvent) (n int, lost uint64) {
	sh := f.d.shards[f.shard]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return f.logs[f.shard].Read(events)
}

// tell turns events into entries, and leaves out templates that are not due.
func (f *SyncFeed) tell(buf []Synced, events []conntrack.SyncEvent) (n int) {
	f.d.mu.Lock()
	defer f.d.release()
	for i := range events {
		e := &events[i]
		if e.Template && !f.d.hasher.Due(e) {
			continue
		}
		if f.d.synced(&buf[n], e) {
			n++
		}
	}
	return n
}

// portOf is the port at d of the entry e of k: that of the server, or of the packets where
// these are to another port than the service's.
func (d *dest) portOf(k *conntrack.Key, e *conntrack.Entry) uint16 {
	switch {
	case d.stranger:
		return d.Port
	case !k.Template && e.Way() == conntrack.ByMasquerade:
		return d.portFor(k.VirtualPort, e.Controlled())
	case d.Port != 0 && d.servicePort != 0 && k.VirtualPort == d.servicePort:
		return d.Port
	}
	return k.VirtualPort
}

// anyPort is the port of an invalid template.
const anyPort = 65535

// synced makes s the entry of an event, and reports whether its server is known. The
// caller holds d.mu.
func (d *Director) synced(s *Synced, e *conntrack.SyncEvent) bool {
	ds := d.destOf(&e.Entry)
	if ds == nil {
		return false
	}
	*s = Synced{Key: e.Key(), Server: ds.Addr, Method: ds.method, State: e.Entry.State(),
		Inactive: !e.Entry.Active(), NoOutput: ds.method != Masquerade, BySync: e.Entry.Synced(), Mark: e.Mark, Timeout: e.Seconds()}
	if s.Port = ds.portOf(&s.Key, &e.Entry); e.Entry.Invalid() {
		s.Key.ClientPort, s.Key.VirtualPort, s.Port = 0, anyPort, anyPort
	}
	switch {
	case ds.stranger:
		s.NoOutput = !e.Entry.BothHalves()
	case ds.local:
		s.Method = Local
	}
	if s.Mark == 0 && ds.in != nil {
		s.Mark = ds.in.cfg.Key.Mark
	}
	return true
}
