package scenario

import (
	"encoding/hex"
	"fmt"

	"lvsdr/control/connsync"
	"lvsdr/dataplane"
)

// syncDaemons are the daemons of connection sync that run in a scenario, without a
// network: it has their messages in its lines.
type syncDaemons struct {
	feed   *dataplane.SyncFeed // nil: no master runs
	master *connsync.Master
	backup *connsync.Backup // nil: none runs
	sent   []string         // messages since the last sync-read, hex
	buf    [64]dataplane.Synced
}

// followDaemons starts and stops what an ipvsadm line has started and stopped.
func (p *player) followDaemons() {
	s, run := &p.sync, p.director.Running()
	switch c := run.Master; {
	case c.Runs() && s.feed == nil:
		s.feed = p.d.FollowSync()
		s.master = connsync.NewMaster(connsync.MasterConfig{SyncID: c.SyncID, MaxLen: c.MaxLen, Version: p.d.Tunables().SyncVersion})
	case !c.Runs() && s.feed != nil:
		s.feed.Stop()
		s.feed, s.master = nil, nil // with what it had gathered, as in the kernel
	}
	switch c := run.Backup; {
	case c.Runs() && s.backup == nil:
		s.backup = &connsync.Backup{SyncID: c.SyncID}
	case !c.Runs():
		s.backup = nil
	}
	p.d.SetBackup(s.backup != nil)
}

// gather takes what the last packets, or the time that passed, made the master tell, and
// sends what is due.
func (p *player) gather() {
	s := &p.sync
	if s.feed == nil {
		return
	}
	s.send(s.master.SetVersion(p.d.Tunables().SyncVersion))
	for {
		n, _ := s.feed.Read(s.buf[:])
		for i := range s.buf[:n] {
			e := connsync.EntryOf(&s.buf[i])
			s.send(s.master.Add(&e, p.now))
		}
		if n < len(s.buf) {
			break
		}
	}
	if at, ok := s.master.Due(); ok && at <= p.now {
		s.send(s.master.Flush())
	}
}

func (s *syncDaemons) send(message []byte) {
	if message != nil {
		s.sent = append(s.sent, hex.EncodeToString(message))
	}
}

// receive gives messages to the backup.
func (p *player) receive(messages []string) error {
	for i, m := range messages {
		b, err := hex.DecodeString(m)
		if err != nil {
			return fmt.Errorf("hex: message %d: %w", i+1, err)
		}
		if p.sync.backup == nil {
			continue
		}
		entries, _ := p.sync.backup.Read(b) // what is malformed is refused silently
		var take []dataplane.Synced
		for j := range entries {
			if e, ok := entries[j].Synced(); ok {
				take = append(take, e)
				p.reach(e.Server.IP())
			}
		}
		p.d.TakeSync(take, p.now)
	}
	return nil
}
