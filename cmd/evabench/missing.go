package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"github.com/evabench/evabench/internal/listening"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/services"
)

// probe asks, before anything is changed or written, whether the services that
// should run already are there.
func probe(ctx context.Context, all []runner.Service) error {
	var faults []error
	for _, svc := range all {
		if p, ok := svc.Launcher.(services.Probed); ok {
			for _, err := range each(p.Probe(ctx)) {
				faults = append(faults, fmt.Errorf("service %s: %w", svc.Name, missing(svc, err)))
			}
		}
	}
	return errors.Join(faults...)
}

// missing adds to a fault of [services.Probed] what to do about it.
func missing(svc runner.Service, err error) error {
	if e, ok := errors.AsType[*services.UnreachableError](err); ok {
		return fmt.Errorf("%w; see whether it runs: %s; or correct %s", err, runner.Curl(pageOf(svc, e.URL)), svc.Key("launcher.instances"))
	}
	if e, ok := errors.AsType[*services.PortTakenError](err); ok {
		return taken(netip.AddrPortFrom(netip.Addr{}, uint16(e.Port)), fmt.Sprintf("change %s (without it free ports are found)", svc.Key("launcher.port")))
	}
	return err
}

// pageOf is what a person gets to see whether a server is there.
func pageOf(svc runner.Service, url string) string {
	if svc.Dialer == nil {
		return url
	}
	e, err := svc.Dialer.Dial(url)
	if err != nil {
		return url
	}
	defer e.Close()
	if p, ok := e.(loadgen.Paged); ok {
		return p.Page()
	}
	return url
}

// taken tells who keeps others from listening at an address, and what else can be done
// than to end that.
func taken(at netip.AddrPort, otherwise string) error {
	all, err := listening.Find("")
	who := listening.Takers(all, at)
	if err != nil || !slices.ContainsFunc(who, func(s listening.Socket) bool { return s.PID != 0 }) {
		return fmt.Errorf("port %d is taken; end who has it (sudo ss -ltnp 'sport = :%d' tells), or %s", at.Port(), at.Port(), otherwise)
	}
	end := "that process"
	if slices.ContainsFunc(who, func(s listening.Socket) bool { return s.PID != who[0].PID }) {
		end = "those processes"
	}
	return fmt.Errorf("%s is taken; end %s, or %s", listening.Names(who), end, otherwise)
}

// takenAt is the address of a fault of listening; not ok is another fault.
func takenAt(err error) (at netip.AddrPort, ok bool) {
	fault, is := errors.AsType[*net.OpError](err)
	if !is || !errors.Is(err, syscall.EADDRINUSE) {
		return at, false
	}
	tcp, ok := fault.Addr.(*net.TCPAddr)
	if !ok {
		return at, false
	}
	return tcp.AddrPort(), true
}

// theFlags stands for the file of a scenario that was made of flags.
const theFlags = "the flags"

// keyOf names a key of a service as whoever began the run can change it.
func keyOf(file, service string) func(string) string {
	flags := map[string]string{
		"launcher.instances": "--" + service + "-url", "models": "--" + service + "-model", "timeout": "--timeout",
	}
	if service == "agent" {
		flags["endpoint.api_key_env"] = "--agent-api-key-env"
	}
	return func(key string) string {
		if flag, ok := flags[key]; ok && file == theFlags {
			return flag
		}
		return strings.Join([]string{"services", service, key}, ".")
	}
}
