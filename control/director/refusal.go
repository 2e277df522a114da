package director

import (
	"errors"

	"lvsdr/control/api"
	"lvsdr/control/connsync/daemon"
	"lvsdr/dataplane"
)

// Refusal is an engine's refusal as it goes over the wire; other errors stay as
// they are.
func Refusal(err error) error {
	if err == nil {
		return nil
	}
	for _, r := range [...]struct {
		engine error
		wire   *api.Refusal
	}{
		{dataplane.ErrServiceExists, api.ErrServiceExists}, {dataplane.ErrNoService, api.ErrNoService},
		{dataplane.ErrNotDefined, api.ErrNotDefined}, {dataplane.ErrServerExists, api.ErrServerExists},
		{dataplane.ErrNoServer, api.ErrNoServer}, {dataplane.ErrThresholds, api.ErrRange},
		{dataplane.ErrTooManyServers, api.ErrMemory}, {dataplane.ErrAddress, api.ErrAddress},
		{dataplane.ErrScheduler, api.ErrScheduler}, {daemon.ErrRuns, api.ErrDaemonRuns},
		{daemon.ErrNone, api.ErrNoDaemon}, {daemon.ErrNoDevice, api.ErrNoDevice},
	} {
		if errors.Is(err, r.engine) {
			return r.wire
		}
	}
	if errors.Is(err, dataplane.ErrMethod) {
		return &api.Refusal{Code: api.ErrUnsupported.Code, Text: err.Error()}
	}
	return err
}
