// Package kind builds things that come in kinds (endpoints, sources, backends,
// launchers, routers, workloads) from what a scenario says of them. Each family
// keeps one sorted list of its kinds; nothing registers itself.
package kind

import (
	"fmt"
	"slices"
)

// A Spec names a kind and carries its arguments.
type Spec struct {
	// Name is the kind's name, as users type it.
	Name string
	// Decode writes the arguments over the values in into, a pointer to the
	// kind's Config, strictly: an unknown argument is an error that says
	// where it stands. Nil means no arguments.
	Decode func(into any) error
}

// A Kind knows how to make a T from a Spec.
type Kind[T any] struct {
	Name string // as users type it
	Doc  string // one line for help
	// Config is the defaults of the arguments, for help and schemas.
	Config any
	build  func(Spec) (T, error)
}

// New makes a kind whose arguments are a C. Build gets the defaults
// overwritten by what the scenario says, and must check the values before it
// has any side effect.
func New[C, T any](name, doc string, defaults C, build func(C) (T, error)) Kind[T] {
	return Kind[T]{Name: name, Doc: doc, Config: defaults, build: func(s Spec) (T, error) {
		config := defaults
		if s.Decode != nil {
			if err := s.Decode(&config); err != nil {
				var zero T
				return zero, err
			}
		}
		return build(config)
	}}
}

// A Set is a family's kinds, sorted by name. It is read only.
type Set[T any] []Kind[T]

// Build makes the T that spec names, or says which kinds are known and which was probably meant.
func (s Set[T]) Build(spec Spec) (T, error) {
	for _, k := range s {
		if k.Name == spec.Name {
			return k.build(spec)
		}
	}
	var zero T
	return zero, fmt.Errorf("unknown kind %q; %s", spec.Name, Known(spec.Name, s.Names()))
}

// Names lists the kinds' names in the set's order.
func (s Set[T]) Names() []string {
	names := make([]string, len(s))
	for i, k := range s {
		names[i] = k.Name
	}
	return names
}

// Has reports whether the set knows name.
func (s Set[T]) Has(name string) bool { return slices.Contains(s.Names(), name) }
