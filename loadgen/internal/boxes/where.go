package boxes

import (
	"errors"
	"fmt"
	"strings"

	"github.com/evabench/evabench/loadgen/internal/jsonscan"
)

// Where says where the boxes stand in a JSON answer.
type Where struct {
	// Path leads to the boxes: names of members with dots between them, and []
	// where it goes through every element of a list. What the last [] goes
	// through are the detections; what follows leads from a detection to its box.
	//
	//	predictions[].box   {"predictions": [{"box": [0, 0, 10, 10], "label": "cat"}]}
	//	[]                  [[0, 0, 10, 10]]
	//	[].*                [{"cat": [0, 0, 10, 10], "score": 0.9}]
	//
	// A * as the last name is the first member whose value is a box; its name is
	// the label, as in the answers of TorchServe's own object detector.
	Path string `yaml:"path" json:"path,omitempty"`
	// Label and Score lead from a detection to its label (a string or a number, of
	// which 256 bytes count) and its score, with dots. Empty means that there is none.
	Label string `yaml:"label" json:"label,omitempty"`
	Score string `yaml:"score" json:"score,omitempty"`
	// Form is what a list of four numbers says: "xyxy", the two corners, or
	// "xywh", a corner with width and height. A box may also be an object, whose
	// names tell: x1 y1 x2 y2, xmin ymin xmax ymax, left top right bottom, or x y
	// with w h or width height.
	Form string `yaml:"form" json:"form,omitempty"`
}

// A finder is a Where that was read.
type finder struct {
	text         string
	list         []string // eachStep or a name
	box          []string // from a detection
	label, score []string
	wild, xywh   bool
}

const eachStep = "[]"

func newFinder(w Where) (*finder, error) {
	f := &finder{text: w.Path, xywh: w.Form == "xywh"}
	if w.Form != "xyxy" && w.Form != "xywh" {
		return nil, fmt.Errorf("boxes: form %q is neither xyxy nor xywh", w.Form)
	}
	all, err := steps(w.Path)
	if err != nil {
		return nil, fmt.Errorf("boxes: path %q: %w", w.Path, err)
	}
	last := -1
	for i, s := range all {
		if s == eachStep {
			last = i
		}
		if s == "*" && i < len(all)-1 {
			return nil, fmt.Errorf("boxes: path %q goes on behind its *", w.Path)
		}
	}
	if last < 0 {
		return nil, fmt.Errorf("boxes: path %q goes through no list; write [] where it does", w.Path)
	}
	f.list, f.box = all[:last+1], all[last+1:]
	if n := len(f.box); n > 0 && f.box[n-1] == "*" {
		f.box, f.wild = f.box[:n-1], true
		if w.Label != "" {
			return nil, fmt.Errorf("boxes: path %q tells the label by its *, so label must be empty", w.Path)
		}
	}
	for _, p := range []struct {
		name, text string
		into       *[]string
	}{{"label", w.Label, &f.label}, {"score", w.Score, &f.score}} {
		if p.text == "" {
			continue
		}
		if strings.ContainsAny(p.text, "[]") {
			return nil, fmt.Errorf("boxes: %s %q goes through a list", p.name, p.text)
		}
		if *p.into, err = steps(p.text); err != nil {
			return nil, fmt.Errorf("boxes: %s %q: %w", p.name, p.text, err)
		}
	}
	return f, nil
}

// steps reads a path.
func steps(text string) (all []string, err error) {
	for i, part := range strings.Split(text, ".") {
		name := strings.TrimRight(part, "[]")
		lists := part[len(name):]
		if name == "" && (i > 0 || lists == "") {
			return nil, errors.New("a name is empty")
		}
		if strings.ContainsAny(name, "\"\\[]") || lists != strings.Repeat(eachStep, len(lists)/2) {
			return nil, fmt.Errorf("%q is no name with or without [] behind it", part)
		}
		if name != "" {
			all = append(all, name)
		}
		for range len(lists) / 2 {
			all = append(all, eachStep)
		}
	}
	return all, nil
}

// find reads the boxes of an answer into s.boxes. What is not as it should be is
// told as wrong; an answer that is no JSON is not valid.
func (f *finder) find(text []byte, s *Scratch) (wrong string, valid bool) {
	v := visit{finder: f, scratch: s}
	v.scan.Reset(text)
	s.boxes = s.boxes[:0]
	v.walk(f.list)
	return v.wrong, v.scan.End()
}

// A visit is a walk through one answer.
type visit struct {
	*finder
	scratch *Scratch
	scan    jsonscan.Scanner
	wrong   string
}

func (v *visit) miss(format string, args ...any) {
	if v.wrong == "" {
		v.wrong = "boxes at " + v.text + ": " + fmt.Sprintf(format, args...)
	}
}

