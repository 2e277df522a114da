package keepalived

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"lvsdr/control/ask"
	"lvsdr/dataplane/frame"
	"lvsdr/scheduler"
)

// printConfig writes c as a keepalived.conf that Load, with the same Options, reads as
// the same Config, except for every Pos, as long as the text is within Limits.
// What a reader would infer is not written; the services of a group are written
// one by one. It is no cure for a Config that Load would not make.
func printConfig(w io.Writer, c *Config) error {
	var nodes []*Node
	if g := c.Global.nodes(); len(g) > 0 {
		nodes = append(nodes, &Node{Keyword: "global_defs", Children: g, HasBlock: true})
	}
	if s := c.Global.SSL; s != (SSL{}) {
		var l lines
		l.addIf(s.Password != "", "password", s.Password)
		l.addIf(s.CA != "", "ca", s.CA)
		l.addIf(s.Certificate != "", "certificate", s.Certificate)
		l.addIf(s.Key != "", "key", s.Key)
		nodes = append(nodes, &Node{Keyword: "SSL", Children: l, HasBlock: true})
	}
	nodes = append(nodes, c.VRRP.nodes()...)
	named := map[string]bool{}
	for _, v := range c.VirtualServers {
		for _, r := range v.RealServers {
			for _, k := range r.Checks {
				if f, ok := k.Ask.(*ask.File); ok && !named[fileName(f)] {
					named[fileName(f)] = true
					nodes = append(nodes, fileNode(f))
				}
			}
		}
	}
	for _, v := range c.VirtualServers {
		nodes = append(nodes, v.node())
	}
	return printTree(w, nodes)
}

// line is the node of a keyword with values.
func line(keyword string, values ...any) *Node {
	n := &Node{Keyword: keyword}
	for _, v := range values {
		n.Args = append(n.Args, fmt.Sprint(v))
	}
	return n
}

// A lines collects the lines of a block.
type lines []*Node

// addIf adds a line when it is needed.
func (l *lines) addIf(needed bool, keyword string, values ...any) {
	if needed {
		*l = append(*l, line(keyword, values...))
	}
}

// addMethod adds the line of a forwarding method.
func (l *lines) addMethod(needed bool, keyword string, f Forwarding) {
	if needed {
		*l = append(*l, &Node{Keyword: keyword, Args: strings.Fields(f.String())})
	}
}

func (g Global) nodes() []*Node {
	var l lines
	l.addIf(g.RouterID != "", "router_id", g.RouterID)
	l.addIf(g.DefaultInterface != "", "default_interface", g.DefaultInterface)
	timeouts := line("lvs_timeouts")
	for _, t := range []struct {
		name  string
		value uint32
	}{{"tcp", g.Timeouts.TCP}, {"tcpfin", g.Timeouts.TCPFin}, {"udp", g.Timeouts.UDP}} {
		if t.value > 0 {
			timeouts.Args = append(timeouts.Args, t.name, strconv.FormatUint(uint64(t.value), 10))
		}
	}
	if len(timeouts.Args) > 0 {
		l = append(l, timeouts)
	}
	if d := g.PersistenceDefault; d.Set && d.Seconds == 0 {
		l.addIf(true, "persistence_default", "off")
	} else {
		l.addIf(d.Set, "persistence_default", d.Seconds)
	}
	l = append(l, g.Sync.nodes()...)
	for _, m := range g.Marks {
		l.addIf(true, markWord, m.Mark, m.Addr, m.Ports(), m.Protocol)
	}
	l.addIf(!g.DRCheck, "dr_check", formatBool(g.DRCheck))
	if m := g.Mail; len(m.To) > 0 {
		to := &Node{Keyword: "notification_email", HasBlock: true}
		for _, a := range m.To {
			to.Children = append(to.Children, &Node{Keyword: a})
		}
		l = append(l, to)
	}
	l.addIf(g.Mail.From != "", "notification_email_from", g.Mail.From)
	if host, port, err := net.SplitHostPort(g.Mail.Server); err == nil {
		l.addIf(true, "smtp_server", host, port)
	}
	l.addIf(g.Mail.Helo != "", "smtp_helo_name", g.Mail.Helo)
	l.addIf(g.Mail.Timeout != 0, "smtp_connect_timeout", int(g.Mail.Timeout/time.Second))
	if g.ScriptUser != "" {
		l = append(l, &Node{Keyword: "script_user", Args: strings.Fields(g.ScriptUser + " " + g.ScriptGroup)})
	}
	l.addIf(g.ScriptSecurity, "enable_script_security")
	l.addIf(g.FIFOs[0] != "", "notify_fifo", g.FIFOs[0])
	l.addIf(g.FIFOs[1] != "", "lvs_notify_fifo", g.FIFOs[1])
	g.FIFOScripts[0].addTo(&l, "notify_fifo_script")
	g.FIFOScripts[1].addTo(&l, "lvs_notify_fifo_script")
	l.addIf(g.InitNotifies, "rs_init_notifies", formatBool(g.InitNotifies))
	l.addIf(g.LogAllFailures, "checker_log_all_failures", formatBool(g.LogAllFailures))
	return l
}

