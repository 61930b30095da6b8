package analysis

import (
	"cmp"
	"iter"
	"slices"

	"github.com/evabench/evabench/results"
)

// A session is what is known of one session of a service: Due of its first call, and
// Done of the last. None is its Last that failed, or was cut, while a call of it waited
// to be retried; the step has waited for it all the same, so that it ended with the
// latest of its samples.
type session struct {
	start, end results.Offset
	told       bool // by a Last
}

// A sessionTable has a service's sessions by their number. The zero value is empty.
type sessionTable struct {
	// list has those of numbers from 0 on, as they are counted; those that leave many out,
	// as no load generator's do, are in rest.
	list []session
	rest map[int64]*session
	// known counts the sessions of which there are samples.
	known int
}

// unknownSession is one of which there is no sample yet.
var unknownSession = session{start: results.NoOffset, end: results.NoOffset}

// at gives a session to change, made if there is none; it is for use until the next call.
func (t *sessionTable) at(number int64) *session {
	if s := t.rest[number]; s != nil {
		return s
	}
	if number >= 0 && number < int64(len(t.list)) && t.list[number] != unknownSession {
		return &t.list[number]
	}
	t.known++
	if number >= 0 && number <= int64(4*t.known+1000) {
		for int64(len(t.list)) <= number {
			t.list = append(t.list, unknownSession)
		}
		return &t.list[number]
	}
	if t.rest == nil {
		t.rest = map[int64]*session{}
	}
	s := new(unknownSession)
	t.rest[number] = s
	return s
}

// all gives those of which there are samples.
func (t *sessionTable) all() iter.Seq[session] {
	return func(yield func(session) bool) {
		for _, s := range t.list {
			if s != unknownSession && !yield(s) {
				return
			}
		}
		for _, s := range t.rest {
			if !yield(*s) {
				return
			}
		}
	}
}

// sortSessions puts sessions in the order of their end, and those of one in that of their
// start.
func sortSessions(list []session) {
	slices.SortFunc(list, func(a, b session) int { return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.start, b.start)) })
}