func (v *visit) walk(list []string) {
	s := &v.scan
	switch {
	case len(list) == 0:
		if raw := s.Raw(); raw != nil {
			v.detection(raw)
		}
	case list[0] == eachStep:
		if s.Null() {
			return
		}
		if !s.Array() {
			v.miss("there is no list")
			s.Skip()
			return
		}
		for s.Element() {
			v.walk(list[1:])
		}
	default:
		v.member(list)
	}
}

func (v *visit) member(list []string) {
	s := &v.scan
	if !s.Object() {
		v.miss("there is no object with %q", list[0])
		s.Skip()
		return
	}
	found := false
	for s.Key() {
		if s.Is(list[0]) {
			found = true
			v.walk(list[1:])
		} else {
			s.Skip()
		}
	}
	if !found {
		v.miss("there is no %q", list[0])
	}
}

// detection reads one detection, which is valid JSON.
func (v *visit) detection(raw []byte) {
	if len(v.scratch.boxes) == MaxBoxes {
		v.miss("there are more than %d boxes", MaxBoxes)
		return
	}
	b, label, ok := Box{}, jsonscan.String(nil), false
	if at := lookup(raw, v.box); v.wild {
		b, label, ok = v.anyBox(at)
	} else {
		b, ok = v.readBox(at)
	}
	if !ok {
		v.miss("no box of four numbers in %.80s", raw)
		return
	}
	if v.wild {
		b.Label = v.scratch.intern(label)
	} else if v.label != nil {
		b.Label = v.scratch.labelOf(lookup(raw, v.label))
	}
	if v.score != nil {
		var s jsonscan.Scanner
		s.Reset(lookup(raw, v.score))
		if score, ok := s.Float(); ok {
			b.Score = score
		}
	}
	v.scratch.boxes = append(v.scratch.boxes, b)
}

// lookup gives the value at a path of names, nil if there is none.
func lookup(raw []byte, names []string) []byte {
	var s jsonscan.Scanner
next:
	for _, name := range names {
		s.Reset(raw)
		if !s.Object() {
			return nil
		}
		for s.Key() {
			if s.Is(name) {
				raw = s.Raw()
				continue next
			}
			s.Skip()
		}
		return nil
	}
	return raw
}

// anyBox gives the first member that is a box, and its name.
func (f *finder) anyBox(raw []byte) (Box, jsonscan.String, bool) {
	var s jsonscan.Scanner
	s.Reset(raw)
	if s.Object() {
		for s.Key() {
			name := s.Name()
			if b, ok := f.readBox(s.Raw()); ok {
				return b, name, true
			}
		}
	}
	return Box{}, nil, false
}

// readBox reads a list of four numbers, or an object.
func (f *finder) readBox(raw []byte) (Box, bool) {
	var s jsonscan.Scanner
	s.Reset(raw)
	if s.Object() {
		return objectBox(&s)
	}
	var n [4]float64
	i := 0
	if !s.Array() {
		return Box{}, false
	}
	for s.Element() {
		x, ok := s.Float()
		if !ok || i == 4 {
			return Box{}, false
		}
		n[i] = x
		i++
	}
	return Corners(n, f.xywh), i == 4
}

// Corners makes a box of four numbers: two corners, or with xywh a corner, width
// and height. It has no label and no score.
func Corners(n [4]float64, xywh bool) Box {
	if xywh {
		n[2], n[3] = n[0]+n[2], n[1]+n[3]
	}
	return Box{X1: min(n[0], n[2]), Y1: min(n[1], n[3]), X2: max(n[0], n[2]), Y2: max(n[1], n[3]), Score: Unscored}
}

// names are what members of a box may be called: the place among four numbers,
// and whether they are width and height.
var names = [...]struct {
	name string
	at   int
	size bool
}{
	{"x1", 0, false}, {"xmin", 0, false}, {"left", 0, false}, {"x", 0, false},
	{"y1", 1, false}, {"ymin", 1, false}, {"top", 1, false}, {"y", 1, false},
	{"x2", 2, false}, {"xmax", 2, false}, {"right", 2, false}, {"w", 2, true}, {"width", 2, true},
	{"y2", 3, false}, {"ymax", 3, false}, {"bottom", 3, false}, {"h", 3, true}, {"height", 3, true},
}

// objectBox reads the members of an object that was entered.
func objectBox(s *jsonscan.Scanner) (Box, bool) {
	var n [4]float64
	var has, size [4]bool
	for s.Key() {
		known := false
		for _, m := range names {
			if !s.Is(m.name) {
				continue
			}
			if x, ok := s.Float(); ok {
				n[m.at], has[m.at], size[m.at], known = x, true, m.size, true
			}
			break
		}
		if !known {
			s.Skip()
		}
	}
	return Corners(n, size[2]), has == [4]bool{true, true, true, true} && size[2] == size[3]
}
