package main

import (
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"github.com/prometheus/procfs"

	"github.com/evabench/evabench/results"
)

// tables gives the tables in Markdown.
func (b *bench) tables(began time.Time) string {
	var p strings.Builder
	fmt.Fprintf(&p, "Machine: %s; client on processor %d, server on %d. %s, %d repetitions, %s in all.\n\n",
		machine(), b.clientCPU, b.serverCPU,
		began.UTC().Format("2006-01-02"), b.repetitions, time.Since(began).Round(time.Second))
	var versions []string
	for _, c := range b.clients {
		if c.name == floorName {
			continue
		}
		versions = append(versions, strings.TrimSpace(c.name+" ("+strings.TrimPrefix(strings.TrimPrefix(c.version, c.name+" "), "version ")+")"))
	}
	fmt.Fprintf(&p, "Clients: %s. Cells are medians [least–most].\n", strings.ReplaceAll(strings.Join(versions, "; "), " ()", ""))
	if b.quick {
		p.WriteString("\nA quick look: one short repetition each; not for comparison.\n")
	}
	for _, g := range b.groups {
		fmt.Fprintf(&p, "\n### %s\n\n", g.title)
		switch {
		case g.streams > 0:
			b.printStreams(&p, g)
		case g.name == stalls:
			b.printStalls(&p, g)
		case g.rate > 0:
			b.printOpen(&p, g)
		default:
			b.printClosed(&p, g)
		}
		printFaults(&p, g, b.clients)
	}
	return p.String()
}

// machine tells the processor, the memory and the kernel, as far as they are known.
func machine() string {
	var all []string
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return "unknown"
	}
	if cpus, err := fs.CPUInfo(); err == nil && len(cpus) > 0 {
		all = append(all, cpus[0].ModelName, fmt.Sprintf("%d processors", len(cpus)))
	}
	if m, err := fs.Meminfo(); err == nil && m.MemTotalBytes != nil {
		all = append(all, fmt.Sprintf("%.0f GiB", float64(*m.MemTotalBytes)/(1<<30)))
	}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		all = append(all, "Linux "+strings.TrimSpace(string(kernel)))
	}
	return strings.Join(all, ", ")
}

// rows calls f for each client that did the group.
func (b *bench) rows(g group, f func(name string, all []reading)) {
	for _, c := range b.clients {
		if all := g.readings[c.name]; len(all) > 0 {
			f(c.name, all)
		}
	}
}

// of gives the spread of one figure.
func of(all []reading, figure func(reading) float64) spread {
	var v []float64
	for _, r := range all {
		v = append(v, figure(r))
	}
	return spreadOf(v)
}

// told gives a spread, scaled.
func (s spread) told(format string, scale float64) string {
	if s.n == 0 {
		return "–"
	}
	text := fmt.Sprintf(format, s.median*scale)
	if s.n > 1 {
		text += fmt.Sprintf(" ["+format+"–"+format+"]", s.low*scale, s.top*scale)
	}
	return text
}

// ratio gives the median over repetitions of ours over theirs, pair by pair.
func ratio(ours, theirs []reading, figure func(reading) float64) string {
	var v []float64
	for i := range min(len(ours), len(theirs)) {
		v = append(v, figure(ours[i])/figure(theirs[i]))
	}
	return spreadOf(v).told("%.2f", 1)
}

func perSecond(r reading) float64 { return r.perSecond }
func cpu(r reading) float64       { return r.cpu }
func peak(r reading) float64      { return r.peak }
func others(r reading) float64    { return r.others }
func stolen(r reading) float64    { return r.stolen }

