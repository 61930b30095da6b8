package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/sim/model"
)

// A corpse is an instance that was made to end: what is needed to start it
// again where it was.
type corpse struct {
	request  startRequest
	info     results.Instance
	finished int64 // what it had answered
	took     time.Duration
	held     []*heldPort
}

// A crashRequest asks that an instance ends as by a fault.
type crashRequest struct {
	How string `json:"how"` // services.CrashKill or services.CrashFault
}

// crash ends an instance, and by a fault under MPS every other client of its
// device's daemon, and gives the names of those that ended. s.mu is held.
//
// A fatal fault of one client of MPS is reported to all clients that are on the
// same GPU, which can do no more then than end (NVIDIA, Multi-Process Service,
// error containment on Volta and newer). Without MPS a fault is its process' own.
//
// Simplification: NVIDIA warns that a client which is killed while its kernels
// run may leave the MPS server and the other clients in an undefined state. Here
// the others always go on, as after a kill without MPS.
func (s *server) crash(name, how string) (ended []string, err error) {
	i, ok := s.instances[name]
	switch {
	case !ok:
		return nil, fmt.Errorf("crash %s: no such instance", name)
	case how != services.CrashKill && how != services.CrashFault:
		return nil, fmt.Errorf("crash %s: %q is no way to end it; known: %v", name, how, crashes)
	}
	ended = []string{name}
	if how == services.CrashFault && i.mps != nil {
		for _, other := range slices.Sorted(maps.Keys(s.instances)) {
			if o := s.instances[other]; other != name && o.mps != nil && o.device == i.device {
				ended = append(ended, other)
			}
		}
	}
	for _, name := range ended {
		err = errors.Join(err, s.bury(name))
	}
	if err != nil {
		return nil, fmt.Errorf("crash %s: %w", name, err)
	}
	return ended, nil
}

// crashes are the ways in which a simulated instance can end.
var crashes = []string{services.CrashFault, services.CrashKill}

// bury ends an instance and keeps what it takes to start it again.
func (s *server) bury(name string) error {
	i := s.instances[name]
	c := &corpse{request: i.request, info: i.info}
	err := s.driver.do(func(*model.World) {
		if i.served != nil {
			c.finished, c.took = i.served.finished, i.served.took
		}
	})
	delete(s.instances, name)
	err = errors.Join(err, s.release(i))
	for _, l := range i.listeners {
		held, holdErr := holdPort(l.address)
		err = errors.Join(err, holdErr)
		c.held = append(c.held, held)
	}
	s.corpses[name] = c
	return err
}

// revive starts an instance that was made to end, at its addresses. s.mu is
// held.
func (s *server) revive(name string) (results.Instance, error) {
	c, ok := s.corpses[name]
	if !ok {
		return results.Instance{}, fmt.Errorf("start %s again: it was not made to end", name)
	}
	delete(s.corpses, name)
	info, err := s.launchAt(c.request, c.held)
	if err != nil {
		s.corpses[name] = c
		return info, err
	}
	if i := s.instances[name]; i.served != nil {
		err = s.driver.do(func(*model.World) {
			i.served.finished += c.finished
			i.served.took += c.took
		})
	}
	c.release()
	return info, err
}

// release gives an instance's ports back.
func (c *corpse) release() {
	for _, h := range c.held {
		h.release()
	}
}

// A heldPort is an address that nobody listens at and nobody else may have: the
// kernel would give it to a connection, also to one that is made to this very
// address.
type heldPort struct {
	address string
	file    int
}

// holdPort binds an address, where connections are refused all the same.
func holdPort(address string) (*heldPort, error) {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	file, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	// A listener of package net has this too, and so may bind beside us.
	err = syscall.SetsockoptInt(file, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err == nil {
		err = syscall.Bind(file, &syscall.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().Unmap().As4()})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("hold %s: %w", address, err), syscall.Close(file))
	}
	return &heldPort{address, file}, nil
}

// release is called once.
func (h *heldPort) release() {
	if h != nil {
		syscall.Close(h.file) // nothing was written
	}
}

// mortal is what ended of a machine's instances by a crash. It is safe for
// concurrent use.
type mortal struct {
	mu    sync.Mutex
	ended map[string]*services.ExitError // by name
}

// bury notes who ended with an instance.
func (m *mortal) bury(ended []string, how string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended == nil {
		m.ended = map[string]*services.ExitError{}
	}
	for i, name := range ended {
		switch {
		case how == services.CrashKill:
			m.ended[name] = &services.ExitError{Status: -1, Signal: syscall.SIGKILL}
		case i == 0:
			m.ended[name] = &services.ExitError{Status: -1, Fault: "a fault on its device (simulated)"}
		default:
			m.ended[name] = &services.ExitError{Status: -1,
				Fault: fmt.Sprintf("the fault of %s, whose MPS daemon it shares (simulated)", ended[0])}
		}
	}
}

// revived forgets an end.
func (m *mortal) revived(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.ended, name)
}

// of tells how an instance was ended; nil if it was not.
func (m *mortal) of(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.ended[name]; ok {
		return e
	}
	return nil
}

// Crashes lists the ways in which the launcher's instances can be made to end.
func (l *launcher) Crashes() []string { return slices.Clone(crashes) }

// Crashes lists the ways in which the instance can be made to end.
func (s *service) Crashes() []string { return slices.Clone(crashes) }

// Crash ends the instance; by a fault under MPS those that share its daemon
// end too.
func (s *service) Crash(ctx context.Context, how string) error {
	if err := s.Err(); err != nil {
		return fmt.Errorf("it has ended already: %w", err)
	}
	var ended []string
	path := "/instances/" + url.PathEscape(s.info.Name) + "/crash"
	if err := s.machine.control.call(ctx, http.MethodPost, path, crashRequest{how}, &ended); err != nil {
		return err
	}
	s.machine.mortal.bury(ended, how)
	return nil
}

// Revive starts the instance anew at its addresses: its model is loaded, and
// its caches are empty. Simplification: loading takes no time.
func (s *service) Revive(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	path := "/instances/" + url.PathEscape(s.info.Name) + "/revive"
	if err := s.machine.control.call(ctx, http.MethodPost, path, nil, nil); err != nil {
		return err
	}
	s.machine.mortal.revived(s.info.Name)
	return nil
}
