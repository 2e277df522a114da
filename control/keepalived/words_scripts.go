package keepalived

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// security holds the commands of a file as far as they decide
// what keepalived says about the rights they run with.
type security struct {
	user bool // script_user was read
	// command is the first command that is there, and vrrp the first of those that
	// keepalived looks at only if there is a vrrp_instance; nil: none is.
	command, vrrp *Node
	absent        []*Node // the vrrp_scripts whose command is not there
}

// vrrpCommands are those that count with a vrrp_instance only.
func vrrpCommands(list string) []word { return commandWords(list, (*reader).setVRRPCommand) }

func commandWords(list string, set func(*reader, *Node)) []word {
	ws := names(used, list)
	for i := range ws {
		ws[i].set, ws[i].text = set, true
	}
	return ws
}

// globalCommands are the words about commands in global_defs.
func globalCommands() []word {
	return slices.Concat(
		notYet(commandWords("startup_script shutdown_script", (*reader).setStartCommand)),
		commandWords("vrrp_notify_fifo_script", needsText((*reader).setVRRPCommand)),
		[]word{{name: "script_user", max: anyArgs, text: true, set: func(r *reader, n *Node) {
			r.checkUser(n)
			r.security.user = true
			r.global.ScriptUser, r.global.ScriptGroup = userGroup(n.Args)
		}}, {name: "enable_script_security", max: anyArgs, set: func(r *reader, _ *Node) {
			r.global.ScriptSecurity = true
		}}},
	)
}

// needsText is set for words that need a value.
func needsText(set func(*reader, *Node)) func(*reader, *Node) {
	return func(r *reader, n *Node) {
		valid(isText)(r, n)
		set(r, n)
	}
}

func (r *reader) setCommand(n *Node) { r.noteCommand(n, &r.security.command) }

func (r *reader) setVRRPCommand(n *Node) { r.noteCommand(n, &r.security.vrrp) }

// setStartCommand notes a command that is followed by the user and the group it
// runs as.
func (r *reader) setStartCommand(n *Node) {
	if len(n.Args) == 0 || strings.TrimSpace(n.Args[0]) == "" {
		r.add(n, Warning, "a command is missing, and keepalived leaves the line out")
		return
	}
	r.setCommand(n)
	if len(n.Args) > 1 {
		r.checkUser(&Node{Keyword: n.Keyword, Args: n.Args[1:], Pos: n.Pos})
	}
}

// noteCommand notes the first command that is there, at first, and reports one
// that has no user to run as.
func (r *reader) noteCommand(n *Node, first **Node) (userless bool) {
	if len(n.Args) == 0 {
		return false
	}
	userless = r.global.ScriptSecurity && !r.security.user && len(n.Args) == 1 && !r.opt.Files.User(defaultUser)
	if userless {
		r.add(n, Warning, "has no user to run as, and keepalived leaves it out: there is no user %s, nor the word script_user before it", defaultUser)
	}
	r.noteFirst(n, first)
	return userless
}

// noteFirst keeps the first command that is there, at first.
func (r *reader) noteFirst(n *Node, first **Node) {
	if *first == nil && r.isThere(n) {
		*first = n
	}
}

// isThere reports whether the command of n is.
func (r *reader) isThere(n *Node) bool {
	name, _, _ := strings.Cut(strings.TrimSpace(n.Args[0]), " ")
	return name != "" && r.opt.Files.Command(name)
}

// defaultUser is the user that scripts run as when the file names none.
const defaultUser = "keepalived_script"

// checkUser reports a user or a group that this host does not have.
func (r *reader) checkUser(n *Node) {
	if what := r.noSuchUser(n); what != "" {
		r.add(n, Warning, "%s, and keepalived leaves the line out", what)
	}
}

// noSuchUser says which of USER [GROUP] is missing, in the line or on this host; empty:
// none.
func (r *reader) noSuchUser(n *Node) string {
	switch {
	case len(n.Args) == 0:
		return "a user is missing"
	case !r.opt.Files.User(n.Args[0]):
		return fmt.Sprintf("there is no user %s here", n.Args[0])
	case len(n.Args) > 1 && !r.opt.Files.Group(n.Args[1]):
		return fmt.Sprintf("there is no group %s here", n.Args[1])
	}
	return ""
}

// endTrackScript notes the command of a vrrp_script, whatever tracks it.
func (r *reader) endTrackScript(n *Node) {
	name := n.value("script")
	if strings.TrimSpace(name) == "" {
		r.add(n, Warning, "has no script, and keepalived leaves the block out")
		return
	}
	if w := n.value("weight"); w != "" && w != "0" {
		r.vrrp.weighs[n.Args[0]] = true
	}
	script := n.last("script")
	switch {
	case strings.HasPrefix(strings.ReplaceAll(name, " ", ""), "</"): // a file that is opened
	case !r.isThere(script):
		r.security.absent = append(r.security.absent, script)
	case len(n.all("user")) > 0:
		r.noteFirst(script, &r.security.vrrp)
	case r.noteCommand(script, &r.security.vrrp): // it has no user
		return
	}
	defines("track_script")(r, n)
	if r.isThere(script) {
		r.addScript(n)
	}
}

// reportCommand reports that a command runs without the protection that the word
// enable_script_security gives, and scripts that are not there.
func (r *reader) reportCommand() {
	s := &r.security
	command := s.command
	if len(r.vrrp.instances) > 0 {
		if command == nil {
			command = s.vrrp
		}
		for _, script := range s.absent {
			r.add(script, Warning, "%q is not there, and keepalived leaves the vrrp_script out", script.Args[0])
		}
	}
	if command != nil && !r.global.ScriptSecurity {
		r.report(command, Warning, AsSecurity, "keepalived runs it and enable_script_security is absent, so -t exits with %d as keepalived does: add that word to global_defs", ExitSecurity)
	}
}

// isCommand is the default of Files.Command: a name without a slash is looked for
// in $PATH.
func isCommand(name string) bool {
	if strings.Contains(name, "/") {
		_, err := os.Stat(name)
		return err == nil
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return true
		}
	}
	return false
}

// listed is the default of Files.User and Files.Group: whether a line of the file
// starts with the name.
func listed(file string) func(name string) bool {
	return func(name string) bool {
		f, err := os.Open(file)
		if err != nil {
			return true // not known
		}
		defer f.Close() // it was only read
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if before, _, ok := strings.Cut(lines.Text(), ":"); ok && before == name {
				return true
			}
		}
		return false
	}
}
