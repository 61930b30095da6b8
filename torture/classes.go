package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// A class is one way for things to go wrong.
type class struct {
	name, about string // as -classes selects it; what is done
	few, many   int    // faults tried in CI, in make long
	// try tries n faults, the first with the bed's seed, the next with the next.
	// The error is that the class could not be tried at all.
	try func(ctx context.Context, b *bed, n int) (tally, error)
}

// A tally is what became of the faults of a class.
type tally struct {
	tried, survived     int
	requests, accounted int64    // that were made, that the results account for; both 0 where a class makes none
	left                []string // what was left behind: processes, locks, sockets, temporary files
	faults              []string // what did not survive, one line each, with the seed that makes it again
}

// add counts one fault that was tried; it survived if nothing is said against it.
func (t *tally) add(seed uint64, faults ...string) {
	t.tried++
	if len(faults) == 0 {
		t.survived++
		return
	}
	t.faults = append(t.faults, fmt.Sprintf("seed %d: %s", seed, strings.Join(faults, "; ")))
}

// classes are all classes, by name.
func classes() []class {
	return []class{
		{"hostile", "answers of every wrong kind, one in twenty, to every kind of endpoint under load", 500, 5000, tryHostile},
		ends, kill,
		corrupt, soak,
		disks, clockwork,
	}
}

// known lists the names of classes.
func known(all []class) string {
	var names []string
	for _, c := range all {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}

// chosen gives the classes of a list of names, all of an empty one.
func chosen(names string) ([]class, error) {
	all := classes()
	if names == "" {
		return all, nil
	}
	var list []class
	for name := range strings.SplitSeq(names, ",") {
		at := slices.IndexFunc(all, func(c class) bool { return c.name == name })
		if at < 0 {
			return nil, fmt.Errorf("unknown class %q; known: %s", name, known(all))
		}
		list = append(list, all[at])
	}
	return list, nil
}
