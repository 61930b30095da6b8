package export

import (
	"strings"

	"github.com/evabench/evabench/partition/migparted"
)

// migParted writes a file for nvidia-mig-parted.
func (e *export) migParted() error {
	data, warnings, err := migparted.Write(e.Name, e.State, e.Layout)
	if err != nil {
		return err
	}
	file := e.Name + "-mig-parted.yaml"
	e.lacks = append(warnings, e.afterBoot()...)
	if e.undo, err = e.turnOff(); err != nil {
		return err
	}
	if e.undo == nil {
		e.undo = []string{"MIG is off already; apply another configuration to turn it on"}
	}
	e.add(file, 0o644, []string{
		"nvidia-mig-parted apply --config-file " + file + " --selected-config " + e.Name,
		"At boot: let nvidia-mig-manager.service of mig-parted's deployments/systemd select it.",
		"Devices are indices of this host; a device-filter keeps other cards out.",
	}, string(data))
	return nil
}

// afterBoot tells what holds of every MIG device that is made anew.
func (e *export) afterBoot() []string {
	for _, t := range e.targets {
		if t.MIG {
			return []string{"UUIDs of MIG devices: they may be others after each boot"}
		}
	}
	return nil
}

// indent puts every line of a text further in.
func indent(text, by string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(by + line)
	}
	return b.String()
}
