package docker

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/evabench/evabench/internal/supervise"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/identity"
	"github.com/evabench/evabench/services/spawn"
)

// unfit is what a container's name may not hold.
var unfit = regexp.MustCompile(`[^a-zA-Z0-9_.-]`)

// newName is a container's name, which nobody else has.
func newName(instance string) string {
	return "evabench-" + unfit.ReplaceAllString(instance, "-") + "-" + strings.ToLower(rand.Text()[:10])
}

// Launch makes one container, starts it and returns when the command that is
// attached to it runs. An image that is not here is pulled first, if Pull says so.
func (l *launcher) Launch(ctx context.Context, i services.Instance) (_ services.Service, err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	c, err := l.find()
	if err != nil {
		return nil, err
	}
	v, free, err := l.server.Begin(i)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			free()
		}
	}()
	m, warnings, err := l.obtain(ctx, c, i.Name)
	if err != nil {
		return nil, err
	}
	s := &service{launcher: l, command: c, values: v, image: m, free: free, log: l.server.Log(i)}
	if s.info, err = l.server.Info(v); err != nil {
		return nil, err
	}
	s.info.Version, s.info.Image = m.ID, m.again(l.config.Image)
	if s.faultPage, err = l.server.FaultPage(v); err != nil {
		return nil, err
	}
	if s.questions, err = l.server.Identity(v); err != nil {
		return nil, err
	}
	s.warnings = warnings
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	if page := l.server.Page(s.info); page != "" {
		return checked{s, page}, nil
	}
	return s, nil
}

// obtain finds the image, and pulls it if it is missing and may be.
func (l *launcher) obtain(ctx context.Context, c command, instance string) (m image, warnings []results.Warning, err error) {
	warn := func(code, text string) {
		warnings = append(warnings, results.Warning{Code: code, Subject: instance, Count: 1, Text: text})
	}
	name := l.config.Image
	if isLatest(name) {
		warn("image-latest", fmt.Sprintf("image %s means another one when it is next pushed; name a version, or the digest that the results tell", name))
	}
	m, err = c.image(ctx, name)
	if _, absent := errors.AsType[*absentError](err); absent && l.config.Pull == PullMissing {
		if _, err = c.taking(0).run(ctx, "pull", "--quiet", name); err == nil {
			warn("image-pulled", fmt.Sprintf("image %s was not here and was pulled", name))
			m, err = c.image(ctx, name)
		}
	}
	return m, warnings, err
}

// A service is a container, and the command that is attached to it.
type service struct {
	launcher  *launcher
	command   command
	values    *spawn.Values
	image     image
	info      results.Instance
	faultPage string // empty if there is none
	questions []identity.Question
	known     identity.Known
	log       supervise.Log
	warnings  []results.Warning
	free      func() // gives the ports back

	turn     sync.Mutex // held while it is started
	mu       sync.Mutex // guards the rest
	name     string     // the container's
	process  *supervise.Process
	past     int64  // what was counted of containers before this one
	logFault string // of a container before this one; empty if there was none
	stopped  bool   // by us, before it ended by itself
	closed   bool   // by us, at any time
}

// tidyWithin is how long Stop waits for what was killed when its context has ended.
const tidyWithin = 30 * time.Second

// start makes a container and runs it. If it fails nothing is left.
func (s *service) start(ctx context.Context) (err error) {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	name := newName(s.values.Instance.Name)
	args, warnings, err := s.launcher.create(s.values, s.image, name)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.command.remove(context.WithoutCancel(ctx), name))
		}
	}()
	// To its end, whatever becomes of ctx: the daemon would make the container also
	// when nobody waits for it any more, after we have looked for it to remove it.
	making := s.command.passing(s.launcher.config.PassEnv).taking(createWithin)
	_, said, err := making.talk(context.WithoutCancel(ctx), args...)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if said != "" {
		warnings = append(warnings, results.Warning{
			Code: "container-warning", Subject: s.values.Instance.Name, Count: 1, Text: s.command.name + " create: " + strings.Join(strings.Fields(said), " "),
		})
	}
	p, err := supervise.Start(ctx, s.order(name))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		s.warnings = append(s.warnings, warnings...)
	} else {
		s.past += outOfMemory(s.process)
		e, _ := s.process.Exit()
		s.logFault = cmp.Or(s.logFault, e.LogFault)
	}
	s.name, s.process = name, p
	return nil
}

