package page

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/evabench/evabench/collectors"
)

// The most that Parse takes, many times what servers tell: a page of [Limit] could hold
// thirty times as much in memory.
const (
	mostSamples = 100_000 // and as many types
	mostLabels  = 256     // of a line
	mostInAll   = 500_000 // labels of all lines
)

// Parse reads a page in Prometheus' text format 0.0.4. A page that is broken
// anywhere, that ends within a line, that names one sample twice, or that has
// no sample at all is an error; so is one with more samples or labels than any
// server has, which wraps [collectors.ErrFlood].
//
// Note: Prometheus' own parser (expfmt) takes longer and five times the
// memory (BenchmarkParse), and panics on some broken pages; TestAgainstExpfmt and
// FuzzParse hold this one against it. Names in quotes, which a server writes only if it
// is asked to, are refused.
func Parse(text []byte) (Page, error) {
	p := parser{page: make(Page), types: make(map[string]string)}
	for line := 1; len(text) > 0; line++ {
		end := bytes.IndexByte(text, '\n')
		if end < 0 {
			return nil, fmt.Errorf("parse page: line %d: unexpected end: the page was cut", line)
		}
		if err := p.line(text[:end]); err != nil {
			return nil, fmt.Errorf("parse page: line %d: %w", line, err)
		}
		text = text[end+1:]
	}
	p.halves()
	if len(p.page) == 0 {
		return nil, errors.New("parse page: it has no samples: no evidence")
	}
	if err := p.page.once(); err != nil {
		return nil, fmt.Errorf("parse page: %w", err)
	}
	return p.page, nil
}

// errFormat is a line that is none of the format's.
var errFormat = errors.New("it is not in the Prometheus text format")

// A parser holds what the lines so far have told.
type parser struct {
	page   Page
	types  map[string]string // of each family
	labels []label           // of the line at hand
	// Numbers of what is kept.
	samples, inAll int
}

// flood is the error of a page with more than the most.
func flood(most int, what string) error {
	return fmt.Errorf("it has more than %d %s: %w", most, what, collectors.ErrFlood)
}

// A label points into the line, but for a value with escapes.
type label struct{ name, value []byte }

func (p *parser) line(line []byte) error {
	line = bytes.TrimLeft(line, " \t")
	switch {
	case len(line) == 0:
		return nil
	case line[0] == '#':
		return p.comment(line[1:])
	}
	return p.sample(line)
}

// comment keeps a family's type.
func (p *parser) comment(line []byte) error {
	keyword, rest := field(line)
	family, rest := field(rest)
	if string(keyword) != "TYPE" || len(family) == 0 {
		return nil
	}
	kind, rest := field(rest)
	if len(rest) > 0 || nameEnd(family, true) != len(family) {
		return errFormat
	}
	name := string(family)
	if _, ok := p.types[name]; ok {
		return fmt.Errorf("%s has a second type", name)
	}
	switch kind := string(kind); kind {
	case "counter", "gauge", "histogram", "summary", "untyped":
		if len(p.types) == mostSamples {
			return flood(mostSamples, "types")
		}
		p.types[name] = kind
		return nil
	}
	return errFormat
}

func (p *parser) sample(line []byte) error {
	end := nameEnd(line, true)
	if end == 0 {
		return errFormat
	}
	name, rest := line[:end], bytes.TrimLeft(line[end:], " \t")
	p.labels = p.labels[:0]
	if len(rest) > 0 && rest[0] == '{' {
		var err error
		if rest, err = p.parseLabels(rest[1:]); err != nil {
			return err
		}
	}
	text, rest := field(rest)
	moment, rest := field(rest)
	value, err := number(text)
	if err != nil || len(rest) > 0 {
		return errFormat
	}
	s := Sample{Value: value}
	if len(moment) > 0 {
		ms, err := strconv.ParseInt(string(moment), 10, 64)
		if err != nil {
			return errFormat
		}
		s.At = time.UnixMilli(ms)
	}
	if p.part(name) {
		return nil
	}
	p.samples, p.inAll = p.samples+1, p.inAll+len(p.labels)
	switch {
	case p.samples > mostSamples:
		return flood(mostSamples, "samples")
	case p.inAll > mostInAll:
		return flood(mostInAll, "labels")
	}
	s.Labels = make(map[string]string, len(p.labels))
	for _, l := range p.labels {
		s.Labels[string(l.name)] = string(l.value)
	}
	p.page[string(name)] = append(p.page[string(name)], s)
	return nil
}

// part tells the lines of a histogram or summary that are not kept.
func (p *parser) part(name []byte) bool {
	if base, ok := bytes.CutSuffix(name, []byte("_bucket")); ok && p.types[string(base)] == "histogram" {
		return true
	}
	return p.types[string(name)] == "summary" || p.types[string(name)] == "histogram"
}

