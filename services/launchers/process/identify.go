package process

import (
	"context"

	"github.com/evabench/evabench/services/identity"
)

// Names lists the names of the templates that stand for a configuration's values.
func (l *launcher) Names() []string { return l.server.Names() }

// Reaches reports whether argv, env, folder, url or a page holds a name.
func (l *launcher) Reaches(name string) bool { return l.server.Reaches(name) }

// Scrapes lists the kinds of source whose pages are told.
func (l *launcher) Scrapes() []string { return l.server.Scrapes() }

// Ports are those that the instances are given.
func (l *launcher) Ports() (first, n int) { return l.server.Ports() }

// OutOfMemory counts, over all its starts, the lines of its log that tell of
// memory that ran out, and the processes that the kernel killed for it.
func (s *service) OutOfMemory() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.earlier + s.process.OutOfMemory()
}

// identified is a service with questions.
type identified struct {
	*service
	questions []identity.Question
}

// Identify asks them.
func (s identified) Identify(ctx context.Context) error {
	return s.known.Ask(ctx, s.life.launcher.server.Of(s.info), s.questions)
}

// checkedIdentified is a service with both, a page and questions.
type checkedIdentified struct {
	checked
	questions []identity.Question
}

// Identify asks the questions.
func (s checkedIdentified) Identify(ctx context.Context) error {
	return s.known.Ask(ctx, s.life.launcher.server.Of(s.info), s.questions)
}