// order runs a container that was made, and removes it when it has ended or the
// command that is attached to it has.
func (s *service) order(name string) supervise.Order {
	c := s.command.path
	return supervise.Order{
		Argv: []string{c, "start", "--attach", name}, Env: spawn.WithoutSecrets(os.Environ(), nil), Log: s.log,
		Signal: s.launcher.server.Signal, Grace: s.launcher.config.Stop.Grace,
		Elsewhere: true,
		After:     [][]string{{c, "inspect", stateFormat, name}, {c, "rm", "--force", "--volumes", name}},
	}
}

// The places of the commands of [supervise.Order.After].
const (
	afterInspect = 0
	afterRemove  = 1
)

// Info tells the addresses. Version is the image's ID, and what the server said.
func (s *service) Info() results.Instance {
	info := s.info
	info.Version = s.known.Version(info.Version)
	return info
}

// Warnings is what was seen at launch.
func (s *service) Warnings() []results.Warning {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.warnings)
}

// LogTail gives the log's file and its last lines.
func (s *service) LogTail() (file string, last []string) {
	return s.log.Path, supervise.Tail(s.log.Path)
}

// LogFault tells why the log has gaps.
func (s *service) LogFault() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, _ := s.process.Exit()
	return cmp.Or(s.logFault, e.LogFault)
}

// current is the container of now, and the process attached to it.
func (s *service) current() (string, *supervise.Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.name, s.process
}

// Stop ends the container and waits until it is removed or ctx ends; then it is
// killed and an error may be returned.
func (s *service) Stop(ctx context.Context) error {
	s.turn.Lock()
	s.mu.Lock()
	name, p := s.name, s.process
	if _, ended := p.Exit(); !ended {
		s.stopped = true
	}
	s.closed = true
	s.mu.Unlock()
	s.turn.Unlock()
	if err := p.Stop(ctx); err != nil {
		// What was killed is still to be removed.
		select {
		case <-p.Gone():
		case <-time.After(tidyWithin):
			return err
		}
	}
	if e, _ := p.Exit(); !removed(e) {
		// The supervisor has ended too early, or could not remove it.
		if err := s.command.remove(context.WithoutCancel(ctx), name); err != nil {
			return fmt.Errorf("container %s is left: %w", name, err)
		}
	}
	s.free()
	return nil
}

// removed reports whether the supervisor has removed the container.
func removed(e supervise.Exit) bool {
	return len(e.After) > afterRemove && (e.After[afterRemove].Fault == "" || isGone(e.After[afterRemove].Fault))
}

// Err tells how the container ended by itself.
func (s *service) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ended := s.process.Exit()
	if !ended || s.stopped {
		return nil
	}
	return exitError(e, s.name, s.log.Path)
}

// exitError tells how a container ended: what the daemon says of it goes over
// what the attached command's exit says.
func exitError(e supervise.Exit, name, log string) *services.ExitError {
	x := &services.ExitError{Status: e.Status, Signal: e.Signal, OOM: e.OOM, Fault: e.Fault, LogFile: log, Log: e.Tail, LogFault: e.LogFault}
	if e.Fault != "" {
		return x // the supervisor's end; nobody has asked the daemon
	}
	st, err := stateOf(e)
	if err != nil {
		x.Fault = fmt.Sprintf("how container %s ended is not known: %v", name, err)
		return x
	}
	x.Signal = 0
	switch {
	case st.Error != "":
		x.Status, x.Fault = -1, "the container did not start: "+advise(st.Error)
	case st.Running:
		x.Status, x.Fault = -1, fmt.Sprintf("the command attached to container %s ended while that ran on; it was removed", name)
	default:
		x.Status = st.ExitCode
	}
	if st.OOMKilled {
		x.OOM = strings.TrimSuffix("the kernel killed within the container's bound of memory (OOMKilled); "+x.OOM, "; ")
	}
	return x
}

// stateOf is the container's state when the attached command had ended.
func stateOf(e supervise.Exit) (st state, err error) {
	if len(e.After) <= afterInspect {
		return st, errors.New("it was not asked for")
	}
	told := e.After[afterInspect]
	if told.Fault != "" {
		return st, errors.New(told.Fault)
	}
	return st, json.Unmarshal([]byte(told.Output), &st)
}

// Identify asks the server whether it is what the configuration asks for; without
// questions it is.
func (s *service) Identify(ctx context.Context) error {
	if len(s.questions) == 0 {
		return nil
	}
	return s.known.Ask(ctx, s.launcher.server.Of(s.info), s.questions)
}

// checked is a service with a page that tells whether it is up.
type checked struct {
	*service
	page string
}

// Check asks the page once.
func (c checked) Check(ctx context.Context) error { return c.launcher.server.Ask(ctx, c.info, c.page) }
