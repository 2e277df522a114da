package top

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"lvsdr/control/api"
)

// patience is how long a director may take to answer.
const patience = 10 * time.Second

// pageWidth is that of a frame that is printed, not shown, in characters.
const pageWidth = 120

// A Top shows a director. Its fields are set before it is used.
type Top struct {
	// Ask gives the director's state.
	Ask func(context.Context) (*api.Status, error)
	// Interval is the time between two questions.
	Interval time.Duration
	// Width is that of frames that are printed, in characters; 0 means 120.
	Width int

	view view
}

// ask asks the director.
func (t *Top) ask(ctx context.Context) (*api.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return t.Ask(ctx)
}

// Print writes frames as text: one, of the rates over one interval, or one each
// interval until ctx ends.
func (t *Top) Print(ctx context.Context, out io.Writer, once bool) error {
	for n := 0; ; n++ {
		st, err := t.ask(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		t.view.add(st)
		if n > 0 {
			if _, err := io.WriteString(out, plain(t.view.render(cmp.Or(t.Width, pageWidth), 0))); err != nil || once {
				return err
			}
			fmt.Fprintln(out)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(t.Interval):
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

// Show shows the view on a terminal until the user quits, or ctx ends.
func (t *Top) Show(ctx context.Context, in, out *os.File) (err error) {
	first, err := t.ask(ctx)
	if err != nil {
		return err
	}
	t.view.add(first)
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
	return t.loop(ctx, keys(ctx, in), t.answers(ctx), out)
}

// An answer is the director's answer, or the reason there is none.
type answer struct {
	status *api.Status
	err    error
}

// answers asks the director each interval until ctx ends, beside the keys: a
// director that does not answer must not hold them up.
func (t *Top) answers(ctx context.Context) <-chan answer {
	all := make(chan answer)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(t.Interval):
			}
			st, err := t.ask(ctx)
			select {
			case <-ctx.Done():
				return
			case all <- answer{st, err}:
			}
		}
	}()
	return all
}

// loop draws after each event until the user quits, or ctx ends.
func (t *Top) loop(ctx context.Context, keys <-chan key, answers <-chan answer, out *os.File) error {
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
			if !ok || !t.view.press(k) {
				return nil
			}
		case a := <-answers:
			if t.view.paused {
				continue
			}
			if t.view.err = a.err; a.err == nil {
				t.view.add(a.status)
			}
		}
	}
}

// draw draws the whole screen in one write.
func (t *Top) draw(out *os.File) error {
	width, height, err := term.GetSize(int(out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	var b strings.Builder
	b.WriteString(homeScreen)
	for i, l := range t.view.render(width, height) {
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
func styled(l line, colours bool) string {
	switch {
	case l.selected && l.text != "":
		return reverse + l.text + plainText
	case l.alarm && colours:
		return red + l.text + plainText
	}
	return l.text
}
