package scenarios

import (
	"fmt"
	"slices"
	"time"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/results"
)

// How an instance ends; package services has the same words.
const (
	CrashKill  = "kill"
	CrashFault = "fault"
)

// defaultEject is how long a balancer takes to notice that an instance is gone.
const defaultEject = 5 * time.Second

// failovers reads the steps in which an instance ends. Whether the service has
// such an instance depends on the placement and is checked there.
func (b *builder) failovers() {
	for i, r := range b.raw.Failover.V {
		v, where := r.V, fmt.Sprintf("failover[%d]", i)
		f := Failover{Step: or(v.Step, 0), Failover: results.Failover{
			Service: or(v.Service, ""), Instance: or(v.Instance, 0), How: or(v.How, CrashKill),
			At: or(v.At, b.s.Window/3), Eject: or(v.Eject, defaultEject), Restart: or(v.Restart, true),
		}}
		var names []string
		steps := 0
		for _, s := range b.s.Services {
			names = append(names, s.Name)
			steps = max(steps, len(s.Load.Levels))
		}
		if v.Service.OK && !slices.Contains(names, f.Service) {
			b.fault(v.Service.N, fmt.Sprintf("%s.service %q is no service", where, cut(f.Service)), kind.Known(f.Service, names))
		}
		if words := []string{CrashKill, CrashFault}; !slices.Contains(words, f.How) {
			b.fault(v.How.N, fmt.Sprintf("%s.how %q is not known", where, cut(f.How)), kind.Known(f.How, words))
		}
		if f.Instance < 0 {
			b.fault(v.Instance.N, where+".instance is not negative", "")
		}
		if steps > 0 && (f.Step < 0 || f.Step >= steps) {
			b.fault(v.Step.N, fmt.Sprintf("%s.step: the ladder has steps 0 to %d, not %d", where, steps-1, f.Step), "")
		}
		if f.At <= 0 || f.At >= b.s.Window {
			b.fault(v.At.N, fmt.Sprintf("%s.at is within the window, above 0s and below %v, not %v", where, b.s.Window, f.At), "")
		}
		if f.Eject < 0 {
			b.fault(v.Eject.N, where+".eject is not negative", "")
		}
		b.s.Failovers = append(b.s.Failovers, f)
	}
}
