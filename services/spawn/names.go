package spawn

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/evabench/evabench/services/identity"
)

// Names lists the names in braces, sorted, each once.
func (t Template) Names() []string {
	var names []string
	for _, p := range t {
		if p.name != "" {
			names = append(names, p.name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Names lists the names of all templates that stand for a configuration's
// values, as [services.Templated] says.
func (s *Server) Names() []string {
	names := slices.DeleteFunc(slices.Clone(s.names), func(name string) bool {
		return !strings.HasPrefix(name, "params.") && !strings.HasPrefix(name, "workers.")
	})
	slices.Sort(names)
	return slices.Compact(names)
}

// Reaches reports whether a template other than those of the questions holds a
// name, as [services.Templated] says.
func (s *Server) Reaches(name string) bool { return slices.Contains(s.reached, name) }

// Scrapes lists the kinds of source whose pages Config tells, as [services.Paged] says.
func (s *Server) Scrapes() []string { return slices.Sorted(maps.Keys(s.Config.Scrapes)) }

// Ports are the ports that Config fixes, as [services.Ported] says.
func (s *Server) Ports() (first, n int) {
	if s.Config.Port == 0 {
		return 0, 0
	}
	return s.Config.Port, max(s.Config.Instances, 1) * s.width
}

// readIdentity reads the templates of the questions, and finds their faults.
func (s *Server) readIdentity(all []identity.Question) {
	reached := slices.Clone(s.reached)
	defer func() { s.reached = reached }() // a question tells the server nothing
	for i, q := range all {
		where := fmt.Sprintf("identity[%d]", i)
		if err := q.Check(); err != nil {
			s.fault("%s: %w", where, err)
		}
		// The texts are expanded anew for each instance.
		_, _ = q.Expand(func(part, text string) (string, error) {
			s.Template(where+"."+part, text)
			return "", nil
		})
	}
}

// Identity gives the questions that tell whether an instance is what its
// configuration asks for.
func (s *Server) Identity(v *Values) ([]identity.Question, error) {
	var all []identity.Question
	for i, q := range s.Config.Identity {
		q, err := q.Expand(func(_, text string) (string, error) {
			t, err := ParseTemplate(text)
			if err != nil {
				return "", err
			}
			return t.Expand(v.Of)
		})
		if err != nil {
			return nil, fmt.Errorf("identity[%d]: %w", i, err)
		}
		all = append(all, q)
	}
	return all, nil
}
