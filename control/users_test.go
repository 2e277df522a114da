package control

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"lvsdr/control/keepalived"
	"lvsdr/control/script"
)

// configOf is the configuration of a server that runs a command as each of these users.
func configOf(users ...string) *keepalived.Config {
	cfg := &keepalived.Config{}
	for _, u := range users {
		user, group, _ := strings.Cut(u, ":")
		cfg.VirtualServers = append(cfg.VirtualServers, &keepalived.VirtualServer{QuorumUp: keepalived.Command{Line: "/x", User: user, Group: group}})
	}
	return cfg
}

func TestUsersWhoseCommandsCannotBeRunAreNamedOnce(t *testing.T) {
	missing := errors.New("unknown user")
	can := func(user, group string) error {
		switch {
		case user == "gone":
			return missing
		case user != "" && user != "root" || group == "users":
			return script.ErrRights
		}
		return nil
	}
	const rights = ": this process may not run programs as another user: it needs"
	for _, c := range []struct {
		users, want []string
	}{
		{nil, nil},
		{[]string{"", "root", "root:"}, nil},
		{[]string{"nobody", "nobody", ""}, []string{"commands of user nobody cannot be run" + rights}},
		{[]string{"root:users", "nobody:users"}, []string{"commands of user root:users cannot be run" + rights, "commands of user nobody:users cannot be run" + rights}},
		{[]string{"gone"}, []string{"commands of user gone cannot be run: unknown user"}},
	} {
		got := unrunnable(configOf(c.users...), can)
		if !slices.EqualFunc(got, c.want, strings.HasPrefix) {
			t.Errorf("%q: %q, want %q", c.users, got, c.want)
		}
	}
}

// Privileges are kept for users that exist and are not the director's own.
func TestPrivilegesAreKeptForOtherUsers(t *testing.T) {
	for _, c := range []struct {
		users []string
		want  bool
	}{{nil, false}, {[]string{"", "lvsdr-test-nobody"}, false}, {[]string{"", "nobody"}, true}} {
		if got := runsAsOthers(configOf(c.users...)); got != c.want {
			t.Errorf("%q: %v", c.users, got)
		}
	}
	if runsAsOthers(&keepalived.Config{Global: keepalived.Global{ScriptUser: "nobody"}}) {
		t.Error("for a user that no command runs as")
	}
}

// A line is logged when it is new, and is a problem for as long as it is true.
func TestCommandsThatCannotBeRunAreAProblem(t *testing.T) {
	bubble(t, func(t *testing.T) {
		command := "quorum_up /x lvsdr-test-nobody\n"
		with := func(words string) string {
			return strings.Replace(service(vip, rs1), " protocol", words+" protocol", 1)
		}
		r := running(t, with(command))
		const want = "commands of user lvsdr-test-nobody cannot be run"
		problems := func() int { return strings.Count(strings.Join(r.l.view.Load().Problems, "\n"), want) }
		if _, err := r.reload(with(command + "quorum 1\n")); err != nil || problems() != 1 {
			t.Errorf("%d times, %v", problems(), err)
		}
		if n := strings.Count(r.log.String(), want); n != 1 {
			t.Errorf("logged %d times:\n%s", n, r.log.String())
		}
		if _, err := r.reload(with("")); err != nil || problems() != 0 {
			t.Errorf("%d times when it is over, %v", problems(), err)
		}
	})
}
