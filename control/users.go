package control

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"lvsdr/control/keepalived"
	"lvsdr/control/script"
)

// An account is a user and a group that commands run as; both may be empty.
type account struct{ user, group string }

// accounts are those of the commands of cfg, each once.
func accounts(cfg *keepalived.Config) []account {
	seen := map[account]bool{}
	var all []account
	for c := range cfg.Commands() {
		if a := (account{c.User, c.Group}); !seen[a] {
			seen[a] = true
			all = append(all, a)
		}
	}
	return all
}

// runsAsOthers reports whether commands of cfg run as another user than this process.
func runsAsOthers(cfg *keepalived.Config) bool {
	return slices.ContainsFunc(accounts(cfg), func(a account) bool {
		own, err := script.Own(a.user, a.group)
		return !own && err == nil
	})
}

// unrunnable says for which users the commands of cfg cannot be run, a line each; can
// is script.CanBecome.
func unrunnable(cfg *keepalived.Config, can func(user, group string) error) []string {
	var all []string
	for _, a := range accounts(cfg) {
		err := can(a.user, a.group)
		if err == nil {
			continue
		}
		who := strings.TrimRight(a.user+":"+a.group, ":")
		if errors.Is(err, script.ErrRights) {
			err = fmt.Errorf("%w: it needs CAP_SETUID, CAP_SETGID and CAP_KILL, which a director that root starts keeps only if its "+
				"file names such a user then; restart it", err)
		}
		all = append(all, fmt.Sprintf("commands of user %s cannot be run: %v", who, err))
	}
	return all
}

// noteUsers notes for which users commands cannot be run, and logs what is new of it.
func (l *loop) noteUsers(cfg *keepalived.Config) {
	now := unrunnable(cfg, script.CanBecome)
	_, fresh := differences(l.reloads.unrunnable, now)
	for _, line := range fresh {
		l.log.Error(line)
	}
	l.reloads.unrunnable = now
}
