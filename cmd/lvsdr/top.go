package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"lvsdr/control/api"
)

// pageWidth is that of a frame that is printed, not shown.
const pageWidth = 120

func newTop() *cobra.Command {
	var socket string
	var interval time.Duration
	var once bool
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch services, servers and their shares live",
		Long: `top shows a running director's services and real servers: weights, shares of the
connections of the last minute (or of all, where there were none) beside what is
due by weight, connections, packets and new connections a second, what was not
forwarded and why, and whether servers are up.

Keys: q quits, arrows or j and k select, s sorts, p pauses. Where the output is
not a terminal a frame is printed each interval.

--once prints one frame, of the rates over one interval. The environment variable
NO_COLOR switches colours off.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if interval < 100*time.Millisecond {
				return exitError{usageCode, usageError{cmd, fmt.Errorf("--interval %s: want 100ms or more", interval)}}
			}
			t := &top{socket: socket, interval: interval}
			if once || !term.IsTerminal(int(os.Stdout.Fd())) || !term.IsTerminal(int(os.Stdin.Fd())) {
				return t.print(cmd.Context(), cmd.OutOrStdout(), once)
			}
			return t.show(cmd.Context(), os.Stdin, os.Stdout)
		},
	}
	cmd.Flags().DurationVar(&interval, "interval", time.Second, "how long between two looks")
	cmd.Flags().BoolVar(&once, "once", false, "print one frame as text, and end")
	socketFlag(cmd, &socket)
	return cmd
}

// top is a topView with what it looks at.
type top struct {
	topView
	socket   string
	interval time.Duration
}

// look asks the director.
func (t *top) look(ctx context.Context) (topLook, error) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	st, err := api.Get(ctx, t.socket)
	return topLook{time.Now(), st}, err
}

// print writes frames as text: one, or one each interval until ctx ends.
func (t *top) print(ctx context.Context, out io.Writer, once bool) error {
	for n := 0; ; n++ {
		l, err := t.look(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		t.add(l)
		if n > 0 {
			if _, err := io.WriteString(out, plain(t.render(pageWidth, 0))); err != nil || once {
				return err
			}
			fmt.Fprintln(out)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(t.interval):
		}
	}
}

// Sequences of ECMA-48, and the alternate screen of xterm, which every terminal
// of today knows.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	homeScreen  = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
	reverse     = "\x1b[7m"
	red         = "\x1b[31m"
	plainText   = "\x1b[0m"
)

// show shows the view on a terminal until the user quits.
func (t *top) show(ctx context.Context, in, out *os.File) (err error) {
	first, err := t.look(ctx)
	if err != nil {
		return err
	}
	t.add(first)
	old, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return fmt.Errorf("set up the terminal: %w", err)
	}
	defer func() { err = errors.Join(err, term.Restore(int(in.Fd()), old)) }()
	if _, err := io.WriteString(out, enterScreen); err != nil {
		return err
	}
	defer func() {
		_, failed := io.WriteString(out, leaveScreen)
		err = errors.Join(err, failed)
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return t.loop(ctx, keys(ctx, in), t.looksOf(ctx), out)
}

// An outcome is that of a look.
type outcome struct {
	topLook
	err error
}

// looksOf looks at the director each interval until ctx ends, beside the keys: a
// director that does not answer must not hold them up.
func (t *top) looksOf(ctx context.Context) <-chan outcome {
	looks := make(chan outcome)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(t.interval):
			}
			l, err := t.look(ctx)
			select {
			case <-ctx.Done():
				return
			case looks <- outcome{l, err}:
			}
		}
	}()
	return looks
}

// loop draws after each event until the user quits, or ctx ends.
func (t *top) loop(ctx context.Context, keys <-chan key, looks <-chan outcome, out *os.File) error {
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH)
	defer signal.Stop(resized)
	for {
		if err := t.draw(out); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-resized:
		case k, ok := <-keys:
			if !ok || !t.press(k) {
				return nil
			}
		case l := <-looks:
			if t.paused {
				continue
			}
			if t.err = l.err; l.err == nil {
				t.add(l.topLook)
			}
		}
	}
}

// A key is one that top knows.
type key int

// The keys.
const (
	noKey key = iota
	quitKey
	upKey
	downKey
	sortKey
	pauseKey
)

// keys reads keys until in ends. The reader stays behind in Read when ctx ends:
// the program does, too.
func keys(ctx context.Context, in io.Reader) <-chan key {
	out := make(chan key)
	go func() {
		defer close(out)
		b := make([]byte, 64)
		for {
			n, err := in.Read(b)
			if err != nil {
				return
			}
			for _, k := range readKeys(string(b[:n])) {
				select {
				case out <- k:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out
}

// readKeys are the keys in what a terminal sent at once. What it sends for an
// arrow depends on its mode.
func readKeys(s string) []key {
	names := []struct {
		text string
		key  key
	}{{"\x1b[A", upKey}, {"\x1bOA", upKey}, {"k", upKey}, {"\x1b[B", downKey}, {"\x1bOB", downKey}, {"j", downKey},
		{"s", sortKey}, {"p", pauseKey}, {"q", quitKey}, {"\x03", quitKey}}
	var all []key
next:
	for s != "" {
		for _, n := range names {
			if rest, ok := strings.CutPrefix(s, n.text); ok {
				all, s = append(all, n.key), rest
				continue next
			}
		}
		s = s[1:]
	}
	return all
}

// press does what a key is for; false: quit.
func (t *top) press(k key) bool {
	switch k {
	case quitKey:
		return false
	case upKey:
		t.selected--
	case downKey:
		t.selected++
	case sortKey:
		t.order = (t.order + 1) % numOrders
	case pauseKey:
		t.paused = !t.paused
	}
	return true
}

// draw draws the whole screen in one write.
func (t *top) draw(out *os.File) error {
	width, height, err := term.GetSize(int(out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	var b strings.Builder
	b.WriteString(homeScreen)
	for i, l := range t.render(width, height) {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(clearLine + styled(l, os.Getenv("NO_COLOR") == "")) // behind a full line it would take the last character
	}
	b.WriteString(clearBelow)
	_, err = io.WriteString(out, b.String())
	return err
}

// styled is l with its looks. Without colours, a mark in the text says what is
// selected, and words what is wrong.
func styled(l topLine, colours bool) string {
	switch {
	case l.selected && l.text != "":
		return reverse + l.text + plainText
	case l.alarm && colours:
		return red + l.text + plainText
	}
	return l.text
}
