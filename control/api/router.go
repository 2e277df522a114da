package api

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"
)

// A Router is a VRRP instance of the director.
type Router struct {
	Name      string    `json:"name"`
	Interface string    `json:"interface"`
	ID        uint8     `json:"virtual_router_id"`
	Role      string    `json:"role"`     // INIT, BACKUP, MASTER, FAULT or STOP
	Priority  uint8     `json:"priority"` // in force
	Since     time.Time `json:"since"`    // of the role; zero: the start
	Addresses []string  `json:"addresses"`
	Group     string    `json:"group,omitempty"`  // the vrrp_sync_group
	Source    string    `json:"source,omitempty"` // of its adverts
	Master    string    `json:"master,omitempty"` // the source of the advert that was accepted last
	Faults    int       `json:"faults"`           // of what it tracks: those that are down
	// Became counts how often it was master; Sent and Received its adverts, Refused packets that were no
	// adverts for it.
	Became   uint64 `json:"became_master"`
	Sent     uint64 `json:"adverts_sent"`
	Received uint64 `json:"adverts_received"`
	Refused  uint64 `json:"adverts_refused"`
}

// writeRouters writes instances as a table.
func writeRouters(w io.Writer, all []Router, now time.Time) {
	if len(all) == 0 {
		return
	}
	fmt.Fprint(w, "\nINSTANCE\tROLE\tPRIORITY\tFOR\tMASTER\tADVERTS SENT\tRECEIVED\tREFUSED\tADDRESSES\n")
	for i := range all {
		r := &all[i]
		since := "-"
		if !r.Since.IsZero() {
			since = now.Sub(r.Since).Round(time.Second).String()
		}
		master := cmp.Or(r.Master, "-")
		if r.Role == "MASTER" {
			master = "this host"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%d\t%d\t%d\t%s\n", r.Name, r.Role, r.Priority, since, master, r.Sent, r.Received, r.Refused, strings.Join(r.Addresses, " "))
	}
}
