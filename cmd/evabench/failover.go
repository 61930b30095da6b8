package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/services"
)

// checkFailovers asks, before anything is changed, that each instance that is to
// end can be made to in that way, where its launcher tells.
func (b *bench) checkFailovers() error {
	var faults []error
	for i, f := range b.scenario.Failovers {
		for _, s := range b.scenario.Services {
			if s.Name != f.Service {
				continue
			}
			l, err := b.kinds.launchers.Build(s.Launcher)
			if err != nil {
				return err // scenarios.Read has built it before
			}
			c, ok := l.(services.Crashing)
			if !ok || slices.Contains(c.Crashes(), f.How) {
				continue
			}
			hint := "it knows " + strings.Join(c.Crashes(), ", ")
			switch {
			case len(c.Crashes()) == 0:
				hint = "give it the commands that end an instance and start it again (crash and revive)"
			case f.How == services.CrashFault:
				hint += "; a fault needs the page that makes one (launcher: {fault: {path: …}})"
			}
			faults = append(faults, fmt.Errorf("failover[%d].how: the launcher %s of service %s cannot make an instance end by %s: %s", i, s.Launcher.Name, s.Name, f.How, hint))
		}
	}
	return errors.Join(faults...)
}