func (v *VirtualServer) node() *Node {
	n := line("virtual_server", v.Addr)
	if v.Mark != 0 {
		n = line("virtual_server", "fwmark", v.Mark)
	}
	n.HasBlock = true
	if v.Port != 0 {
		n.Args = append(n.Args, strconv.Itoa(int(v.Port)))
	}
	var l lines
	l.addIf(true, "lb_algo", v.Scheduler)
	for i, f := range []scheduler.Flags{scheduler.Flag1, scheduler.Flag2, scheduler.Flag3} {
		l.addIf(v.SchedFlags&f != 0, "flag-"+strconv.Itoa(i+1))
	}
	l.addMethod(true, "lb_kind", v.Method)
	l.addIf(v.Mark == 0, "protocol", strings.ToUpper(v.Protocol.String()))
	l.addIf(v.Mark != 0 && v.IPv6, "ip_family", "inet6")
	l.addIf(v.OPS, "ops")
	l.addIf(!v.Persistence.FromDefault, "persistence_timeout", v.Persistence.Timeout)
	l.addIf(v.Granularity.IsValid(), "persistence_granularity", formatGranularity(v.Granularity))
	said := v.Timing.lines(&l, tuning{})
	l.addIf(v.Weight != 1, "weight", v.Weight)
	l.addIf(v.InhibitOnFailure, "inhibit_on_failure")
	l.addIf(v.Omega, "omega")
	l.addIf(v.HASuspend, "ha_suspend")
	l.addIf(v.Alert, "smtp_alert", "on")
	v.QuorumUp.addTo(&l, "quorum_up")
	v.QuorumDown.addTo(&l, "quorum_down")
	l.addIf(v.PanicThreshold != 0, "lvsdr_panic_threshold", v.PanicThreshold)
	l.addIf(v.Quorum != 1, "quorum", v.Quorum)
	l.addIf(v.Hysteresis != 0, "hysteresis", v.Hysteresis)
	if s := v.SorryServer; s.Addr.IsValid() {
		l.addIf(s.Port == 0, "sorry_server", s.Addr)
		l.addIf(s.Port != 0, "sorry_server", s.Addr, s.Port)
	}
	l.addIf(v.SorryServer.Inhibit, "sorry_server_inhibit")
	l.addMethod(v.SorryServer.Addr.IsValid() && v.SorryServer.Method != v.Method, "sorry_server_lvs_method", v.SorryServer.Method)
	for _, r := range v.RealServers {
		l = append(l, r.node(v, said))
	}
	n.Children = l
	return n
}

// addTo adds the line of a command that there is.
func (c Command) addTo(l *lines, keyword string) {
	if c.Line != "" {
		*l = append(*l, &Node{Keyword: keyword, Args: append([]string{c.Line}, strings.Fields(c.User+" "+c.Group)...)})
	}
}

func (r *RealServer) node(v *VirtualServer, parent tuning) *Node {
	n := line("real_server", r.Addr)
	n.HasBlock = true
	if r.Port != 0 {
		n.Args = append(n.Args, strconv.Itoa(int(r.Port)))
	}
	var l lines
	l.addMethod(r.Method != v.Method, "lvs_method", r.Method)
	l.addIf(r.Weight != v.Weight, "weight", r.Weight)
	l.addIf(r.Upper != 0, "uthreshold", r.Upper)
	l.addIf(r.Lower != 0, "lthreshold", r.Lower)
	l.addIf(r.MAC != (frame.MAC{}), "lvsdr_mac", r.MAC)
	l.addIf(r.InhibitOnFailure != v.InhibitOnFailure, "inhibit_on_failure", formatBool(r.InhibitOnFailure))
	l.addIf(r.SlowStart != 0, "lvsdr_slow_start", formatTimer(r.SlowStart))
	l.addIf(r.Passive != (Passive{}), "lvsdr_passive_failure", r.Passive.Percent, r.Passive.Connections, formatTimer(r.Passive.Hold))
	l.addIf(r.Damping != (Damping{}), "lvsdr_flap_damping", formatTimer(r.Damping.HalfLife), r.Damping.Suppress, r.Damping.Reuse)
	l.addIf(!r.Alert, "smtp_alert", "off")
	r.NotifyUp.addTo(&l, "notify_up")
	r.NotifyDown.addTo(&l, "notify_down")
	said := r.Timing.lines(&l, parent)
	for _, c := range r.Checks {
		l = append(l, c.node(r, said))
	}
	n.Children = l
	return n
}

