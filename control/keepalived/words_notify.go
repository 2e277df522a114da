package keepalived

import (
	"strings"

	"lvsdr/control/script"
)

// runs is a word with a command that is run, as SCRIPT [USER [:][GROUP]].
func runs(name string, field func(*reader) *Command) word {
	return word{name: name, min: 1, max: anyArgs, text: true, set: func(r *reader, n *Node) {
		r.setCommand(n)
		words, err := script.Split(n.Args[0])
		switch {
		case err != nil:
			r.add(n, Error, "%v; the line is left out", err)
			return
		case len(words) == 0:
			r.add(n, Error, "names no program; the line is left out")
			return
		}
		c := Command{Line: strings.Clone(n.Args[0])}
		c.User, c.Group = userGroup(n.Args[1:])
		*field(r) = c
	}}
}

// userGroup reads USER [:][GROUP].
func userGroup(args []string) (user, group string) {
	names := strings.FieldsFunc(strings.Join(args, " "), func(c rune) bool { return c == ' ' || c == ':' })
	if len(names) > 0 {
		user = names[0]
	}
	if len(names) > 1 {
		group = names[1]
	}
	return user, group
}

// fifoWords are the words of global_defs about FIFOs that are written to.
func fifoWords() []word {
	fifo := func(i int) func(*reader, *Node) {
		return func(r *reader, n *Node) {
			if !strings.HasPrefix(n.Args[0], "/") {
				r.add(n, Error, "%s is not the path of a file from the root; the line is left out", n.Args[0])
				return
			}
			r.global.FIFOs[i] = strings.Clone(n.Args[0])
		}
	}
	return []word{
		{name: "notify_fifo", min: 1, max: 1, text: true, soft: true, set: fifo(0)},
		{name: "lvs_notify_fifo", min: 1, max: 1, text: true, soft: true, set: fifo(1)},
		fifoScript("notify_fifo_script", 0),
		fifoScript("lvs_notify_fifo_script", 1),
	}
}

// fifoScript is a word with the program that reads FIFO number i. keepalived takes one that names none.
func fifoScript(name string, i int) word {
	w := runs(name, func(r *reader) *Command { return &r.global.FIFOScripts[i] })
	set := w.set
	w.min, w.set = 0, func(r *reader, n *Node) {
		valid(isText)(r, n)
		if len(n.Args) > 0 && strings.TrimSpace(n.Args[0]) != "" {
			set(r, n)
		}
	}
	return w
}
