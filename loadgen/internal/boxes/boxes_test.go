package boxes

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/results"
)

func TestIoU(t *testing.T) {
	for _, c := range []struct {
		a, b Box
		want float64
	}{
		{Box{X2: 10, Y2: 10}, Box{X2: 10, Y2: 10}, 1},
		{Box{X2: 10, Y2: 10}, Box{X1: 5, X2: 15, Y2: 10}, 50. / 150},
		{Box{X2: 10, Y2: 10}, Box{X1: 10, X2: 20, Y2: 10}, 0}, // only touch
		{Box{X2: 10, Y2: 10}, Box{X1: 2, Y1: 2, X2: 4, Y2: 4}, 4. / 100},
		{Box{}, Box{}, 1}, // the same, without area
		{Box{}, Box{X2: 1, Y2: 1}, 0},
	} {
		for _, got := range []float64{IoU(c.a, c.b), IoU(c.b, c.a)} {
			if math.Abs(got-c.want) > 1e-12 {
				t.Errorf("IoU of %v and %v is %v, want %v", c.a, c.b, got, c.want)
			}
		}
	}
}

func TestFind(t *testing.T) {
	box := Box{X1: 1, Y1: 2, X2: 4, Y2: 6, Score: Unscored}
	cat := box
	cat.Label, cat.Score = "cat", 0.5
	full := Where{Path: "predictions[].box", Label: "label", Score: "score", Form: "xyxy"}
	for _, c := range []struct {
		where Where
		text  string
		want  []Box
		wrong string
	}{
		{full, `{"x":[1],"predictions":[{"box":[1,2,4,6],"label":"cat","score":0.5}]}`, []Box{cat}, ""},
		{full, `{"predictions":[{"label":"c\u0061t","score":5e-1,"box":{"x1":1,"y1":2,"x2":4,"y2":6}}]}`, []Box{cat}, ""},
		{full, `{"predictions":[{"label":"cat","score":0.5,"box":{"x":1,"y":2,"width":3,"height":4}}]}`, []Box{cat}, ""},
		{full, `{"predictions":[{"label":"cat","score":0.5,"box":[4,6,1,2]}]}`, []Box{cat}, ""}, // corners the other way round
		{full, `{"predictions":[]}`, nil, ""},
		{full, `{"predictions":null}`, nil, ""},
		{full, `{"boxes":[]}`, nil, `there is no "predictions"`},
		{full, `[]`, nil, `there is no object with "predictions"`},
		{full, `{"predictions":{}}`, nil, "there is no list"},
		{full, `{"predictions":[{"box":[1,2,3],"label":"cat"}]}`, nil, "no box of four numbers"},
		{full, `{"predictions":[{"box":[1,2,3,4,5]}]}`, nil, "no box of four numbers"},
		{full, `{"predictions":[{"box":{"x1":1,"y1":2,"width":3,"y2":4}}]}`, nil, "no box of four numbers"},
		{full, `{"predictions":[{"label":"cat"}]}`, nil, "no box of four numbers"},
		{Where{Path: "[]", Form: "xywh"}, `[[1,2,3,4]]`, []Box{box}, ""},
		{Where{Path: "a.b[].c[].d.e", Label: "f.g", Form: "xyxy"}, `{"a":{"b":[{"c":[]},{"c":[{"d":{"e":[1,2,4,6]},"f":{"g":7}}]}]}}`,
			[]Box{{X1: 1, Y1: 2, X2: 4, Y2: 6, Label: "7", Score: Unscored}}, ""},
		{Where{Path: "[].*", Score: "score", Form: "xyxy"}, `[{"score":0.5,"cat":[1,2,4,6]}]`, []Box{cat}, ""},
		{Where{Path: "[].*", Form: "xyxy"}, `[{"score":0.5}]`, nil, "no box of four numbers"},
	} {
		f, err := newFinder(c.where)
		if err != nil {
			t.Errorf("%+v: %v", c.where, err)
			continue
		}
		var s Scratch
		for range 2 { // on fresh memory, and on used
			wrong, valid := f.find([]byte(c.text), &s)
			if !valid || !strings.Contains(wrong, c.wrong) || (wrong == "") != (c.wrong == "") || c.wrong == "" && !equal(s.boxes, c.want) {
				t.Errorf("%s in %s: %v, wrong %q, valid %v; want %v, wrong %q", c.where.Path, c.text, s.boxes, wrong, valid, c.want, c.wrong)
			}
		}
	}
}

