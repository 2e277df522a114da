package keepalived

import (
	"os"
	"strings"
)

// commands are words with a command, which is not run yet. They are looked at for
// what keepalived says about the rights they run with.
func commands(list string) []word {
	ws := names(later, list)
	for i := range ws {
		ws[i].set = (*reader).setCommand
	}
	return ws
}

// setCommand notes the first command that is there.
func (r *reader) setCommand(n *Node) {
	if r.command != nil || len(n.Args) == 0 {
		return
	}
	name, _, _ := strings.Cut(strings.TrimSpace(n.Args[0]), " ")
	if strings.HasPrefix(name, "/") && r.opt.Files.Executable(name) {
		r.command = n
	}
}

// reportCommand reports that a command runs without the protection that the word
// enable_script_security gives.
func (r *reader) reportCommand() {
	if r.command != nil && !r.scriptSecurity {
		r.report(r.command, Warning, AsSecurity, "keepalived runs it and enable_script_security is absent, so -t exits with %d as keepalived does: add that word to global_defs", ExitSecurity)
	}
}

// isExecutable is the default of Files.Executable.
func isExecutable(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
