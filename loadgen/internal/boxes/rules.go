// Package boxes holds the answers of detectors to what a good answer is: so many
// boxes, and the same as the first answer to the same question. A server that
// sheds quality under load shows there and nowhere else.
package boxes

import (
	"errors"
	"fmt"
	"hash/maphash"
	"sync"

	"github.com/evabench/evabench/loadgen/internal/jsonscan"
	"github.com/evabench/evabench/results"
)

// A Check says what answers are held to. The zero value holds them to nothing.
type Check struct {
	// MinBoxes and MaxBoxes bound the number of boxes; nil means no bound.
	MinBoxes *int `yaml:"min_boxes" json:"min_boxes,omitempty"`
	MaxBoxes *int `yaml:"max_boxes" json:"max_boxes,omitempty"`
	// MinScore leaves out boxes with a lower score before anything is checked.
	MinScore float64 `yaml:"min_score" json:"min_score,omitempty"`
	// IoU, if above 0, holds each answer against the first good one to the same
	// image, model and labels: each box of either must have one of the same label
	// in the other, with at least this intersection over union. An answer with more
	// than 1000 boxes, without those that MinScore leaves out, is a wrong one then.
	// First answers are kept of 65536 questions and with 262144 boxes in all; to a
	// question beyond that any number of boxes is as good as another.
	IoU float64 `yaml:"iou" json:"iou,omitempty"`
	// Tolerance is the share of boxes that may be without such a partner, of those
	// of both answers; 0 to 1.
	Tolerance float64 `yaml:"tolerance" json:"tolerance,omitempty"`
}

// Zero reports whether the check holds answers to nothing.
func (c Check) Zero() bool { return c.MinBoxes == nil && c.MaxBoxes == nil && c.IoU == 0 }

func (c Check) validate() error {
	var all []error
	if c.MinBoxes != nil && *c.MinBoxes < 0 {
		all = append(all, fmt.Errorf("check: min_boxes is %d", *c.MinBoxes))
	}
	if c.MaxBoxes != nil && *c.MaxBoxes < 0 {
		all = append(all, fmt.Errorf("check: max_boxes is %d", *c.MaxBoxes))
	}
	if c.MinBoxes != nil && c.MaxBoxes != nil && *c.MinBoxes > *c.MaxBoxes {
		all = append(all, fmt.Errorf("check: min_boxes %d is above max_boxes %d", *c.MinBoxes, *c.MaxBoxes))
	}
	for _, r := range []struct {
		name  string
		value float64
	}{{"min_score", c.MinScore}, {"iou", c.IoU}, {"tolerance", c.Tolerance}} {
		if !(r.value >= 0 && r.value <= 1) {
			all = append(all, fmt.Errorf("check: %s is %v, not from 0 to 1", r.name, r.value))
		}
	}
	if c.Zero() && c.MinScore != 0 {
		all = append(all, errors.New("check: min_score does nothing without min_boxes, max_boxes or iou"))
	}
	if c.IoU == 0 && c.Tolerance != 0 {
		all = append(all, errors.New("check: tolerance does nothing without iou"))
	}
	return errors.Join(all...)
}

// What is kept of first answers is bounded, and so is what is compared.
const (
	maxAnswers = 1 << 16
	maxKept    = 1 << 18 // boxes, of all answers together
	// maxCompared bounds the boxes of an answer: two without a box in common take
	// the loop 5 ms then.
	maxCompared = 1000
)

// MaxBoxes bounds the boxes that are read of one answer.
const MaxBoxes = 1 << 16

// Rules are a Check with the first answers it holds others against. They are safe
// for concurrent use.
type Rules struct {
	check Check
	find  *finder // nil if boxes do not come as JSON
	seed  maphash.Seed

	mu    sync.Mutex
	first map[uint64][]Box
	kept  int
}

// New makes the rules of a check whose boxes stand in JSON answers, or nil if it
// holds them to nothing. A Where must be right even then, or the zero value.
func New(c Check, w Where) (*Rules, error) {
	r, err := NewRead(c)
	if err != nil || r == nil && w == (Where{}) {
		return nil, err
	}
	find, err := newFinder(w)
	if err != nil || r == nil {
		return nil, err
	}
	r.find = find
	return r, nil
}

// NewRead is New for boxes that the caller reads.
func NewRead(c Check) (*Rules, error) {
	if err := c.validate(); err != nil || c.Zero() {
		return nil, err
	}
	return &Rules{check: c, seed: maphash.MakeSeed(), first: map[uint64][]Box{}}, nil
}

