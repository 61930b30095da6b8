package partition

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/internal/device"
)

// A SyntaxError is a fault in the text of a layout.
type SyntaxError struct {
	Text   string // the whole layout
	Column int    // where the fault begins, in bytes from 1
	Reason string
}

// Error tells the fault and its column.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("layout %q, column %d: %s", e.Text, e.Column, e.Reason)
}

// ParseLayout reads a layout's text (see [Layout]). It checks the form alone:
// whether a GPU has such profiles and room for them, [MakePlan] says. A fault
// is a *[SyntaxError].
func ParseLayout(text string) (Layout, error) {
	p := &parser{text: text}
	var l Layout
	for {
		g, err := p.gpu()
		if err != nil {
			return Layout{}, err
		}
		if err := p.checkGPU(l, g); err != nil {
			return Layout{}, err
		}
		l.GPUs = append(l.GPUs, g)
		if p.next >= len(text) {
			break
		}
		p.next++ // the ';' that ended the entry
	}
	slices.SortFunc(l.GPUs, func(a, b GPULayout) int { return cmp.Compare(a.Index, b.Index) })
	return l, nil
}

// A parser stands at text[next].
type parser struct {
	text  string
	next  int
	start int // of the entry or term that is being read
}

func (p *parser) fault(at int, format string, args ...any) error {
	return &SyntaxError{Text: p.text, Column: at + 1, Reason: fmt.Sprintf(format, args...)}
}

func (p *parser) skipSpace() {
	for p.next < len(p.text) && p.text[p.next] == ' ' {
		p.next++
	}
}

// match reads what re, which begins with ^, finds here.
func (p *parser) match(re *regexp.Regexp) []string {
	m := re.FindStringSubmatch(p.text[p.next:])
	if m != nil {
		p.next += len(m[0])
	}
	return m
}

var (
	gpuRE     = regexp.MustCompile(`^gpu(0|[1-9][0-9]{0,3}) *:`)
	termRE    = regexp.MustCompile(`^(?:(all-)|([0-9]+)x)?([1-9][0-9]?g\.[1-9][0-9]{0,3}gb(?:\+me\.all|\+me|\+gfx|-me)?)`)
	offRE     = regexp.MustCompile(`^off`)
	splitRE   = regexp.MustCompile(`^(?:([0-9]+)x)?([0-9]+)c`)
	sharingRE = regexp.MustCompile(`^\(([^()]*)\)`)
)

// gpu reads "gpu0: terms" or "terms", up to a ';' or the end.
func (p *parser) gpu() (GPULayout, error) {
	p.skipSpace()
	p.start = p.next
	g := GPULayout{Index: AllGPUs}
	if m := p.match(gpuRE); m != nil {
		g.Index, _ = strconv.Atoi(m[1]) // at most four digits
	}
	for {
		p.skipSpace()
		at := p.next
		t, err := p.term()
		if err != nil {
			return g, err
		}
		g.Terms = append(g.Terms, t)
		if len(g.Terms) > 1 && slices.ContainsFunc(g.Terms, func(t Term) bool { return t.Profile == "" || t.Count == AsMany }) {
			return g, p.fault(at, "off and all- stand alone on a GPU")
		}
		p.skipSpace()
		if p.next >= len(p.text) || p.text[p.next] == ';' {
			g.Terms = mergeTerms(g.Terms)
			return g, nil
		}
		if p.text[p.next] != '+' {
			return g, p.fault(p.next, "%q is not understood here; want +, ; or the end", p.text[p.next:])
		}
		p.next++
	}
}

// term reads one term with its sharing.
func (p *parser) term() (Term, error) {
	at, t := p.next, Term{Count: 1}
	if p.match(offRE) == nil {
		m := p.match(termRE)
		if m == nil {
			return t, p.fault(at, "want off or a profile such as 1g.24gb, 4x1g.24gb or all-1g.24gb, not %q", p.text[at:])
		}
		t.Profile = m[3]
		if m[1] != "" {
			t.Count = AsMany
		}
		if m[2] != "" {
			n, err := strconv.Atoi(m[2])
			if err != nil || n < 1 || n > MaxCount {
				return t, p.fault(at, "the count %s is not 1 to %d", m[2], MaxCount)
			}
			t.Count = n
		}
	}
	if err := p.split(&t); err != nil {
		return t, err
	}
	at = p.next
	if m := p.match(sharingRE); m != nil {
		s, err := device.ParseSharing(m[1])
		if err != nil {
			return t, p.fault(at+1, "%v", err)
		}
		t.Sharing = s
	}
	return t, nil
}

// maxSplit is the most compute slices that a split may name together; no card
// has more.
const maxSplit = 16

// split reads "/2x1c" or "/2c,1c" after a profile, if it is there.
func (p *parser) split(t *Term) error {
	if p.next >= len(p.text) || p.text[p.next] != '/' {
		return nil
	}
	if t.Profile == "" {
		return p.fault(p.next, "a GPU with MIG off cannot be cut into compute instances")
	}
	total := 0
	for p.next < len(p.text) && (total == 0 || p.text[p.next] == ',') {
		p.next++
		at := p.next
		m := p.match(splitRE)
		if m == nil {
			return p.fault(at, "want compute instances such as 2x1c or 2c,1c, not %q", p.text[at:])
		}
		count, size := 1, 0
		if m[1] != "" {
			count, _ = strconv.Atoi(m[1]) // too large a number gives the largest
		}
		size, _ = strconv.Atoi(m[2])
		if count < 1 || size < 1 || count > maxSplit || size > maxSplit || total+count*size > maxSplit {
			return p.fault(at, "%s: counts and slices of compute instances are 1 to %d together", m[0], maxSplit)
		}
		total += count * size
		t.Split = append(t.Split, slices.Repeat([]int{size}, count)...)
	}
	return nil
}

// checkGPU refuses an entry that does not go with those before it.
func (p *parser) checkGPU(l Layout, g GPULayout) error {
	for _, other := range l.GPUs {
		switch {
		case other.Index == AllGPUs || g.Index == AllGPUs:
			return p.fault(p.start, "several entries need a prefix such as gpu0: each")
		case other.Index == g.Index:
			return p.fault(p.start, "gpu%d stands twice: %s", g.Index, strings.TrimSpace(joinTerms(other.Terms)))
		}
	}
	return nil
}
