package control

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/conntrack"
	"lvsdr/conntrack/mapping"
	"lvsdr/control/api"
	"lvsdr/control/boot"
	"lvsdr/dataplane"
)

// TableOff and TableAuto are Options.Table that name no file.
const (
	TableOff  = "off"  // the connection table ends with the process
	TableAuto = "auto" // it is beside the control socket, if that is in memory (tmpfs), and else off
)

// tableFile is the file of the connection table; "": it has none.
func (o *Options) tableFile() string {
	switch o.Table {
	case "", TableOff:
		return ""
	case TableAuto:
		if dir := filepath.Dir(o.Socket); inMemory(dir) {
			return strings.TrimSuffix(o.Socket, ".sock") + ".table"
		}
		return ""
	}
	return o.Table
}

// inMemory reports whether files in a folder are in memory.
func inMemory(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Type == unix.TMPFS_MAGIC
}

// thisBoot is the identity of this boot of the host, and of the network namespace, to
// which a table belongs. Where the one of the boot cannot be read, as where systemd
// shows the process no more of /proc than itself, it must be in memory.
func thisBoot(file string) (id [16]byte, err error) {
	text, err := boot.ID()
	if err == nil {
		_, err = hex.Decode(id[:], []byte(strings.ReplaceAll(text, "-", "")))
	}
	if err != nil && !inMemory(filepath.Dir(file)) {
		return id, fmt.Errorf("the boot of the host is not known: %w", err)
	}
	cookie, err := boot.Namespace()
	for i := range 8 {
		id[i] ^= byte(cookie >> (8 * i))
	}
	return id, err
}

// openTable has the director's state live in a file, if it is to. A file of another
// process is an error; one that cannot be made is a warning.
func (d *daemon) openTable(c *dataplane.Config) error {
	o := d.o
	name := o.tableFile()
	if name == "" {
		return nil
	}
	id, err := thisBoot(name)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(name), 0o755)
	}
	if err == nil {
		d.table, err = mapping.OpenFile(mapping.Want{Name: name, Tables: max(c.Workers, 1), Limit: c.Conns.Limit, Secret: c.Conns.Secret, Boot: id, Wait: tableWait})
	}
	switch {
	case errors.Is(err, mapping.ErrInUse):
		return err
	case err != nil:
		o.Log.Warn("connections will not outlive this process", "table", name, "error", err)
		d.tableProblem = "connections do not outlive the director: " + err.Error()
		return nil
	}
	c.Kept, c.PID, c.Now = d.table.Kept(), os.Getpid(), d.clock.Now()
	return nil
}

// tableWait is how long to wait for a process that is ending.
const tableWait = 2 * time.Second

// commitTable makes the file the one to go on with, and says what was in it.
func (d *daemon) commitTable() error {
	if d.table == nil {
		return nil
	}
	if err := d.table.Commit(); err != nil {
		return fmt.Errorf("connection table: %w", err)
	}
	t, log, name := d.takenOver(), d.o.Log.Info, d.o.tableFile()
	switch {
	case t.Empty != "":
		log("connection table begins empty", "table", name, "reason", t.Empty)
	case t.PID == 0:
		log("connections will outlive this process", "table", name)
	default:
		log("connection table taken over", "table", name, "connections", t.Connections, "templates", t.Templates, "pid", t.PID,
			"in_order", t.InOrder, "age", (time.Duration(t.AgeMs) * time.Millisecond).String(), "dropped", t.Dropped)
	}
	return nil
}

// takenOver tells of the connection table before; nil: the table is in no file.
func (d *daemon) takenOver() *api.TakenOver {
	if d.table == nil {
		return nil
	}
	t, _ := d.director.TakenOver()
	out := &api.TakenOver{File: d.o.tableFile(), Empty: t.Fresh, Connections: t.Conns, Templates: t.Templates, PID: t.PID, InOrder: t.Clean,
		Dropped: t.Half + t.Strange + t.NoRoom}
	if t.PID != 0 {
		out.AgeMs = max(d.began-t.Since, 0) / int64(time.Millisecond)
	}
	return out
}

// sealTable gives the table to the next process.
func (d *daemon) sealTable() error {
	if d.table == nil || d.sealed {
		return nil
	}
	d.sealed = true
	if d.director == nil {
		return d.table.Close()
	}
	return d.director.Seal(d.clock.Now(), d.table.Release)
}

// tableForm names the form of the connection table in a file, which both processes of a take-over must have.
func tableForm() string { return fmt.Sprint("version ", conntrack.KeptVersion) }
