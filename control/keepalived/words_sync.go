package keepalived

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"lvsdr/control/certs"
)

// A Sync is connection sync as global_defs has it (lvs_sync_daemon and the words of our
// own); the zero Sync: the file asks for none.
type Sync struct {
	Interface string // empty: no daemon runs
	// Instance is the VRRP instance whose master runs the master daemon, while others run
	// the backup daemon; empty: both run.
	Instance string
	SyncID   uint8 // 0 to 255
	HasID    bool  // SyncID was given; without it, it is the instance's virtual_router_id
	// MaxLen is that of messages, in bytes, Port UDP's, and TTL that of packets; 0: the
	// default of IPVS, as with the zero Group.
	MaxLen uint16
	Port   uint16
	TTL    uint8
	Group  netip.Addr

	Secret string // lvsdr_sync_secret; empty: there is none
	// Peers are the directors that are asked for their connections (lvsdr_sync_peer); of
	// port 0: Port.
	Peers []netip.AddrPort
	// TLS are the files of lvsdr_sync_tls_cert, lvsdr_sync_tls_key and lvsdr_sync_tls_ca:
	// all three or none.
	TLS certs.Files
}

// syncWords are the words of global_defs about connection sync.
func syncWords() []word {
	return []word{
		{name: "lvs_sync_daemon", min: 1, max: anyArgs, soft: true, set: (*reader).setSync},
		{name: "lvsdr_sync_secret", min: 1, max: 1, text: true, set: (*reader).setSyncSecret},
		syncTLSWord(certs.SyncWords().Cert, func(f *certs.Files) *string { return &f.Cert }),
		syncTLSWord(certs.SyncWords().Key, func(f *certs.Files) *string { return &f.Key }),
		syncTLSWord(certs.SyncWords().CA, func(f *certs.Files) *string { return &f.CA }),
		{name: "lvsdr_sync_peer", min: 1, max: anyArgs, set: (*reader).addSyncPeers},
	}
}

// setSync reads INTERFACE [[inst] INSTANCE] and options with values.
func (r *reader) setSync(n *Node) {
	if err := isSyncDaemon(n.Args); err != nil {
		r.add(n, Error, "%v; the line is left out", err)
		return
	}
	s := Sync{Interface: strings.Clone(n.Args[0]), Secret: r.global.Sync.Secret, Peers: r.global.Sync.Peers, TLS: r.global.Sync.TLS}
	for i := 1; i < len(n.Args); i++ {
		value := ""
		if i+1 < len(n.Args) {
			value = n.Args[i+1]
		}
		number, _ := strconv.Atoi(value) // isSyncDaemon has looked
		switch n.Args[i] {
		case "inst":
			s.Instance = strings.Clone(value)
		case "id":
			s.SyncID, s.HasID = uint8(number), true
		case "maxlen":
			s.MaxLen = uint16(number)
		case "port":
			s.Port = uint16(number)
		case "ttl":
			s.TTL = uint8(number)
		case "group":
			s.Group, _ = netip.ParseAddr(value)
		default:
			s.Instance = strings.Clone(n.Args[i])
			continue
		}
		i++
	}
	if s.Group.IsValid() && !s.Group.IsMulticast() {
		r.add(n, Error, "group %s is not a multicast address; the line is left out", s.Group)
		return
	}
	r.global.Sync = s
	r.syncNode = n
}

func (r *reader) setSyncSecret(n *Node) { r.global.Sync.Secret = strings.Clone(n.Args[0]) }

// syncTLSWord is a word with a file of Sync.TLS.
func syncTLSWord(name string, field func(*certs.Files) *string) word {
	return word{name: name, min: 1, max: 1, text: true, set: func(r *reader, n *Node) {
		*field(&r.global.Sync.TLS) = strings.Clone(n.Args[0])
		r.syncTLS = n
	}}
}

// checkSyncTLS reads the files of TLS. With files that are no good no daemon runs: one
// without TLS is not what the user wants. Whether a certificate has expired is not looked
// at here.
func (r *reader) checkSyncTLS() {
	s := &r.global.Sync
	if s.TLS == (certs.Files{}) {
		return
	}
	if err := r.readSyncTLS(&s.TLS); err != nil {
		r.add(r.syncTLS, Error, "%v; no sync daemon runs", err)
		*s = Sync{Secret: s.Secret, Peers: s.Peers}
	}
}

// readSyncTLS reads the files f.
func (r *reader) readSyncTLS(f *certs.Files) error {
	w := certs.SyncWords()
	if f.Cert == "" || f.Key == "" || f.CA == "" {
		return fmt.Errorf("%s, %s and %s belong together", w.Cert, w.Key, w.CA)
	}
	var text [3][]byte
	for i, name := range []string{f.Cert, f.Key, f.CA} {
		var err error
		if text[i], err = r.readAll(name); err != nil {
			return err
		}
	}
	_, err := f.Parse(&w, text[0], text[1], text[2])
	return err
}

// addSyncPeers reads addresses, each with or without a port behind it: ADDR, ADDR:PORT or
// [ADDR]:PORT.
func (r *reader) addSyncPeers(n *Node) {
	for _, text := range n.Args {
		p, err := parsePeer(text)
		if err != nil {
			r.add(n, Error, "%v; it is left out", err)
			continue
		}
		r.global.Sync.Peers = append(r.global.Sync.Peers, p)
	}
}

func parsePeer(s string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(a, 0), nil
	}
	p, err := netip.ParseAddrPort(s)
	if err != nil {
		return p, fmt.Errorf("%q is neither an address nor ADDR:PORT", s)
	}
	return p, nil
}

// resolveSync completes the daemon's line by its VRRP instance. As with keepalived, no
// daemon runs for one that does not exist.
func (r *reader) resolveSync(routers *VRRP) {
	s := &r.global.Sync
	if s.Instance == "" {
		return
	}
	for _, i := range routers.Instances {
		if i.Name == s.Instance {
			if !s.HasID {
				s.SyncID = i.ID
			}
			return
		}
	}
	r.report(r.syncNode, Warning, AsGood, "there is no vrrp_instance %s: no sync daemon runs", s.Instance)
	*s = Sync{Secret: s.Secret, Peers: s.Peers, TLS: s.TLS}
}
