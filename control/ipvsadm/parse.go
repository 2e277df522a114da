package ipvsadm

import (
	"strings"

	"lvsdr/control/api"
)

// A request is a command line that was read. What was not given is zero, but
// for the weight.
type request struct {
	command command
	given   [numOptions]bool
	names   *Names

	service   api.ServiceConfig
	flags     string // as given
	server    api.ServerConfig
	timeouts  [3]int
	daemon    api.Daemon
	leftovers []string // words that are no options
}

// words reads a command line word by word.
type words struct {
	args []string
	next int
}

func (w *words) more() bool { return w.next < len(w.args) }

func (w *words) take() string {
	w.next++
	return w.args[w.next-1]
}

// badWord is a word that no option is made of.
func badWord(word, why string) error { return &refusal{ExitRefused, word + ": " + why} }

// parse reads a command line, which is not empty, and checks it by the
// rules.
func (i *Interpreter) parse(args []string) (*request, error) {
	q := &request{names: &i.Names}
	q.server.Weight, q.service.Scheduler = 1, "wlc"
	w := &words{args: args}
	word, rest, err := q.first(w)
	if err != nil {
		return nil, err
	}
	if q.command == 0 {
		return nil, i.tryHelp()
	}
	if q.command&(help|version) != 0 {
		return q, nil
	}
	if rest != "" {
		err = q.cluster(word, rest, w)
	}
	for err == nil && w.more() {
		switch word := w.take(); {
		case word == "--":
			q.leftovers, w.next = append(q.leftovers, w.args[w.next:]...), len(w.args)
		case strings.HasPrefix(word, "--"):
			err = q.long(word, w)
		case len(word) > 1 && word[0] == '-':
			err = q.cluster(word, word[1:], w)
		default:
			q.leftovers = append(q.leftovers, word)
		}
	}
	if err == nil {
		err = q.legal()
	}
	return q, err
}

// first reads the command, which is the first option or its first letter, and
// gives the word it is in and the letters behind it. Words before it are left
// over. The command stays 0 if there is none.
func (q *request) first(w *words) (word, rest string, err error) {
	for word = w.take(); !strings.HasPrefix(word, "-") || word == "-"; word = w.take() {
		if q.leftovers = append(q.leftovers, word); !w.more() {
			return word, "", nil
		}
	}
	rest, err = q.readCommand(word, w)
	return word, rest, err
}

func (q *request) readCommand(word string, w *words) (rest string, err error) {
	name, value, valued := strings.Cut(strings.TrimPrefix(word, "--"), "=")
	for _, c := range commands {
		switch {
		case strings.HasPrefix(word, "--") && name == c.long:
			if c.value == "" {
				if !valued {
					q.command = c.command
				}
				return "", nil
			}
			if !valued {
				if !w.more() {
					return "", nil
				}
				value = w.take()
			}
			q.command = c.command
			return "", q.daemonState(value)
		case len(word) > 1 && word[0] == '-' && strings.IndexByte(c.short, word[1]) >= 0:
			if rest = word[2:]; !strings.HasPrefix(rest, "=") {
				q.command = c.command
			}
			return rest, nil
		}
	}
	return "", nil
}

// cluster reads letters, each an option; the last may have a value, in the same
// word or in the next. word is the whole of it.
func (q *request) cluster(word, letters string, w *words) error {
	all := spellings()
	for letters != "" {
		letter := letters[0]
		letters = letters[1:]
		s := find(all, func(s *spelling) bool { return s.short == letter })
		switch {
		case s == nil && isCommand(letter) && !strings.HasPrefix(letters, "="):
			return misuse("invalid option `" + word + "'")
		case s == nil && !isCommand(letter):
			return badWord(word, "unknown option")
		case s == nil, s.value == "" && strings.HasPrefix(letters, "="):
			return badWord(word, "option does not take an argument")
		case s.value == "":
			if err := q.take(s, "", false); err != nil {
				return err
			}
		default:
			return q.valued(s, word, strings.TrimPrefix(letters, "="), letters != "", w)
		}
	}
	return nil
}

// long reads an option by its long name, with its value behind = or in the next
// word.
func (q *request) long(word string, w *words) error {
	name, value, valued := strings.Cut(word[2:], "=")
	s := find(spellings(), func(s *spelling) bool { return s.long == name })
	if s == nil {
		for _, c := range commands {
			if c.long == name {
				return misuse("invalid option `" + word + "'")
			}
		}
		return badWord(word, "unknown option")
	}
	if s.value == "" {
		if valued {
			return badWord(word, "option does not take an argument")
		}
		return q.take(s, "", false)
	}
	return q.valued(s, word, value, valued, w)
}

// valued takes an option with its value, which is in the next word if it was not
// there. The one of -p may be missing.
func (q *request) valued(s *spelling, word, value string, there bool, w *words) error {
	if !there {
		switch {
		case w.more() && (s.value != lax || !strings.HasPrefix(w.args[w.next], "-")):
			value, there = w.take(), true
		case s.value != lax:
			return badWord(word, "missing argument")
		}
	}
	return q.take(s, value, there)
}

// take notes an option, with its value if there is one.
func (q *request) take(s *spelling, value string, there bool) error {
	if s.option != unruled {
		if q.given[s.option] {
			return misuse("multiple '" + rules[s.option].name + "' options specified")
		}
		q.given[s.option] = true
	}
	if s.read == nil || s.value == lax && !there {
		return nil
	}
	return s.read(q, value)
}

func find(all []spelling, is func(*spelling) bool) *spelling {
	for i := range all {
		if is(&all[i]) {
			return &all[i]
		}
	}
	return nil
}

func isCommand(letter byte) bool {
	for _, c := range commands {
		if strings.IndexByte(c.short, letter) >= 0 {
			return true
		}
	}
	return false
}
