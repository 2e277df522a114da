package dataplane

import "lvsdr/dataplane/frame"

// AddService is Tx.AddService alone.
func (d *Director) AddService(c ServiceConfig) (err error) {
	d.Edit(0, func(tx *Tx) { err = tx.AddService(c) })
	return err
}

// EditService is Tx.EditService alone.
func (d *Director) EditService(c ServiceConfig) (err error) {
	d.Edit(0, func(tx *Tx) { err = tx.EditService(c) })
	return err
}

// DelService is Tx.DelService alone, at now.
func (d *Director) DelService(k ServiceKey, now int64) (err error) {
	d.Edit(now, func(tx *Tx) { err = tx.DelService(k) })
	return err
}

// AddServer is Tx.AddServer alone.
func (d *Director) AddServer(k ServiceKey, c ServerConfig) (err error) {
	d.Edit(0, func(tx *Tx) { err = tx.AddServer(k, c) })
	return err
}

// EditServer is Tx.EditServer alone.
func (d *Director) EditServer(k ServiceKey, c ServerConfig) (err error) {
	d.Edit(0, func(tx *Tx) { err = tx.EditServer(k, c) })
	return err
}

// DelServer is Tx.DelServer alone, at now.
func (d *Director) DelServer(k ServiceKey, addr frame.Addr, port uint16, now int64) (err error) {
	d.Edit(now, func(tx *Tx) { err = tx.DelServer(k, addr, port) })
	return err
}

// SetVIPs is Tx.SetVIPs alone.
func (d *Director) SetVIPs(vips []frame.Addr) {
	d.Edit(0, func(tx *Tx) { tx.SetVIPs(vips) })
}

// SetMartians is Tx.SetMartians alone.
func (d *Director) SetMartians(sources []frame.Addr) {
	d.Edit(0, func(tx *Tx) { tx.SetMartians(sources) })
}

// SetNeighbour is Tx.SetNeighbour alone.
func (d *Director) SetNeighbour(addr frame.Addr, mac frame.MAC, link Link) {
	d.Edit(0, func(tx *Tx) { tx.SetNeighbour(addr, mac, link) })
}

// SetLocal is Tx.SetLocal alone.
func (d *Director) SetLocal(addr frame.Addr, mac frame.MAC, link Link) {
	d.Edit(0, func(tx *Tx) { tx.SetLocal(addr, mac, link) })
}

// Tunables are the tunables in force.
func (d *Director) Tunables() Tunables { return d.table.Load().tunables }

// SetTunables changes the tunables from the next batch on.
func (d *Director) SetTunables(v Tunables) {
	d.admin.Lock()
	defer d.admin.Unlock()
	tx := &Tx{d: d}
	was := d.Tunables()
	tx.edit().tunables = v
	d.setSyncRule(v)
	d.table.Store(tx.table)
	if v.PMTUDisc != was.PMTUDisc {
		d.republish()
	}
}

// SetTimeouts changes timeouts as ipvsadm --set does, in seconds; 0 keeps one.
func (d *Director) SetTimeouts(tcp, tcpfin, udp int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.timeouts.Set(tcp, tcpfin, udp)
	d.each(func(sh *shard) { sh.conns.SetTimeouts(d.timeouts) })
	if d.offloader != nil {
		d.offloader.Recall() // a connection's timeout is that of the moment of its last packet
	}
}
