package api

import (
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// A Persistence describes the binding of a client to its servers.
type Persistence struct {
	Client   netip.Addr           `json:"client"`
	Services []ServicePersistence `json:"services"`
}

// A ServicePersistence describes the binding of a client in one service.
type ServicePersistence struct {
	ServiceKey
	Scheduler   string `json:"scheduler"`
	Flags       string `json:"flags,omitempty"`
	Persistence int    `json:"persistence"` // seconds; 0: off
	FromDefault bool   `json:"persistence_from_default"`
	Granularity string `json:"granularity"` // clients that are one: "10.0.0.0/24"
	Template    *Conn  `json:"template,omitempty"`
	// Connections are those that the client has.
	Connections []Conn `json:"connections"`
}

// WriteText writes what binds the client, and what to change, for people.
func (p *Persistence) WriteText(out io.Writer) error {
	w := newTable(out)
	fmt.Fprintf(w, "%s\n", p.Client)
	if len(p.Services) == 0 {
		fmt.Fprintln(w, "\nno service of its address family")
	}
	for i := range p.Services {
		v := &p.Services[i]
		fmt.Fprintf(w, "\n%s, %s%s\n", v.ServiceKey, v.Scheduler, flagText(v.Flags))
		fmt.Fprintf(w, "  persistence_timeout\t%s\n", v.sourceText())
		fmt.Fprintf(w, "  template\t%s\n", v.templateText())
		fmt.Fprintf(w, "  connections\t%s\n", openText(v.Connections))
		fmt.Fprintf(w, "  scheduler\t%s\n", v.hashText())
		for _, line := range v.remedies() {
			fmt.Fprintf(w, "  to change it\t%s\n", line)
		}
	}
	return w.Flush()
}

// sourceText says how long persistence lasts, and where that comes from.
func (v *ServicePersistence) sourceText() string {
	switch {
	case v.Persistence == 0 && v.FromDefault:
		return "off: the service says nothing, and the default was switched off"
	case v.Persistence == 0:
		return "0, configured: not persistent"
	case v.FromDefault:
		return fmt.Sprintf("%d s, the default: the service says nothing", v.Persistence)
	}
	return fmt.Sprintf("%d s, configured", v.Persistence)
}

func (v *ServicePersistence) templateText() string {
	switch {
	case v.Persistence == 0:
		return "none: the service is not persistent"
	case v.Template == nil:
		return fmt.Sprintf("none now; the next connection makes one, for %s", v.Granularity)
	}
	return v.Granularity + " " + v.Template.bindingText()
}

// openText counts connections by server and state.
func openText(all []Conn) string {
	if len(all) == 0 {
		return "none known"
	}
	n := map[string]int{}
	for _, c := range all {
		n[c.Server.String()+" "+c.State]++
	}
	var words []string
	for _, k := range slices.Sorted(maps.Keys(n)) {
		words = append(words, fmt.Sprintf("%d to %s", n[k], k))
	}
	return strings.Join(words, ", ")
}

// hashedAddress is the address by which a scheduler chooses, so that it always
// chooses alike; empty: it does not choose by address.
func hashedAddress(scheduler string) string {
	switch scheduler {
	case "sh", "mh":
		return "the client's address"
	case "dh", "lblc", "lblcr":
		return "the virtual address"
	}
	return ""
}

// hashesPort reports whether the scheduler looks at the client's port too.
func (v *ServicePersistence) hashesPort() bool { return strings.Contains(v.Flags, "-port") }

func (v *ServicePersistence) hashText() string {
	switch by := hashedAddress(v.Scheduler); {
	case by == "":
		return v.Scheduler + ": does not choose by address"
	case v.hashesPort():
		return v.Scheduler + ": chooses by " + by + " and port: each connection by itself"
	default:
		return v.Scheduler + ": chooses by " + by + ", always alike while the servers stay"
	}
}

// remedies say what to change for the client to be spread.
func (v *ServicePersistence) remedies() []string {
	var all []string
	if v.Persistence > 0 {
		line := "write `persistence_timeout 0` into the virtual_server block, or a shorter time"
		if v.FromDefault {
			line += "; or `persistence_default off` into global_defs, for all services that say nothing"
		}
		all = append(all, line+"; then send SIGHUP")
		if v.Template != nil {
			all = append(all, "with 0 the template is ignored; with another time it keeps its present one until it expires")
		}
		if !strings.HasSuffix(v.Granularity, "/32") && !strings.HasSuffix(v.Granularity, "/128") {
			all = append(all, "leave out persistence_granularity: all of "+v.Granularity+" are one client to it")
		}
	}
	if hashedAddress(v.Scheduler) != "" && !v.hashesPort() {
		line := "choose another lb_algo, such as wrr or wlc"
		if v.Scheduler == "sh" || v.Scheduler == "mh" {
			line += fmt.Sprintf(", or add the flag %s-port", v.Scheduler)
		}
		all = append(all, line)
	}
	if slices.ContainsFunc(v.Connections, func(c Conn) bool { return c.Protocol != "tcp" || c.State == "ESTABLISHED" }) {
		all = append(all, "an open connection stays where it is, whatever is changed: a client that keeps connections (HTTP keep-alive) has to open new ones")
	}
	return all
}