func (c *Check) node(r *RealServer, parent tuning) *Node {
	n := line(c.Kind.String())
	n.HasBlock = true
	var l lines
	if f, ok := c.Ask.(*ask.File); ok {
		l.addIf(true, "track_file", fileName(f))
		l.addIf(!f.Reverse, "weight", f.Weight)
		l.addIf(f.Reverse, "weight", f.Weight, "reverse")
		n.Children = l
		return n
	}
	l.addIf(c.ConnectIP != r.Addr, "connect_ip", c.ConnectIP)
	l.addIf(c.Kind.Ported() && c.ConnectPort != r.Port, "connect_port", c.ConnectPort)
	l.addIf(c.BindTo.IsValid(), "bindto", c.BindTo)
	l.addIf(c.BindPort != 0, "bind_port", c.BindPort)
	l.addIf(c.BindIf != "", "bind_if", c.BindIf)
	l.addIf(c.Mark != 0, "fwmark", c.Mark)
	l.addIf(c.LogAll, "log_all_failures")
	defaults, question := parent.timing(), lines{}
	switch a := c.Ask.(type) {
	case *ask.HTTP:
		if parent.delayBeforeRetry == nil {
			defaults.DelayBeforeRetry = httpDelayBeforeRetry
		}
		question.http(a)
	case *ask.SMTP:
		question.addIf(true, "helo_name", a.Helo)
	case *ask.DNS:
		question.addIf(true, "type", a.Type)
		question.addIf(true, "name", a.Name)
		if parent.retry == nil {
			defaults.Retry = defaultDNSRetry
		}
		if parent.delayBeforeRetry == nil {
			defaults.DelayBeforeRetry = c.DelayLoop
		}
	}
	switch a := c.Ask.(type) {
	case *ask.UDP:
		question.udp(a)
	case *ask.Program:
		if parent.retry == nil {
			defaults.Retry = 0
		}
		question.addIf(true, "misc_path", a.Line)
		question.addIf(true, "misc_timeout", int(a.Timeout.Seconds()))
		question.addIf(a.Dynamic, "misc_dynamic")
		if a.User != "" {
			question = append(question, &Node{Keyword: "user", Args: strings.Fields(a.User + " " + a.Group)})
		}
	}
	c.Timing.linesBeside(&l, parent, defaults)
	n.Children = append(l, question...)
	return n
}

// fileName is the name of the track_file of f.
func fileName(f *ask.File) string {
	return fmt.Sprintf("f%x", fmt.Sprint(f.Path, f.Init, f.Overwrite, f.Value))
}

// fileNode is the track_file of f.
func fileNode(f *ask.File) *Node {
	n := line("track_file", fileName(f))
	n.HasBlock = true
	var l lines
	l.addIf(true, "file", f.Path)
	l.addIf(f.Init && !f.Overwrite, "init_file", f.Value)
	l.addIf(f.Init && f.Overwrite, "init_file", f.Value, "overwrite")
	n.Children = l
	return n
}

// udp adds what u asks.
func (l *lines) udp(u *ask.UDP) {
	l.addIf(u.Payload != "", "payload", fmt.Sprintf("%x", u.Payload))
	if !u.Reply {
		return
	}
	reply := line("require_reply")
	for i := range len(u.Data) {
		digits := []byte(fmt.Sprintf("%02x", u.Data[i]))
		for k, bits := range []byte{u.Mask[i] >> 4, u.Mask[i] & 0xf} {
			if bits == 0 {
				digits[k] = 'x'
			}
		}
		reply.Args = append(reply.Args, string(digits))
	}
	*l = append(*l, reply)
	l.addIf(true, "min_reply_length", u.Min)
	l.addIf(true, "max_reply_length", u.Max)
}

