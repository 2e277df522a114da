// Package track watches what decides about the priorities of VRRP instances: programs that
// say whether all is well (vrrp_script), processes that have to run (track_process) and
// numbers in files (track_file). It knows nothing of instances: each result goes to a
// function, and what it means is for others to say.
//
//	vrrp_script ───▶ run every interval, rise and fall ─┐
//	track_process ─▶ /proc every second, delays ────────┼─▶ Report(vrrp.Tracked)
//	track_file ────▶ inotify, and every second ─────────┘
package track
