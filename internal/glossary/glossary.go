// Package glossary explains the words of evabench's scenarios, results and help, and
// those of NVIDIA's and of queueing that they rest on.
package glossary

import (
	"slices"
	"strings"
)

// A Term is one word and what it means.
type Term struct {
	Name string
	Also []string // other names of the same
	// Text is plain sentences in one line, with units and, of a formula, its source.
	Text string
	See  []string // names of Terms to read next
}

// A Group is the words of one subject.
type Group struct {
	Name  string
	Terms []Term
}

// Groups gives every word, by subject. What it returns is shared: leave it as it is.
func Groups() []Group { return groups }

var groups = []Group{
	{"GPUs and how they are shared", sharing},
	{"what a sweep is made of", sweep},
	{"load", load},
	{"what becomes of a request", outcomes},
	{"times and rates", figures},
	{"queues", queues},
	{"verdicts and searches", verdicts},
	{"comparing", comparing},
}

// Find gives the Term of a name, however it is spelled in capitals, spaces, hyphens and
// underscores.
func Find(name string) (Term, bool) {
	for t := range terms {
		if slices.ContainsFunc(t.names(), func(n string) bool { return plain(n) == plain(name) }) {
			return t, true
		}
	}
	return Term{}, false
}

// Near gives names that may have been meant by one that is unknown: those that begin like
// it or hold it, and those that differ in few letters. It may be empty.
func Near(name string) []string {
	want := plain(name)
	if want == "" {
		return nil
	}
	var near []string
	for t := range terms {
		if slices.ContainsFunc(t.names(), func(n string) bool {
			n = plain(n)
			return len(want) > 2 && strings.Contains(n, want) || distance(want, n) <= (len(want)+1)/4
		}) {
			near = append(near, t.Name)
		}
	}
	return near
}

// terms goes over every Term.
func terms(yield func(Term) bool) {
	for _, g := range groups {
		for _, t := range g.Terms {
			if !yield(t) {
				return
			}
		}
	}
}

// names are all that a Term is called.
func (t Term) names() []string { return append([]string{t.Name}, t.Also...) }

// plain is a name without what people spell differently.
func plain(name string) string {
	return strings.NewReplacer(" ", "", "-", "", "_", "", "'", "").Replace(strings.ToLower(name))
}

// distance is Levenshtein's, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