// http adds what h asks.
func (l *lines) http(h *ask.HTTP) {
	l.addIf(h.Version != ask.HTTP10, "http_protocol", h.Version)
	l.addIf(h.SNI, "enable_sni")
	l.addIf(h.SNIName != "", "sni_name", h.SNIName)
	l.addIf(h.Strict, "tls_compliant")
	l.addIf(h.Fast, "fast_recovery")
	for _, p := range h.Pages {
		n := line("url")
		n.HasBlock = true
		var u lines
		u.addIf(true, "path", p.Path)
		u.addIf(p.Host != "", "virtualhost", p.Host)
		u.addIf(p.Digest != "", "digest", p.Digest)
		codes := line("status_code")
		codes.Args = strings.Fields(p.Codes.String())
		u = append(u, codes)
		x := p.Regex
		u.addIf(x.Pattern != "", "regex", x.Pattern)
		u.addIf(x.NoMatch, "regex_no_match")
		if x.Options != "" {
			u = append(u, &Node{Keyword: "regex_options", Args: strings.Fields(x.Options)})
		}
		u.addIf(x.Min != 0, "regex_min_offset", x.Min)
		u.addIf(x.Max != 0, "regex_max_offset", int64(x.Max)-1)
		n.Children = u
		*l = append(*l, n)
	}
}

// lines adds what must be said below parent to mean t, and is what is said then.
func (t Timing) lines(l *lines, parent tuning) tuning {
	return t.linesBeside(l, parent, parent.timing())
}

// linesBeside is lines where inferred is meant if nothing is said.
func (t Timing) linesBeside(l *lines, parent tuning, inferred Timing) tuning {
	said := tuning{}
	if t.Retry != inferred.Retry {
		said.retry = &t.Retry
		l.addIf(true, "retry", t.Retry)
	}
	if t.Rise != inferred.Rise {
		said.rise = &t.Rise
		l.addIf(true, "lvsdr_rise", t.Rise)
	}
	if t.Alpha != inferred.Alpha {
		said.alpha = &t.Alpha
		l.addIf(true, "alpha", formatBool(t.Alpha))
	}
	timer := func(field **time.Duration, keyword string, want, inferred time.Duration) {
		if want != inferred {
			*field = &want
			l.addIf(true, keyword, formatTimer(want))
		}
	}
	timer(&said.delayLoop, "delay_loop", t.DelayLoop, inferred.DelayLoop)
	timer(&said.connectTimeout, "connect_timeout", t.ConnectTimeout, inferred.ConnectTimeout)
	timer(&said.delayBeforeRetry, "delay_before_retry", t.DelayBeforeRetry, inferred.DelayBeforeRetry)
	timer(&said.warmup, "warmup", t.Warmup, said.over(parent).timing().Warmup)
	return said.over(parent)
}

func formatBool(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// formatGranularity is mask as parseGranularity reads it.
func formatGranularity(mask netip.Addr) string {
	if mask.Is4() {
		return mask.String()
	}
	n := 0
	for _, b := range mask.As16() {
		for ; b&0x80 != 0; b <<= 1 {
			n++
		}
	}
	return strconv.Itoa(n)
}

func (s Sync) nodes() (l lines) {
	if s.Interface != "" {
		n := line("lvs_sync_daemon", s.Interface)
		for _, o := range []struct {
			given bool
			name  string
			value any
		}{{s.Instance != "", "inst", s.Instance}, {s.HasID, "id", s.SyncID}, {s.MaxLen > 0, "maxlen", s.MaxLen}, {s.Port > 0, "port", s.Port},
			{s.TTL > 0, "ttl", s.TTL}, {s.Group.IsValid(), "group", s.Group}} {
			if o.given {
				n.Args = append(n.Args, o.name, fmt.Sprint(o.value))
			}
		}
		l = append(l, n)
	}
	l.addIf(s.Secret != "", "lvsdr_sync_secret", s.Secret)
	l.addIf(s.TLS.Cert != "", "lvsdr_sync_tls_cert", s.TLS.Cert)
	l.addIf(s.TLS.Key != "", "lvsdr_sync_tls_key", s.TLS.Key)
	l.addIf(s.TLS.CA != "", "lvsdr_sync_tls_ca", s.TLS.CA)
	for _, p := range s.Peers {
		if p.Port() == 0 {
			l.addIf(true, "lvsdr_sync_peer", p.Addr())
		} else {
			l.addIf(true, "lvsdr_sync_peer", p)
		}
	}
	return l
}
