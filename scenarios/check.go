package scenarios

import (
	"github.com/evabench/evabench/internal/kind"
)

// kinds makes the checks of kinds that the caller supplied.
func (b *builder) kinds(c Checks) {
	server := b.raw.Server
	backend := server.V.Backend
	place := backend.V.at
	if place == nil {
		place = server.N
	}
	if backend.N == nil || backend.OK {
		b.kind(c.Backend, b.s.Server.Backend, place)
	}
	for i, v := range b.s.Services {
		if i >= len(b.raw.Services.V) {
			break // added by Rewrite, against its word
		}
		r := b.raw.Services.V[i].V.V
		for _, k := range []struct {
			check func(kind.Spec) error
			spec  kind.Spec
			told  at[spec]
		}{{c.Launcher, v.Launcher, r.Launcher}, {c.Endpoint, v.Endpoint, r.Endpoint}, {c.Workload, v.Workload, r.Workload}} {
			if k.told.OK {
				b.kind(k.check, k.spec, k.told.V.at)
			}
		}
		if c.Arrivals != nil && b.loads[i] {
			b.arrivals(c.Arrivals, v.Load, r.Load.V)
		}
		for j, s := range v.Scrapes {
			if j < len(r.Scrape.V) && r.Scrape.V[j].OK {
				b.kind(c.Source, s, r.Scrape.V[j].V.at)
			}
		}
	}
}

// arrivals makes the check of a load at its levels, to the first fault.
func (b *builder) arrivals(check func(Load, float64) error, l Load, r rawLoad) {
	for i, level := range l.Levels {
		n := r.Arrivals.N
		switch {
		case r.File.N != nil: // one fault for all levels
			n = r.File.N
		case i < len(r.Levels.V):
			n = r.Levels.V[i].N
		}
		if err := check(l, level); err != nil {
			b.outside(n, err)
			return
		}
	}
}

// kind makes one check and notes its faults at n, or where they say.
func (b *builder) kind(check func(kind.Spec) error, s kind.Spec, n *node) {
	if check == nil {
		return
	}
	b.outside(n, check(s))
}

// outside notes an error of a caller's check.
func (b *builder) outside(n *node, err error) {
	if err == nil {
		return
	}
	if faults := Faults(err); len(faults) > 0 {
		b.faults = append(b.faults, faults...)
		return
	}
	b.fault(n, err.Error(), "")
}
