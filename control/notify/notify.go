package notify

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"lvsdr/control/keepalived"
	"lvsdr/control/script"
)

// A Topic is the subject area of a message: some FIFOs are told of one alone.
type Topic uint8

// The topics.
const (
	All  Topic = iota // of a FIFO: of both
	LVS               // servers and services
	VRRP              // instances and groups
)

// A Message is one change.
type Message struct {
	Topic   Topic
	Subject string             // the server, service, instance or group, by name
	Line    string             // for FIFOs, without the end of the line; empty: none
	Command keepalived.Command // to be run; zero: none
	Args    []string           // that it gets behind its own
	// Title and Text are those of a mail; an empty Title: none is sent.
	Title, Text string
}

// Settings are those of a configuration file.
type Settings struct {
	User, Group string // of commands that name no user; empty: those of this process
	Secure      bool   // commands that others can change are not run as root
	FIFOs       []FIFO
	Mail        keepalived.Mail // without receivers none is sent
}

// SettingsOf are the settings of a file.
func SettingsOf(cfg *keepalived.Config) Settings {
	g, v := &cfg.Global, &cfg.VRRP.Global
	s := Settings{User: g.ScriptUser, Group: g.ScriptGroup, Secure: g.ScriptSecurity, Mail: g.Mail}
	for _, f := range []struct {
		path   string
		topic  Topic
		script keepalived.Command
	}{{g.FIFOs[0], All, g.FIFOScripts[0]}, {g.FIFOs[1], LVS, g.FIFOScripts[1]}, {v.FIFO, VRRP, v.FIFOScript}} {
		if f.path == "" {
			continue
		}
		out := FIFO{Path: f.path, Topic: f.topic}
		if f.script.Line != "" {
			if cmd, err := s.command(f.script); err == nil { // keepalived.Load has read it so
				out.Reader = cmd
			}
		}
		s.FIFOs = append(s.FIFOs, out)
	}
	return s
}

// command is c as these settings have it run.
func (s *Settings) command(c keepalived.Command) (script.Command, error) {
	argv, err := script.Split(c.Line)
	if err != nil {
		return script.Command{}, err
	}
	cmd := script.Command{Argv: argv, User: c.User, Group: c.Group, Secure: s.Secure}
	if cmd.User == "" {
		cmd.User, cmd.Group = s.User, s.Group
	}
	return cmd, nil
}

// Config says how a Notifier works. Zero values mean the defaults.
type Config struct {
	Log *slog.Logger
	// Run runs a command; nil: script.Run.
	Run runner
	// Timeout is how long a command may run; 0: 30 s. Its process group is killed then.
	Timeout time.Duration
	// AtOnce is how many commands run at the same time; 0: 4.
	AtOnce int
	// Queue is how many commands wait at most; 0: 1024.
	Queue int
	// Made are FIFOs that a process before this one made, see Made.
	Made []string
}

// Stats are the counters of a Notifier since its start.
type Stats struct {
	Run      uint64 // commands that have ended
	Failed   uint64 // of those: could not be started, had another exit code than 0, or were killed
	Dropped  uint64 // commands for want of room in the queue
	Lines    uint64 // written to FIFOs
	LostLine uint64 // lines that a FIFO had no room for
	Mails    uint64 // taken by the server
	LostMail uint64 // mails for want of room in the queue, or that the server did not take
}

// A Notifier runs commands and writes to FIFOs. It is safe for concurrent use.
type Notifier struct {
	c    Config
	ctx  context.Context
	stop context.CancelFunc

	mu       sync.Mutex
	settings Settings
	waiting  []job
	busy     map[string]bool // subjects whose command runs
	running  int
	closed   bool
	idle     *sync.Cond        // running and waiting have changed
	failures map[string]string // the last failure of a command line; logged
	full     bool              // the queue was full, and that is logged
	stats    Stats
	mails    *mailer
	lines    *lineWriter
}

// A job is a command to run.
type job struct {
	subject string
	line    string
	c       script.Command
}

