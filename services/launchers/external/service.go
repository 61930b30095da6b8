package external

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"sync"
	"syscall"
	"time"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/identity"
	"github.com/evabench/evabench/services/spawn"
)

// A service is a server that runs already.
type service struct {
	info      results.Instance
	pages     *spawn.Server // says how the pages of questions are reached
	questions []identity.Question
	known     identity.Known

	crash, revive *command
	about         call // of those

	acting sync.Mutex // one crash, start or stop at a time

	mu      sync.Mutex // guards the rest
	ended   error      // nil while it runs
	down    bool       // ended by us and not started again
	stopped bool
}

// Info tells the addresses, and what the server said of itself.
func (s *service) Info() results.Instance {
	info := s.info
	info.Version = s.known.Version("")
	return info
}

// Err tells that the crash command ended the server.
func (s *service) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// Stop leaves the server as it is; one that the crash command ended is started
// again first, which the command's own timeout bounds: the servers are not ours,
// and none is left down for want of our time.
func (s *service) Stop(ctx context.Context) error {
	s.acting.Lock()
	defer s.acting.Unlock()
	s.mu.Lock()
	s.stopped = true
	down := s.down
	s.mu.Unlock()
	if !down {
		return nil
	}
	if err := s.revive.run(context.WithoutCancel(ctx), s.about); err != nil {
		return fmt.Errorf("%s was ended and is not started again: %w", s.info.Name, err)
	}
	s.mu.Lock()
	s.down = false
	s.mu.Unlock()
	return nil
}

// identified is a service with questions.
type identified struct{ *service }

// Identify asks them.
func (s identified) Identify(ctx context.Context) error {
	return s.known.Ask(ctx, s.pages.Of(s.info), s.questions)
}

// mortal is a service with commands that end it and start it again.
type mortal struct{ *service }

// Crashes lists the one way: what the command does.
func (mortal) Crashes() []string { return []string{services.CrashKill} }

// Crash runs the crash command, and waits until no connection is accepted any
// more.
func (s mortal) Crash(ctx context.Context, how string) error {
	if how != services.CrashKill {
		return fmt.Errorf("crash %s: no way %q is known; known: %s", s.info.Name, how, services.CrashKill)
	}
	s.acting.Lock()
	defer s.acting.Unlock()
	if err := s.Err(); err != nil {
		return fmt.Errorf("crash %s: it has ended already: %w", s.info.Name, err)
	}
	if err := s.crash.startable(s.about); err != nil {
		return err
	}
	s.mu.Lock()
	stopped := s.stopped
	s.down = !stopped // also if the command fails: nobody knows what it did
	s.mu.Unlock()
	if stopped {
		return fmt.Errorf("crash %s: it was stopped", s.info.Name)
	}
	if err := s.crash.run(ctx, s.about); err != nil {
		return err
	}
	if err := refused(ctx, s.info.URL, dial); err != nil {
		return fmt.Errorf("crash of %s: the command ended well, but %w", s.info.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = errors.New("its crash command ended it, as asked")
	return nil
}

// Revive runs the revive command. Whether the server answers is found by a
// request.
func (s mortal) Revive(ctx context.Context) error {
	s.acting.Lock()
	defer s.acting.Unlock()
	s.mu.Lock()
	down, stopped := s.down, s.stopped
	s.mu.Unlock()
	switch {
	case stopped:
		return fmt.Errorf("revive %s: it was stopped", s.info.Name)
	case !down:
		return fmt.Errorf("revive %s: it has not ended", s.info.Name)
	}
	if err := s.revive.run(ctx, s.about); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended, s.down = nil, false
	return nil
}

// identifiedMortal is a service with both.
type identifiedMortal struct{ mortal }

// Identify asks the questions.
func (s identifiedMortal) Identify(ctx context.Context) error {
	return identified{s.service}.Identify(ctx)
}

// refusedWithin is how long a server may still accept connections when its crash
// command has ended.
const refusedWithin = 10 * time.Second

// refused waits until a server refuses a connection. Any other fault says nothing of the
// server: we may have no descriptor, or the network no way.
func refused(ctx context.Context, server string, dial func(context.Context, string) (net.Conn, error)) error {
	limited, cancel := context.WithTimeout(ctx, refusedWithin)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	last := "none was answered"
	for {
		c, err := dial(limited, server)
		switch {
		case err == nil:
			last = "the last was accepted"
			if err := c.Close(); err != nil {
				return err
			}
		case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET):
			return nil
		case limited.Err() == nil: // else it may be of that
			last = "the last: " + err.Error()
		}
		select {
		case <-limited.Done():
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("%s does not refuse connections %s later (%s); does the command end this server, and does nothing start it at once?",
				server, refusedWithin, last)
		case <-again.C:
		}
	}
}

// dial connects to the server of a URL.
func dial(ctx context.Context, server string) (net.Conn, error) {
	u, err := url.Parse(server) // New has read it before
	if err != nil {
		return nil, err
	}
	port := u.Port()
	if port == "" {
		port = u.Scheme // the port's name
	}
	d := net.Dialer{Timeout: probeWithin}
	return d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
}

// instanceVariables are what the commands of one instance are told of it.
func instanceVariables(i services.Instance, info results.Instance) map[string]string {
	variables := map[string]string{
		"EVABENCH_SERVICE": i.Service, "EVABENCH_INSTANCE": i.Name, "EVABENCH_INDEX": fmt.Sprint(i.Index),
		"EVABENCH_URL": info.URL, "EVABENCH_DEVICE": info.Device,
	}
	workers := map[string]string{}
	for _, m := range i.Models {
		workers[m.Name] = fmt.Sprint(m.Workers)
	}
	addVariables(variables, "EVABENCH_WORKERS_", workers)
	addVariables(variables, "EVABENCH_PARAMS_", maps.Clone(i.Params))
	return variables
}
