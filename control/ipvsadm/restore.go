package ipvsadm

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxLine bounds a line of -R, in bytes.
const maxLine = 64 << 10

// restore carries out commands, one a line, with or without the word ipvsadm
// before it. What the director refuses is told and passed over; what is no
// legal command ends it, as with ipvsadm. The exit code is the last line's.
func (i *Interpreter) restore(out *strings.Builder, in io.Reader) error {
	if in == nil {
		return nil
	}
	sc := bufio.NewScanner(in)
	sc.Buffer(make([]byte, 0, 4<<10), maxLine)
	var told []string
	exit := ExitOK
	for sc.Scan() {
		args := strings.Fields(sc.Text())
		if len(args) > 0 && args[0] == "ipvsadm" {
			args = args[1:]
		}
		if len(args) == 0 || strings.HasPrefix(args[0], "#") {
			continue
		}
		r, ends := i.line(args)
		out.WriteString(r.Out)
		exit = r.Exit
		if r.Err != "" {
			told = append(told, strings.TrimSuffix(r.Err, "\n"))
		}
		if ends {
			break
		}
	}
	if err := sc.Err(); err != nil {
		exit, told = ExitUsage, append(told, fmt.Sprintf("read commands: %v", err))
	}
	if exit == ExitOK && told == nil {
		return nil
	}
	return &refusal{exit, strings.Join(told, "\n")}
}

// line carries out one line of -R, and reports whether it is the last: after a
// usage error, the help or the version, nothing more is read.
func (i *Interpreter) line(args []string) (r Result, ends bool) {
	var out strings.Builder
	q, err := i.parse(args)
	switch {
	case err == nil && q.command == restore:
		q, err = nil, i.tryHelp()
		ends = true
	case err == nil:
		ends = q.command&(help|version) != 0
		err = i.do(&out, q)
	default:
		var why *refusal
		ends = errors.As(err, &why) && (why.exit == ExitUsage || q == nil)
	}
	return result(&out, err), ends
}
