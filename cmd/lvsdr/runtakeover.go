package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"lvsdr/control"
)

// takeoverFlag adds --takeover.
func takeoverFlag(cmd *cobra.Command, to *string) {
	fl := cmd.Flags()
	fl.StringVar(to, "takeover", "", "take over from the director that runs, if there is one, without a gap; `HOW` kill ends one that does not answer, standby waits until it has ended (docs/operations.md)")
	fl.Lookup("takeover").NoOptDefVal = string(control.PlainTakeover)
}

// takeoverHow is the value of --takeover.
func (f *runFlags) takeoverHow() (control.Takeover, error) {
	switch how := control.Takeover(f.takeover); how {
	case control.NoTakeover, control.PlainTakeover, control.KillTakeover, control.StandBy:
		return how, nil
	}
	return "", exitError{usageCode, fmt.Errorf("--takeover=%s: not wait, kill or standby", f.takeover)}
}
