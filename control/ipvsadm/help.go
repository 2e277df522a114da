package ipvsadm

import (
	"fmt"
	"strings"
)

// versionLine is ipvsadm's own: scripts read the versions in it.
const versionLine = "ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)\n"

// help prints the grammar.
func (i *Interpreter) help(out *strings.Builder) {
	out.WriteString(versionLine)
	out.WriteString(Usage())
}

// Usage is the grammar, as the help prints it behind the version.
func Usage() string {
	out := &strings.Builder{}
	out.WriteString(`
ipvsadm -A|-E SERVICE [-s NAME] [-p [SECONDS]] [-M MASK] [-b FLAGS] [-o]
ipvsadm -D SERVICE
ipvsadm -a|-e SERVICE -r HOST[:PORT] [-g] [-w N] [-x N] [-y N]
ipvsadm -d SERVICE -r HOST[:PORT]
ipvsadm -L [SERVICE] [OPTIONS]      ipvsadm -Z [SERVICE]
ipvsadm -C      ipvsadm -S [-n]     ipvsadm -R      ipvsadm --set TCP TCPFIN UDP

The first word is a command, all others are options.
`)
	for _, c := range commands {
		row(out, c.short, c.long, c.value, c.help)
	}
	out.WriteString("\nOptions:\n")
	for _, s := range spellings() {
		short := ""
		if s.short != 0 {
			short = string(s.short)
		}
		row(out, short, s.long, s.value, s.help)
	}
	return out.String()
}

// row is a word of the grammar; short has its letters.
func row(out *strings.Builder, short, long, value, text string) {
	letters := ""
	for _, c := range short {
		letters += "-" + string(c) + " "
	}
	word := "--" + long
	if value != "" {
		word += " " + value
	}
	fmt.Fprintf(out, "  %-6s %-28s %s\n", letters, word, text)
}