func equal(a, b []Box) bool {
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

func TestConfigRefuses(t *testing.T) {
	good := Where{Path: "a[].b", Label: "c", Form: "xyxy"}
	ok := Check{MinBoxes: new(1)}
	if r, err := New(ok, good); r == nil || err != nil {
		t.Fatalf("%v, %v", r, err)
	}
	if r, err := New(Check{}, Where{}); r != nil || err != nil {
		t.Errorf("no check gives %v, %v; want no rules", r, err)
	}
	for _, w := range []Where{
		{Form: "xyxy"}, {Path: "a[]"}, {Path: "a[]", Form: "yolo"}, {Path: "a.b", Form: "xyxy"}, {Path: "a[.b", Form: "xyxy"}, {Path: "a[]]", Form: "xyxy"},
		{Path: "a[]..b", Form: "xyxy"}, {Path: ".a[]", Form: "xyxy"}, {Path: `a"[]`, Form: "xyxy"}, {Path: "a[]", Label: "b[]", Form: "xyxy"},
		{Path: "a[]", Score: "b.", Form: "xyxy"}, {Path: "a[].*", Label: "b", Form: "xyxy"}, {Path: "a[][", Form: "xyxy"},
		{Path: "a[].*.b", Form: "xyxy"}, {Path: "*[].b", Form: "xyxy"}, {Path: "*.a[].*", Form: "xyxy"},
	} {
		for _, check := range []Check{ok, {}} {
			if _, err := New(check, w); err == nil {
				t.Errorf("%+v with the check %+v was accepted", w, check)
			}
		}
	}
	for _, c := range []Check{
		{MinBoxes: new(-1)}, {MaxBoxes: new(-1)}, {MinBoxes: new(2), MaxBoxes: new(1)}, {IoU: 1.1}, {IoU: -1}, {IoU: math.NaN()},
		{MinScore: 0.5}, {Tolerance: 0.1}, {MinBoxes: new(1), Tolerance: 0.1}, {IoU: 0.5, Tolerance: 2}, {IoU: 0.5, MinScore: 2},
	} {
		if _, err := New(c, good); err == nil {
			t.Errorf("%+v was accepted", c)
		}
	}
}

func TestJudge(t *testing.T) {
	where := Where{Path: "[].box", Label: "label", Score: "score", Form: "xyxy"}
	const (
		cat   = `{"box":[0,0,10,10],"label":"cat","score":0.9}`
		near  = `{"box":[0,0,10,9.5],"label":"cat","score":0.8}` // IoU 0.95
		far   = `{"box":[0,0,10,8],"label":"cat","score":0.8}`   // IoU 0.8
		dog   = `{"box":[0,0,10,10],"label":"dog","score":0.9}`
		faint = `{"box":[5,5,6,6],"label":"cat","score":0.1}`
	)
	many := "[" + strings.Repeat(dog+",", 1000) + faint + "]"
	type answers []string
	for name, c := range map[string]struct {
		check   Check
		answers answers // to one question, in their order
		want    results.Outcome
		detail  string // of the last; those before must be good
	}{
		"at least":           {Check{MinBoxes: new(1)}, answers{"[" + cat + "]"}, 0, ""},
		"fewer":              {Check{MinBoxes: new(2)}, answers{"[" + cat + "]"}, results.WrongAnswer, "1 boxes, want at least 2"},
		"at most":            {Check{MaxBoxes: new(1)}, answers{"[" + cat + "]"}, 0, ""},
		"more":               {Check{MaxBoxes: new(0)}, answers{"[" + cat + "]"}, results.WrongAnswer, "1 boxes, want at most 0"},
		"faint ones aside":   {Check{MinBoxes: new(1), MinScore: 0.5}, answers{"[" + faint + "]"}, results.WrongAnswer, "0 boxes"},
		"no JSON":            {Check{MinBoxes: new(1)}, answers{"[" + cat}, results.Malformed, "no JSON"},
		"another form":       {Check{MinBoxes: new(0)}, answers{"{}"}, results.WrongAnswer, "no list"},
		"the same":           {Check{IoU: 0.9}, answers{"[" + cat + "," + dog + "]", "[" + dog + "," + cat + "]"}, 0, ""},
		"nearly the same":    {Check{IoU: 0.9}, answers{"[" + cat + "]", "[" + near + "]"}, 0, ""},
		"just too far":       {Check{IoU: 0.951}, answers{"[" + cat + "]", "[" + near + "]"}, results.WrongAnswer, "the nearest has 0.95"},
		"too far":            {Check{IoU: 0.9}, answers{"[" + cat + "]", "[" + far + "]"}, results.WrongAnswer, "the nearest has 0.8"},
		"another label":      {Check{IoU: 0.9}, answers{"[" + cat + "]", "[" + dog + "]"}, results.WrongAnswer, `for "cat"`},
		"one missing":        {Check{IoU: 0.9}, answers{"[" + cat + "," + dog + "]", "[" + cat + "]"}, results.WrongAnswer, `for "dog"`},
		"one more":           {Check{IoU: 0.9}, answers{"[" + cat + "]", "[" + cat + "," + dog + "]"}, results.WrongAnswer, `did not have "dog"`},
		"one twice":          {Check{IoU: 0.9}, answers{"[" + cat + "]", "[" + cat + "," + near + "]"}, results.WrongAnswer, `did not have "cat"`},
		"one of two alike":   {Check{IoU: 0.9}, answers{"[" + cat + "," + near + "]", "[" + cat + "]"}, results.WrongAnswer, `no partner`},
		"one of three":       {Check{IoU: 0.9, Tolerance: 0.34}, answers{"[" + cat + "]", "[" + cat + "," + dog + "]"}, 0, ""},
		"more than a third":  {Check{IoU: 0.9, Tolerance: 0.33}, answers{"[" + cat + "]", "[" + cat + "," + dog + "]"}, results.WrongAnswer, ""},
		"held to the first":  {Check{IoU: 0.9}, answers{"[" + cat + "]", "[" + near + "]", "[" + cat + "]"}, 0, ""},
		"nothing both times": {Check{IoU: 0.9}, answers{"[]", "[]"}, 0, ""},
		"many, alike":        {Check{IoU: 0.9, MinScore: 0.5}, answers{many, many}, 0, ""},
		"too many":           {Check{IoU: 0.9}, answers{many}, results.WrongAnswer, "1001 boxes are too many to compare, 1000 are not; raise min_score"},
		"only counted":       {Check{MaxBoxes: new(1001)}, answers{many}, 0, ""},
		"nothing any more":   {Check{IoU: 0.9}, answers{"[" + cat + "]", "[]"}, results.WrongAnswer, "0 boxes where the first answer had 1"},
	} {
		r, err := New(c.check, where)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var s Scratch
		key := r.Key([]byte("jpeg"), "m", []string{"cat", "dog"})
		for i, text := range c.answers {
			outcome, detail := r.Judge([]byte(text), key, &s)
			want, part := results.Outcome(0), ""
			if i == len(c.answers)-1 {
				want, part = c.want, c.detail
			}
			if outcome != want || !strings.Contains(detail, part) || (outcome == 0) != (detail == "") {
				t.Errorf("%s, answer %d: %v, %q; want %v, %q", name, i, outcome, detail, want, part)
			}
		}
	}
}

// What was not good is no measure for what comes after.
func TestFirstIsAGoodOne(t *testing.T) {
	r, err := New(Check{MinBoxes: new(1), IoU: 0.5}, Where{Path: "[]", Form: "xyxy"})
	if err != nil {
		t.Fatal(err)
	}
	var s Scratch
	for i, c := range []struct {
		text string
		want results.Outcome
	}{{"[]", results.WrongAnswer}, {"[[0,0,1,1]]", 0}, {"[[0,0,1,1]]", 0}, {"[[5,5,6,6]]", results.WrongAnswer}, {"[[0,0,1,1]]", 0}} {
		if got, detail := r.Judge([]byte(c.text), 1, &s); got != c.want {
			t.Errorf("answer %d: %v (%s), want %v", i, got, detail, c.want)
		}
	}
}

func TestInspect(t *testing.T) {
	for text, want := range map[string]results.Outcome{
		"[]": 0, " {} ": 0, `[{"box":"none"}]`: 0, "12": results.Malformed, "": results.Malformed, " ": results.Malformed, "[": results.Malformed, "[]]": results.Malformed,
		`"error"`: results.Malformed, `{"a":`: results.Malformed, `{"error":"broke"`: results.Malformed,
		`{"error":"broke"}`: results.HTTP5xx, `{"boxes":[],"error":{"code":1}}`: results.HTTP5xx, `{"\u0065rror":true}`: results.HTTP5xx,
		`{"error":null}`: 0, `{"error":"","a":1}`: 0, `{"error":false}`: 0, `{"error":0}`: 0, `{"a":{"error":"x"}}`: 0, `[{"error":"x"}]`: 0,
		`{"error":"CUDA out of memory"}`:                                               results.OOM,
		`{"code":503,"type":"InternalServerException","message":"Prediction failed"}`:  results.HTTP5xx,
		`{"code":503,"type":"InternalServerException","message":"CUDA out of memory"}`: results.OOM,
		`{"code":503,"type":"x"}`:                                                      0, `{"type":"x","message":"y"}`: 0, `{"code":"a","type":"x","message":"y"}`: 0, `{"code":1,"type":"x","message":[]}`: 0,
	} {
		outcome, detail := Inspect([]byte(text))
		if outcome != want || (want == 0) != (detail == "") || want != results.Malformed && want != 0 && !strings.Contains(detail, text) {
			t.Errorf("%q: %v, %q; want %v", text, outcome, detail, want)
		}
	}
}

func TestKeys(t *testing.T) {
	r, err := NewRead(Check{IoU: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint64]string{}
	for _, q := range []struct {
		image, model string
		labels       []string
	}{{"a", "m", nil}, {"b", "m", nil}, {"a", "n", nil}, {"a", "m", []string{"x"}}, {"a", "m", []string{"x", "y"}}, {"a", "m", []string{"xy"}}, {"", "ma", nil}} {
		key := r.Key([]byte(q.image), q.model, q.labels)
		if key != r.Key([]byte(q.image), q.model, q.labels) {
			t.Errorf("%v has two keys", q)
		}
		if other, ok := seen[key]; ok {
			t.Errorf("%v has the key of %s", q, other)
		}
		seen[key] = q.image + q.model
	}
	if (*Rules)(nil).Key(nil, "", nil) != 0 {
		t.Error("no rules give a key")
	}
}

// An answer agrees with itself in any order, and what is bounded stays so.
func TestMatchesItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		box := rapid.Custom(func(t *rapid.T) Box {
			n := rapid.SliceOfN(rapid.Float64Range(-100, 100), 4, 4).Draw(t, "corners")
			b := Corners([4]float64(n), rapid.Bool().Draw(t, "xywh"))
			b.Label = rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "label")
			return b
		})
		want := rapid.SliceOfNDistinct(box, 0, 12, func(b Box) Box { return b }).Draw(t, "boxes")
		got := rapid.Permutation(want).Draw(t, "order")
		if m := match(want, got, 1, make([]bool, len(got))); m.unmatched != 0 {
			t.Fatalf("%d boxes of %v do not match themselves", m.unmatched, want)
		}
		if len(got) == 0 {
			return
		}
		m := match(want, got[1:], 1, make([]bool, len(got)-1))
		if m.unmatched != 1 || m.first != got[0] || m.inGot {
			t.Fatalf("without %v: %+v", got[0], m)
		}
	})
}

