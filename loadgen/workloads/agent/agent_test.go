package agent

import (
	"bytes"
	"image"
	"image/jpeg"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/images"
	"github.com/evabench/evabench/results"
	"pgregory.net/rapid"
)

func build(t *testing.T, change func(*Config)) loadgen.Workload {
	t.Helper()
	c := Default
	c.Model = "vlm"
	c.Images = images.Config{Width: 160, Height: 96, Kilobytes: 8, Count: 2, Seed: 1}
	change(&c)
	w, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// play runs a session to its end, in order; each answer tells its call's place.
func play(t *testing.T, w loadgen.Workload, seed uint64, n int64) (all []*loadgen.Request) {
	t.Helper()
	s := w.Session(seed, n)
	for call := -1; call < len(all); call++ {
		var answer *loadgen.Answer
		if call >= 0 {
			answer = &loadgen.Answer{Outcome: results.OK, Text: finding(call)}
		}
		all = append(all, s.Next(call, answer)...)
	}
	return all
}

func finding(call int) string { return "finding " + strings.Repeat("!", call+1) + "." }

func user(r *loadgen.Request) loadgen.Message { return r.Messages[len(r.Messages)-1] }

func TestSession(t *testing.T) {
	w := build(t, func(c *Config) { c.Inspect = 3; c.SharedPrefix = 40 })
	calls := play(t, w, 9, 4)
	var stages []string
	for i, r := range calls {
		stages = append(stages, r.Class)
		if (len(user(r).Images) == 1) != (r.Class == "inspect") {
			t.Errorf("call %d, %s, has %d images", i, r.Class, len(user(r).Images))
		}
		if quoted := strings.Contains(user(r).Text, finding(max(i-1, 0))); quoted != (i > 0) {
			t.Errorf("call %d quotes the one before: %v", i, quoted)
		}
		if r.Model != "vlm" || r.MaxTokens != 64 || r.Messages[0].Role != "system" || len(strings.Fields(r.Messages[0].Text)) != 40 {
			t.Errorf("call %d: %+v", i, r)
		}
	}
	if got := strings.Join(stages, " "); got != "decompose inspect inspect inspect decide" {
		t.Errorf("stages %s", got)
	}
	if again := play(t, w, 9, 4); !reflect.DeepEqual(calls, again) {
		t.Error("the same session differs when made again")
	}
}

func decoded(t *testing.T, data []byte) string {
	t.Helper()
	m, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return string(m.(*image.YCbCr).Y)
}

func TestUnique(t *testing.T) {
	for _, unique := range []bool{true, false} {
		w := build(t, func(c *Config) { c.Unique = unique; c.SharedPrefix = 5 })
		texts, pixels, system := map[string]bool{}, map[string]bool{}, map[string]bool{}
		for n := range int64(5) {
			for _, r := range play(t, w, 9, n) {
				texts[user(r).Text] = true
				system[r.Messages[0].Text] = true
				for _, i := range user(r).Images {
					pixels[decoded(t, i)] = true
				}
			}
		}
		wantTexts, wantPixels := 20, 10
		if !unique {
			wantTexts, wantPixels = 4, 2 // those of one session; its two frames may be one
		}
		if len(texts) != wantTexts || len(pixels) > wantPixels || unique && len(pixels) != wantPixels {
			t.Errorf("unique %v: %d texts and %d images, want %d and %d", unique, len(texts), len(pixels), wantTexts, wantPixels)
		}
		if len(system) != 1 {
			t.Errorf("unique %v: %d system prompts", unique, len(system))
		}
	}
}

// Another nonce gives other bytes of the same kind and length; the same nonce,
// the same bytes.
func TestNonce(t *testing.T) {
	for _, unique := range []bool{true, false} {
		w := build(t, func(c *Config) { c.Unique = unique; c.SharedPrefix = 5 })
		with := func(nonce string) []*loadgen.Request { return play(t, w.(loadgen.Nonced).WithNonce(nonce), 9, 3) }
		a, b := with("a"), with("b")
		if !reflect.DeepEqual(a, with("a")) {
			t.Errorf("unique %v: the same nonce gives other requests", unique)
		}
		for i := range a {
			x, y := user(a[i]), user(b[i])
			if a[i].Class != b[i].Class || len(x.Text) != len(y.Text) || (x.Text != y.Text) != unique {
				t.Errorf("unique %v, call %d: %s %q and %s %q", unique, i, a[i].Class, x.Text, b[i].Class, y.Text)
			}
			for k := range x.Images {
				if (decoded(t, x.Images[k]) != decoded(t, y.Images[k])) != unique {
					t.Errorf("unique %v, call %d: the images are as alike as they should not be", unique, i)
				}
			}
		}
	}
}

// Side by side: the inspects wait for decompose and quote it, decide waits for
// the last of them and quotes all in their order, whatever the order of answers.
func TestParallel(t *testing.T) {
	const k = 5
	w := build(t, func(c *Config) { c.Inspect, c.Parallel = k, true })
	chain := build(t, func(c *Config) { c.Inspect = k })
	rapid.Check(t, func(rt *rapid.T) {
		s := w.Session(9, 4)
		ask := func(call int) []*loadgen.Request {
			return slices.Clone(s.Next(call, &loadgen.Answer{Outcome: results.OK, Text: finding(call)}))
		}
		first := s.Next(-1, nil)
		if len(first) != 1 || first[0].Class != decompose {
			rt.Fatalf("the session begins with %d calls", len(first))
		}
		all := append(slices.Clone(first), ask(0)...)
		if len(all) != 1+k {
			rt.Fatalf("%d calls side by side, want %d", len(all)-1, k)
		}
		for _, q := range all[1:] {
			if q.Class != inspect || len(user(q).Images) != 1 || !strings.HasSuffix(user(q).Text, finding(0)) {
				rt.Fatalf("a call side by side is %s, %q", q.Class, user(q).Text)
			}
		}
		order := rapid.Permutation([]int{1, 2, 3, 4, 5}).Draw(rt, "order")
		for _, call := range order[:k-1] {
			if more := ask(call); len(more) != 0 {
				rt.Fatalf("%d calls before all were answered", len(more))
			}
		}
		last := ask(order[k-1])
		if len(last) != 1 || last[0].Class != decide {
			rt.Fatalf("the session ends with %d calls", len(last))
		}
		text := user(last[0]).Text
		for call, from := 1, 0; call <= k; call++ {
			at := strings.Index(text[from:], finding(call))
			if at < 0 {
				rt.Fatalf("finding %d is not quoted in its place: %q", call, text)
			}
			from += at
		}
		if more := ask(k + 1); len(more) != 0 {
			rt.Fatal("the session goes on after its end")
		}
	})
	// The same calls as one after the other, but for what they quote.
	a, b := play(t, w, 9, 4), play(t, chain, 9, 4)
	for i := range a {
		x, _, _ := strings.Cut(user(a[i]).Text, "\n")
		y, _, _ := strings.Cut(user(b[i]).Text, "\n")
		if len(a) != len(b) || x != y || !reflect.DeepEqual(user(a[i]).Images, user(b[i]).Images) {
			t.Errorf("call %d is %q side by side, %q in a chain", i, x, y)
		}
	}
}

// A session ends with a failed answer, also where others are on their way.
func TestFailedAnswerEnds(t *testing.T) {
	for _, parallel := range []bool{true, false} {
		w := build(t, func(c *Config) { c.Inspect, c.Parallel = 3, parallel })
		s := w.Session(1, 1)
		s.Next(-1, nil)
		sent := 1 + len(s.Next(0, &loadgen.Answer{Outcome: results.OK}))
		if more := s.Next(1, &loadgen.Answer{Outcome: results.Timeout}); len(more) != 0 {
			t.Errorf("parallel %v: %d calls after a failed one", parallel, len(more))
		}
		for call := 2; call < sent; call++ {
			if more := s.Next(call, &loadgen.Answer{Outcome: results.OK}); len(more) != 0 {
				t.Errorf("parallel %v: %d calls after a failed one and call %d", parallel, len(more), call)
			}
		}
	}
}

// Prefixes are so many, even among sessions, and the same in all calls of one.
func TestPrefixes(t *testing.T) {
	const prefixes, sessions = 4, 400
	w := build(t, func(c *Config) { c.SharedPrefix, c.Prefixes, c.Inspect = 30, prefixes, 1 })
	counts := map[string]int{}
	for n := range int64(sessions) {
		system := ""
		for _, r := range play(t, w, 9, n) {
			if system != "" && r.Messages[0].Text != system {
				t.Fatalf("session %d has two system prompts", n)
			}
			system = r.Messages[0].Text
		}
		counts[system]++
	}
	for _, c := range counts {
		// 100 each, with a standard deviation of 8.7.
		if c < 57 || c > 143 {
			t.Errorf("a prefix has %d of %d sessions", c, sessions)
		}
	}
	if len(counts) != prefixes {
		t.Errorf("%d prefixes, want %d", len(counts), prefixes)
	}
	// The first of them is that of a workload with one, and another seed's differ.
	one := play(t, build(t, func(c *Config) { c.SharedPrefix = 30 }), 9, 0)[0].Messages[0].Text
	if other := play(t, w, 10, 0)[0].Messages[0].Text; counts[one] == 0 || counts[other] != 0 {
		t.Errorf("prefix of one: %d sessions, of another seed: %d", counts[one], counts[other])
	}
}

func TestQuoteIsBounded(t *testing.T) {
	long := strings.Repeat("é", quoteMax)
	if got := quote("x"+long, quoteMax); len(got) != quoteMax-1 || strings.Trim(got[1:], "é") != "" {
		t.Errorf("quote gives %d bytes ending in %q", len(got), got[len(got)-3:])
	}
	// Several answers share the bound, but for the words around them.
	for n := 1; n <= 5; n++ {
		got := findings(slices.Repeat([]string{long}, n))
		if c := strings.Count(got, "é") * len("é"); c > quoteMax || c < quoteMax-2*n {
			t.Errorf("%d answers are quoted with %d bytes, want %d", n, c, quoteMax)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for faults, c := range map[int]Config{
		5: {Stages: []string{"dream"}, Images: Default.Images, SharedPrefix: -1},
		1: {Model: "m", Inspect: 1, MaxTokens: 1, Images: Default.Images, Prefixes: 2},
		2: {Model: "m", Inspect: 1, MaxTokens: 1, Images: Default.Images, SharedPrefix: 1000, Prefixes: 10_001},
	} {
		if _, err := New(c); err == nil || strings.Count(err.Error(), "\n") != faults-1 {
			t.Errorf("%d faults gave %v", faults, err)
		}
	}
}