// Key tells questions apart: the same image, model and labels have the same key.
// Nil rules give 0.
func (r *Rules) Key(image []byte, model string, labels []string) uint64 {
	if r == nil || r.check.IoU == 0 {
		return 0
	}
	var h maphash.Hash
	h.SetSeed(r.seed)
	for _, text := range append([]string{model}, labels...) {
		_, _ = h.WriteString(text)
		_ = h.WriteByte(0)
	}
	_, _ = h.Write(image)
	return h.Sum64()
}

// A Scratch is memory that one reader uses for one answer after another. The zero
// value is ready.
type Scratch struct {
	boxes  []Box
	taken  []bool
	text   []byte
	labels map[string]string
}

// Judge holds a JSON answer to the rules and gives 0 if it is good, else
// WrongAnswer or Malformed and why.
func (r *Rules) Judge(answer []byte, key uint64, s *Scratch) (results.Outcome, string) {
	defer s.trim()
	wrong, valid := r.find.find(answer, s)
	if !valid {
		return results.Malformed, fmt.Sprintf("the answer is no JSON: %.256s", answer)
	}
	if wrong != "" {
		return results.WrongAnswer, wrong
	}
	return r.JudgeBoxes(s.boxes, key, s)
}

// JudgeBoxes is Judge for boxes that the caller read. It reorders them.
func (r *Rules) JudgeBoxes(got []Box, key uint64, s *Scratch) (results.Outcome, string) {
	n := 0
	for _, b := range got {
		if b.Score >= r.check.MinScore {
			got[n] = b
			n++
		}
	}
	got = got[:n]
	if at := r.check.MinBoxes; at != nil && n < *at {
		return results.WrongAnswer, fmt.Sprintf("%d boxes, want at least %d", n, *at)
	}
	if at := r.check.MaxBoxes; at != nil && n > *at {
		return results.WrongAnswer, fmt.Sprintf("%d boxes, want at most %d", n, *at)
	}
	if r.check.IoU == 0 {
		return 0, ""
	}
	if n > maxCompared {
		return results.WrongAnswer, fmt.Sprintf("%d boxes are too many to compare, %d are not; raise min_score", n, maxCompared)
	}
	want, ok := r.firstOf(key, got)
	if !ok {
		return 0, ""
	}
	s.taken = append(s.taken[:0], make([]bool, n)...)
	m := match(want, got, r.check.IoU, s.taken)
	if float64(m.unmatched) <= r.check.Tolerance*float64(len(want)+n) {
		return 0, ""
	}
	return results.WrongAnswer, r.tell(m, len(want), n)
}

func (r *Rules) tell(m miss, want, got int) string {
	if m.inGot {
		return fmt.Sprintf("%d boxes where the first answer had %d: it did not have %v", got, want, m.first)
	}
	return fmt.Sprintf("%d boxes where the first answer had %d: no partner with an IoU of %.4g for %v, the nearest has %.4g",
		got, want, r.check.IoU, m.first, m.best)
}

// firstOf gives the first answer to a question. The one given becomes that if
// there is none.
func (r *Rules) firstOf(key uint64, got []Box) (first []Box, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if first, ok = r.first[key]; ok {
		return first, true
	}
	if len(r.first) < maxAnswers && r.kept+len(got) <= maxKept {
		r.first[key] = append([]Box(nil), got...)
		r.kept += len(got)
	}
	return nil, false
}

const (
	maxLabels = 4096 // that a Scratch remembers
	maxLabel  = 256  // bytes of a label
	keepBoxes = 4096 // for the next answer
	keepText  = 4096 // bytes
)

// trim gives back what one large answer took.
func (s *Scratch) trim() {
	s.boxes = Trim(s.boxes, keepBoxes)
	s.text = Trim(s.text, keepText)
}

// Trim gives the memory of a slice for the next answer, nil if there is room for
// more than keep elements.
func Trim[T any](slice []T, keep int) []T {
	if cap(slice) > keep {
		return nil
	}
	return slice[:0]
}

// intern gives the text of a label in JSON.
func (s *Scratch) intern(label jsonscan.String) string {
	s.text = label.Append(s.text[:0])
	return s.Label(s.text)
}

// Label gives a label's text, without allocating for one that was seen before. A
// label ends after 256 bytes: what follows tells no two apart.
func (s *Scratch) Label(text []byte) string {
	text = text[:min(len(text), maxLabel)]
	if known, ok := s.labels[string(text)]; ok {
		return known
	}
	if s.labels == nil || len(s.labels) >= maxLabels {
		s.labels = map[string]string{}
	}
	label := string(text)
	s.labels[label] = label
	return label
}

// labelOf reads a label: a string, or anything else as it is written.
func (s *Scratch) labelOf(raw []byte) string {
	var scan jsonscan.Scanner
	scan.Reset(raw)
	if text, ok := scan.String(); ok {
		return s.intern(text)
	}
	return s.Label(raw)
}