func TestFirstAnswersAreBounded(t *testing.T) {
	r, err := NewRead(Check{IoU: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	var s Scratch
	many := make([]Box, maxCompared)
	for key := range uint64(maxKept/maxCompared + 2) {
		r.JudgeBoxes(many, key, &s)
	}
	if want := maxKept / maxCompared; len(r.first) != want || r.kept != want*maxCompared {
		t.Errorf("%d boxes of %d answers are kept, want those of %d", r.kept, len(r.first), want)
	}
}

// One large answer leaves no large memory behind, nor does a long label.
func TestScratchIsBounded(t *testing.T) {
	r, err := New(Check{MaxBoxes: new(1)}, Where{Path: "[].b", Label: "l", Form: "xyxy"})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 1<<20)
	var s Scratch
	r.Judge([]byte("["+strings.Repeat(`{"b":[1,2,4,6]},`, 10_000)+`{"b":[1,2,4,6],"l":"`+long+`"}]`), 0, &s)
	if cap(s.boxes) > 4096 || cap(s.text) > 4096 {
		t.Errorf("%d boxes and %d bytes of text are kept", cap(s.boxes), cap(s.text))
	}
	if _, detail := r.Judge([]byte("["+strings.Repeat(`{"b":[1,2,4,6]},`, MaxBoxes)+`{"b":[1,2,4,6]}]`), 0, &s); !strings.Contains(detail, "more than 65536 boxes") {
		t.Errorf("65537 boxes give %q", detail)
	}
	if _, detail := r.Judge([]byte(`[{"b":[1,2,4,6],"l":"`+long+`"}]`), 0, &s); detail != "" {
		t.Error(detail)
	}
	for label := range s.labels {
		if len(label) > 256 {
			t.Errorf("a label of %d bytes is kept", len(label))
		}
	}
	if a, b := s.Label([]byte(long)), s.Label([]byte(long[:256])); a != b {
		t.Errorf("labels of %d and %d bytes that begin alike are not the same", len(a), len(b))
	}
}

// Whatever an answer holds, it is read or refused, as encoding/json would.
func FuzzFind(f *testing.F) {
	for _, text := range []string{`{"predictions":[{"box":[1,2,4,6],"label":"cat","score":0.5}]}`, `{"predictions":[{"box":{"x":1,"y":2,"w":3,"h":4}}]}`, `{"predictions":`} {
		f.Add([]byte(text))
	}
	find, err := newFinder(Where{Path: "predictions[].box", Label: "label", Score: "score", Form: "xyxy"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var s Scratch
		_, valid := find.find(text, &s)
		if valid != json.Valid(text) {
			t.Fatalf("%q: valid is %v", text, valid)
		}
		for _, b := range s.boxes {
			if !(b.X1 <= b.X2 && b.Y1 <= b.Y2) {
				t.Fatalf("%q: box %v", text, b)
			}
		}
	})
}

// White space around an answer changes nothing; a brace after it ends it.
func FuzzInspect(f *testing.F) {
	f.Add([]byte(`[{"a":1}]`))
	f.Add([]byte(`{"a":`))
	f.Add([]byte(`{"error":1,"code":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, _ := Inspect(text)
		if spaced, _ := Inspect([]byte(" " + string(text) + "\n")); spaced != got {
			t.Fatalf("%q: %v with white space, %v without", text, spaced, got)
		}
		if (got == results.Malformed) == (json.Valid(text) && bytes.ContainsAny(bytes.TrimSpace(text)[:1], "[{")) {
			t.Fatalf("%q: %v", text, got)
		}
	})
}

// As many boxes as are compared, and in an order that makes each look for its like.
func BenchmarkMatch(b *testing.B) {
	alike := make([]Box, maxCompared)
	apart := make([]Box, maxCompared)
	back := make([]Box, maxCompared)
	for i := range apart {
		apart[i] = Box{X1: float64(10 * i), X2: float64(10*i + 9), Y2: 9}
		back[maxCompared-1-i] = apart[i]
	}
	for name, pair := range map[string][2][]Box{"alike": {alike, alike}, "same order": {apart, apart}, "other way round": {apart, back}} {
		b.Run(name, func(b *testing.B) {
			taken := make([]bool, maxCompared)
			for b.Loop() {
				clear(taken)
				if m := match(pair[0], pair[1], 0.5, taken); m.unmatched != 0 {
					b.Fatal(m)
				}
			}
		})
	}
}

func BenchmarkJudge(b *testing.B) {
	text := []byte("[" + strings.Repeat(`{"box":[100.5,200.25,300.125,400.5],"label":"person","score":0.93},`, 19) + `{"box":[1,2,4,6],"label":"cat","score":0.5}]`)
	r, err := New(Check{IoU: 0.5}, Where{Path: "[].box", Label: "label", Score: "score", Form: "xyxy"})
	if err != nil {
		b.Fatal(err)
	}
	var s Scratch
	b.ReportAllocs()
	for b.Loop() {
		if outcome, detail := r.Judge(text, 1, &s); outcome != 0 {
			b.Fatal(detail)
		}
	}
}
