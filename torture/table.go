package main

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A row is a class and what became of it.
type row struct {
	class
	tally
	n    int // faults that were to be tried
	took time.Duration
	err  error // it could not be tried at all
}

// wrong says everything that fails a row; nothing if it is sound.
func (r row) wrong() []string {
	var all []string
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if r.err != nil {
		say("could not be tried: %v", r.err)
	} else if r.tried < r.n {
		say("%d faults tried, %d were to be", r.tried, r.n)
	}
	if r.survived < r.tried {
		say("%d of %d faults survived", r.survived, r.tried)
	}
	if r.accounted != r.requests {
		say("%d requests made, %d accounted for", r.requests, r.accounted)
	}
	for _, f := range r.faults {
		say("%s", f)
	}
	for _, l := range r.left {
		say("left behind: %s", l)
	}
	return all
}

// line is a row in one line, as soon as it is there.
func (r row) line() string {
	return fmt.Sprintf("%s: %d tried, %d survived, %d left behind (%s)", r.name, r.tried, r.survived, len(r.left), r.took.Round(time.Second))
}

// table is the rows as Markdown, with what is wrong below it.
func table(rows []row) string {
	var b strings.Builder
	b.WriteString("| class | what is done | faults tried | survived | requests | accounted for | left behind | time |\n")
	b.WriteString("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, r := range rows {
		requests, accounted := "", ""
		if r.requests != 0 || r.accounted != 0 {
			requests, accounted = fmt.Sprint(r.requests), fmt.Sprint(r.accounted)
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %s | %s | %d | %s |\n", r.name, r.about, r.tried, r.survived, requests, accounted, len(r.left), r.took.Round(time.Second))
	}
	for _, r := range rows {
		for _, w := range r.wrong() {
			fmt.Fprintf(&b, "\n%s: %s\n", r.name, w)
		}
	}
	return b.String()
}

// judged gives an error if a row is not sound, or if there is none.
func judged(rows []row) error {
	if len(rows) == 0 {
		return errors.New("nothing was tried")
	}
	var failed []string
	for _, r := range rows {
		if len(r.wrong()) > 0 {
			failed = append(failed, r.name)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d of %d classes failed: %s", len(failed), len(rows), strings.Join(failed, ", "))
	}
	return nil
}