// field gives a text up to the next space, and what follows the spaces. Space and tab
// are the format's only ones: a form feed is a part of the text.
func field(text []byte) (first, rest []byte) {
	text = bytes.TrimLeft(text, " \t")
	end := 0
	for end < len(text) && text[end] != ' ' && text[end] != '\t' {
		end++
	}
	return text[:end], bytes.TrimLeft(text[end:], " \t")
}

// number reads a value. Go's other ways of writing one are not the format's.
func number(text []byte) (float64, error) {
	if bytes.ContainsAny(text, "pPxX_") {
		return 0, errFormat
	}
	value, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return 0, errFormat
	}
	return value, nil
}

// parseLabels reads labels up to their closing brace, and gives what follows it.
func (p *parser) parseLabels(line []byte) ([]byte, error) {
	for {
		line = bytes.TrimLeft(line, " \t")
		if len(line) > 0 && line[0] == '}' {
			return line[1:], nil
		}
		end := nameEnd(line, false)
		if end == 0 {
			return nil, errFormat
		}
		l := label{name: line[:end]}
		line = bytes.TrimLeft(line[end:], " \t")
		if len(line) == 0 || line[0] != '=' {
			return nil, errFormat
		}
		line = bytes.TrimLeft(line[1:], " \t")
		var err error
		if l.value, line, err = quoted(line); err != nil {
			return nil, err
		}
		if len(p.labels) == mostLabels {
			return nil, flood(mostLabels, "labels in a line")
		}
		for _, other := range p.labels {
			if bytes.Equal(other.name, l.name) {
				return nil, fmt.Errorf("label %s is there twice", l.name)
			}
		}
		if string(l.name) == "__name__" || !utf8.Valid(l.value) {
			return nil, errFormat
		}
		p.labels = append(p.labels, l)
		line = bytes.TrimLeft(line, " \t")
		switch {
		case len(line) > 0 && line[0] == ',':
			line = line[1:]
		case len(line) == 0 || line[0] != '}':
			return nil, errFormat
		}
	}
}

// quoted reads a value in quotes, and gives what follows it.
func quoted(line []byte) (value, rest []byte, err error) {
	if len(line) == 0 || line[0] != '"' {
		return nil, nil, errFormat
	}
	line = line[1:]
	end := 0
	for end < len(line) && line[end] != '"' && line[end] != '\\' {
		end++
	}
	if end == len(line) {
		return nil, nil, errFormat
	}
	if line[end] == '"' {
		return line[:end], line[end+1:], nil
	}
	value = append(value, line[:end]...)
	for i := end; i < len(line); i++ {
		switch c := line[i]; c {
		case '"':
			return value, line[i+1:], nil
		case '\\':
			i++
			if i == len(line) {
				return nil, nil, errFormat
			}
			switch line[i] {
			case '\\', '"':
				value = append(value, line[i])
			case 'n':
				value = append(value, '\n')
			default:
				return nil, nil, errFormat
			}
		default:
			value = append(value, c)
		}
	}
	return nil, nil, errFormat
}

// nameEnd gives where a series' or a label's name at the beginning of a text ends.
func nameEnd(text []byte, series bool) int {
	for i, c := range text {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || series && c == ':'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return i
		}
	}
	return len(text)
}

// halves drops sums without a count, counts without a sum, and those of a histogram
// whose labels do not match: what was told by half is unknown.
func (p *parser) halves() {
	for name, kind := range p.types {
		if kind != "histogram" && kind != "summary" {
			continue
		}
		sums, counts := p.page[name+"_sum"], p.page[name+"_count"]
		if len(sums) == 0 && len(counts) == 0 {
			continue
		}
		told := make(map[string]bool, len(counts))
		for _, s := range counts {
			if s.Value >= 0 && !math.IsInf(s.Value, 0) {
				told[s.key()] = true
			}
		}
		both := make(map[string]bool, len(sums))
		for _, s := range sums {
			if key := s.key(); told[key] {
				both[key] = true
			}
		}
		p.keep(name+"_sum", both)
		p.keep(name+"_count", both)
	}
}

func (p *parser) keep(name string, keys map[string]bool) {
	var kept []Sample
	for _, s := range p.page[name] {
		if keys[s.key()] {
			kept = append(kept, s)
		}
	}
	if len(kept) == 0 {
		delete(p.page, name)
		return
	}
	p.page[name] = kept
}

// key is the same for two samples of a name whose labels are the same.
func (s Sample) key() string {
	switch len(s.Labels) {
	case 0:
		return ""
	case 1:
		for name, value := range s.Labels {
			return name + "=" + strconv.Quote(value)
		}
	}
	return strings.Join(s.sorted(), ",")
}
