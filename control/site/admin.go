package site

import (
	"errors"
	"fmt"

	"lvsdr/control/hostnet"
	"lvsdr/dataplane"
)

func (e Admin) apply(s *State) ([]Notice, error) {
	var notices []Notice
	refusals, refused := make(Refusals, len(e.Edits)), false
	for i, edit := range e.Edits {
		before := *s
		told, err := s.admit(edit)
		if err != nil {
			*s, refusals[i], refused = before, err, true
			continue
		}
		old := before.table
		notices = append(notices, told...)
		if edit.Op != EditService && edit.Op != EditServer {
			s.layout++
		}
		notices = append(notices, s.follow(old)...)
	}
	if refused {
		return notices, refusals
	}
	return notices, nil
}

// admit makes an edit of ipvsadm's. Where it is refused s is not to be used any more.
func (s *State) admit(e Edit) (notices []Notice, err error) {
	switch e.Op {
	case Drain:
		return s.drain(&e)
	case Undrain:
		return s.undrain(&e)
	case DelServer:
		if told, ok := s.removeDrained(&e); ok {
			return told, nil
		}
	case AddServer, EditServer:
		if notices, err = s.endDraining(&e); err != nil {
			return nil, err
		}
	}
	if err = s.admitPlain(e); err == nil && s.drains.Len() > 0 {
		notices = append(notices, s.forgetDrains()...)
	}
	return notices, err
}

// admitPlain makes an edit that is not about draining. Besides what a director
// refuses, it refuses what has no place on this host.
func (s *State) admitPlain(e Edit) error {
	next, err := s.table.Do(e, Runtime)
	if err != nil {
		return err
	}
	switch e.Op {
	case AddService:
		err = s.admitVIP(e.Service.Key)
	case AddServer:
		addr := e.Server.Addr.IP()
		var behind *hostnet.RouterError
		if _, err = s.serverPlace(addr); errors.As(err, &behind) && e.Server.Method != dataplane.Direct {
			err = nil
		}
		if err != nil {
			err = fmt.Errorf("real server %v: %w", addr, err)
		}
	}
	if err == nil {
		s.table = next
	}
	return err
}

// admitVIP refuses a service whose address cannot be served here.
func (s *State) admitVIP(k dataplane.ServiceKey) error {
	if k.Mark != 0 {
		return nil // its addresses are the file's, and judged with it
	}
	addr := k.Addr.IP()
	if s.place(addr).ok() {
		return fmt.Errorf("virtual address %v: it is the address of a real server", addr)
	}
	if _, err := s.host.VIP(addr, s.ifname()); err != nil {
		return fmt.Errorf("virtual address %v: %w", addr, err)
	}
	return nil
}
