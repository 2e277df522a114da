package inspect

import (
	"time"

	"lvsdr/control/api"
	"lvsdr/control/check"
	"lvsdr/control/director"
	"lvsdr/control/notify"
	"lvsdr/control/site"
	"lvsdr/control/vrrp"
	"lvsdr/dataplane"
)

// A View is the state that the loop has published last. It never changes.
type View struct {
	State      *site.State
	Version    string
	Started    time.Time
	ConfigTime time.Time       // when the configuration in force was loaded; zero: there is none
	ConfigErr  string          // why the last reload was refused
	Reloads    int             // that were tried
	Refused    int             // of them
	Workers    int             // of each interface
	Active     bool            // no VIP waits to be announced
	Roles      map[string]Role // of VRRP instances, by name; of a group by "group NAME"
	Local      string          // clients on this host: "served", "off", or why they are not served
	Problems   []string
}

// A Role is the news of VRRP about an instance or a group.
type Role struct {
	Role     vrrp.Role
	Priority uint8     // in force
	Since    time.Time // of the role
}

// An Inspector answers the questions. All fields are required; what they give
// must not wait. Its methods may be called from any goroutine.
type Inspector struct {
	View   func() *View
	Engine *dataplane.Director
	Admin  *director.Director       // sums up counters for listings
	Now    func() int64             // the engine's clock, ns
	Wall   func(at int64) time.Time // what the wall clock showed at a moment of it
	NICs   interface {              // by interface
		Stats() map[string]dataplane.NICStats
		Name(ifindex int) string
	}
	// TakenOver tells of the connection table before; nil: the table is in no file.
	TakenOver func() *api.TakenOver
	// TableProblem says why it is in none though it should be.
	TableProblem string
	// Offload tells what the kernel forwards; nil: it is not to.
	Offload func() *api.Offload

	ARP   func() map[string]uint64            // frames, by what became of them
	Check func(id string) (check.State, bool) // a health check as it is now
	// Notified counts how the administrator's programs were told of changes.
	Notified func() notify.Stats
	// Routers are the VRRP instances; unknown counts adverts for none of them.
	Routers func() (all []vrrp.State, unknown [vrrp.Reasons]uint64)
	Log     func(text string, attrs ...any) // takes a line for the operator
}
