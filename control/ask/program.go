package ask

import (
	"cmp"
	"time"
)

// Program runs a program, whose exit code says whether the server works; MISC_CHECK. 0 is
// good and anything else is not.
type Program struct {
	Line string // the program and its arguments, as script.Split reads them (misc_path)
	// Timeout is how long it may run, > 0 (misc_timeout).
	Timeout time.Duration
	// Dynamic makes exit codes of 2 to 255 good, too: the server gets two less as its
	// weight. 0 leaves it the configured weight (misc_dynamic).
	Dynamic bool
	// User and Group are those of the process (user, script_user); empty: this process' own.
	User, Group string
	// Secure refuses a program that would run as root and that others can change
	// (enable_script_security).
	Secure bool
}

var _ Ask = (*Program)(nil)

// String is such as `misc_path "/bin/check a" misc_timeout 5s misc_dynamic user nobody`.
func (p *Program) String() string {
	var t text
	t.addIf(true, "misc_path %q misc_timeout %v", p.Line, p.Timeout)
	t.addIf(p.Dynamic, "misc_dynamic")
	t.addIf(p.User != "" || p.Group != "", "user %s", cmp.Or(p.User, `""`))
	t.addIf(p.Group != "", "%s", p.Group)
	t.addIf(p.Secure, "enable_script_security")
	return t.Builder.String()
}