func (b *bench) printClosed(p *strings.Builder, g group) {
	p.WriteString("| client | req/s | evabench / it | CPU µs a request | its / evabench's | peak MiB | others' CPU % | stolen % |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	ours := g.readings["evabench"]
	b.rows(g, func(name string, all []reading) {
		fmt.Fprintf(p, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", name, of(all, perSecond).told("%.0f", 1), ratio(ours, all, perSecond),
			of(all, cpu).told("%.1f", 1e6), ratio(all, ours, cpu), of(all, peak).told("%.0f", 1.0/(1<<20)), of(all, others).told("%.0f", 100), of(all, stolen).told("%.1f", 100))
	})
}

func (b *bench) printOpen(p *strings.Builder, g group) {
	p.WriteString("| client | achieved/s | late p50 µs | p99 µs | max µs | CPU µs a request | connections | peak MiB | others' CPU % | stolen % |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	late := func(f func(results.RateLateness) time.Duration) func(reading) float64 {
		return func(r reading) float64 {
			// Who does not hold the rate is late by more and more.
			if r.late.N == 0 || math.Abs(r.late.Achieved/float64(g.rate)-1) > 0.01 {
				return math.NaN()
			}
			return f(r.late).Seconds()
		}
	}
	b.rows(g, func(name string, all []reading) {
		fmt.Fprintf(p, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", name, of(all, perSecond).told("%.1f", 1),
			of(all, late(func(l results.RateLateness) time.Duration { return l.P50 })).told("%.1f", 1e6),
			of(all, late(func(l results.RateLateness) time.Duration { return l.P99 })).told("%.1f", 1e6),
			of(all, late(func(l results.RateLateness) time.Duration { return l.Max })).told("%.0f", 1e6),
			of(all, cpu).told("%.1f", 1e6), of(all, func(r reading) float64 { return r.connections }).told("%.0f", 1),
			of(all, peak).told("%.0f", 1.0/(1<<20)), of(all, others).told("%.0f", 100), of(all, stolen).told("%.1f", 100))
	})
	p.WriteString("\nLateness: a request's first bytes at the server, by the kernel's stamp, minus its due time; for the others, which do not tell it, " +
		"minus the even grid that fits them best (a constant delay does not count). " + floorName + ": how late a thread wakes up that sleeps to " +
		"the same moments and does nothing else: what the machine allows. – where the rate was missed by more than 1 %.\n")
}

func (b *bench) printStreams(p *strings.Builder, g group) {
	p.WriteString("| client | tokens/s | tokens lost | cores | stamp error p50 µs | p99 µs | max µs | peak MiB | others' CPU % | stolen % |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	s := func(f func(*results.StreamRoof) float64) func(reading) float64 {
		return func(r reading) float64 {
			if r.streams == nil {
				return math.NaN()
			}
			return f(r.streams)
		}
	}
	b.rows(g, func(name string, all []reading) {
		fmt.Fprintf(p, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", name,
			of(all, s(func(r *results.StreamRoof) float64 { return r.PerSecond })).told("%.0f", 1),
			of(all, s(func(r *results.StreamRoof) float64 { return float64(r.Lost) })).told("%.0f", 1),
			of(all, s(func(r *results.StreamRoof) float64 { return r.Cores })).told("%.2f", 1),
			of(all, s(func(r *results.StreamRoof) float64 { return r.ErrorP50.Seconds() })).told("%.1f", 1e6),
			of(all, s(func(r *results.StreamRoof) float64 { return r.ErrorP99.Seconds() })).told("%.1f", 1e6),
			of(all, s(func(r *results.StreamRoof) float64 { return r.ErrorMax.Seconds() })).told("%.0f", 1e6),
			of(all, peak).told("%.0f", 1.0/(1<<20)), of(all, others).told("%.0f", 100), of(all, stolen).told("%.1f", 100))
	})
	p.WriteString("\nStamp error: the client's stamp of a token minus when the server sent it, which stands in the token. The others stamp no tokens.\n")
}

func (b *bench) printStalls(p *strings.Builder, g group) {
	p.WriteString("| client | p50 ms | p99 ms | p99.9 ms | furthest from the truth |\n| --- | --- | --- | --- | --- |\n")
	real := truth(g)
	fmt.Fprintf(p, "| truth | %.1f | %.1f | %.1f | |\n", real[0.5]*1e3, real[0.99]*1e3, real[0.999]*1e3)
	b.rows(g, func(name string, all []reading) {
		fmt.Fprintf(p, "| %s |", name)
		for _, q := range told {
			fmt.Fprintf(p, " %s |", of(all, func(r reading) float64 { return quantile(r, q) }).told("%.1f", 1e3))
		}
		off := of(all, func(r reading) (most float64) {
			for _, q := range told {
				most = max(most, math.Abs(quantile(r, q)/real[q]-1)) // NaN stays
			}
			return most
		})
		fmt.Fprintf(p, " %s %% |\n", off.told("%.1f", 100))
	})
	p.WriteString("\nThe clients ran side by side, each with a server of its own that takes " + g.server.Delay.String() + " for an answer.\n")
}

func quantile(r reading, q float64) float64 {
	if v, ok := r.quantiles[q]; ok {
		return v
	}
	return math.NaN()
}

// printFaults tells what went wrong, so that no figure stands for more than it is.
func printFaults(p *strings.Builder, g group, clients []client) {
	for _, c := range clients {
		for i, r := range g.readings[c.name] {
			if r.fault != "" {
				fmt.Fprintf(p, "\n%s, repetition %d: %s\n", c.name, i+1, r.fault)
			}
			if r.lost != 0 {
				fmt.Fprintf(p, "\n%s, repetition %d: %d requests without a sample or an arrival\n", c.name, i+1, r.lost)
			}
		}
	}
}
