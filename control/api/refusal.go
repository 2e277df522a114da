package api

// A Code says what kind of refusal it is, so that programs need not read words.
type Code string

// A Refusal is a request that was not carried out, with the reason. Two refusals
// are the same error (errors.Is) if their codes are equal.
type Refusal struct {
	Code Code   `json:"code,omitempty"`
	Text string `json:"error"`
}

// Error is the reason.
func (r *Refusal) Error() string { return r.Text }

// Is reports whether target is a refusal of the same code.
func (r *Refusal) Is(target error) bool {
	t, ok := target.(*Refusal)
	return ok && r.Code != "" && t.Code == r.Code
}

// The refusals of edits, in the words ipvsadm's users know.
var (
	ErrServiceExists = &Refusal{"service-exists", "Service already exists"}
	ErrNoService     = &Refusal{"no-service", "No such service"}
	ErrNotDefined    = &Refusal{"not-defined", "Service not defined"}
	ErrServerExists  = &Refusal{"server-exists", "Destination already exists"}
	ErrNoServer      = &Refusal{"no-server", "No such destination"}
	ErrRange         = &Refusal{"range", "Numerical result out of range"}
	ErrMemory        = &Refusal{"memory", "Memory allocation problem"}
	ErrAddress       = &Refusal{"address", "Invalid operation.  Possibly wrong module version, address not unicast, ..."}
	ErrScheduler     = &Refusal{"scheduler", "Scheduler or persistence engine not found"}
	ErrDaemonRuns    = &Refusal{"daemon-runs", "Daemon has already run"}
	ErrNoDaemon      = &Refusal{"no-daemon", "No daemon is running"}
	ErrNoDevice      = &Refusal{"no-device", "No such device"}
)

// ErrBusy says that the request is for one client at a time, and another client has it.
var ErrBusy = &Refusal{"busy", "another client has it"}

// ErrUnavailable says that the director does not answer now, because it is about to
// stop. It is not known what it has done of the request.
var ErrUnavailable = &Refusal{"unavailable", "the director is stopping"}

// The refusals of requests that the API does not have.
var (
	ErrNoPath   = &Refusal{"no-path", "no such path; GET /v1/openapi.yaml lists them"}
	ErrNoMethod = &Refusal{"no-method", "this path does not have this method"}
)

// ErrUnsupported says that this director does not support the request.
var ErrUnsupported = &Refusal{"unsupported", "not supported"}

// Unsupported says what it is that this director does not do.
func Unsupported(feature string) error {
	return &Refusal{ErrUnsupported.Code, feature + " is not supported"}
}