// New makes a Notifier without settings.
func New(c Config) *Notifier {
	c.Timeout, c.AtOnce, c.Queue = cmp.Or(c.Timeout, 30*time.Second), cmp.Or(c.AtOnce, 4), cmp.Or(c.Queue, 1024)
	if c.Run == nil {
		c.Run = script.Run
	}
	n := &Notifier{c: c, busy: map[string]bool{}, failures: map[string]string{}}
	n.idle = sync.NewCond(&n.mu)
	n.mails = newMailer(c.Log)
	n.lines = newLineWriter(c.Log, c.Run, c.Made)
	n.ctx, n.stop = context.WithCancel(context.Background())
	return n
}

// Configure puts settings in force: those of a new file. FIFOs that are not there are
// made, and those that it made before and are not wanted any more are removed; their programs run. That is
// done beside the caller, before the lines that follow.
func (n *Notifier) Configure(s Settings) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.settings = s
	n.lines.set(s.FIFOs)
}

// Tell tells of a change.
func (n *Notifier) Tell(m Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return
	}
	if m.Line != "" {
		n.lines.tell(m.Topic, m.Line)
	}
	if m.Title != "" {
		n.mails.post(n.settings.Mail, m.Title, m.Text)
	}
	if m.Command.Line == "" {
		return
	}
	j, err := n.job(m)
	if err != nil {
		n.ended(m.Command.Line, err.Error())
		return
	}
	if len(n.waiting) >= n.c.Queue {
		n.stats.Dropped++
		if !n.full {
			n.c.Log.Error("too many notification commands wait; more of them are not run", "waiting", len(n.waiting), "command", j.line)
		}
		n.full = true
		return
	}
	n.waiting = append(n.waiting, j)
	n.start()
}

// job is the command of m.
func (n *Notifier) job(m Message) (job, error) {
	c, err := n.settings.command(m.Command)
	if err != nil {
		return job{}, err
	}
	c.Argv = append(c.Argv, m.Args...)
	c.Timeout, c.Grace, c.Detached = n.c.Timeout, grace, true
	return job{m.Subject, m.Command.Line, c}, nil
}

// start starts the commands that may run now.
func (n *Notifier) start() {
	for i := 0; i < len(n.waiting) && n.running < n.c.AtOnce; {
		j := n.waiting[i]
		if n.busy[j.subject] {
			i++
			continue
		}
		n.waiting = append(n.waiting[:i:i], n.waiting[i+1:]...)
		n.busy[j.subject] = true
		n.running++
		go n.run(j)
	}
	if len(n.waiting) <= n.c.Queue/2 {
		n.full = false
	}
}

// run runs one command.
func (n *Notifier) run(j job) {
	out, err := n.c.Run(n.ctx, j.c)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ended(j.line, failure(out, err))
	delete(n.busy, j.subject)
	n.running--
	n.start()
	n.idle.Broadcast()
}

// failure says why a command failed; empty: it did not.
func failure(o script.Outcome, err error) string {
	if err != nil {
		return err.Error()
	}
	return o.Failure()
}

// ended counts a command, and logs its failure if that is another than the last time.
func (n *Notifier) ended(line, failure string) {
	n.stats.Run++
	if failure == "" {
		delete(n.failures, line)
		return
	}
	n.stats.Failed++
	if n.failures[line] != failure {
		n.c.Log.Error("notification command failed", "command", line, "error", failure)
	}
	n.failures[line] = failure
}

// Stats are the counters now.
func (n *Notifier) Stats() Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.stats
	s.Mails, s.LostMail = n.mails.counts()
	s.Lines, s.LostLine = n.lines.counts()
	return s
}

// Close waits until all commands have ended and all mails are sent, for patience at most each; commands that
// have not are killed, and mails that are not are lost. Then it ends the programs that read FIFOs, closes these, and removes those that it made. Tell does
// nothing from then on.
func (n *Notifier) Close(patience time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	late := time.AfterFunc(patience, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.stats.Dropped += uint64(len(n.waiting))
		n.waiting = nil
		n.stop()
	})
	for n.running > 0 || len(n.waiting) > 0 {
		n.idle.Wait()
	}
	late.Stop()
	n.stop()
	n.mails.close(patience)
	n.lines.close(patience)
}
