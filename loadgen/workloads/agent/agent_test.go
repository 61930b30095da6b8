package agent

import (
	"bytes"
	"image"
	"image/jpeg"
	"reflect"
	"strings"
	"testing"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/images"
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

// play runs a session to its end; each answer tells its call's place.
func play(w loadgen.Workload, seed uint64, n int64) (all []*loadgen.Request) {
	s := w.Session(seed, n)
	var prev *loadgen.Answer
	for {
		r, more := s.Next(prev)
		if !more {
			return all
		}
		all = append(all, r)
		prev = &loadgen.Answer{Text: "finding " + strings.Repeat("!", len(all))}
	}
}

func user(r *loadgen.Request) loadgen.Message { return r.Messages[len(r.Messages)-1] }

func TestSession(t *testing.T) {
	w := build(t, func(c *Config) { c.Inspect = 3; c.SharedPrefix = 40 })
	calls := play(w, 9, 4)
	var stages []string
	for i, r := range calls {
		stages = append(stages, r.Class)
		if (len(user(r).Images) == 1) != (r.Class == "inspect") {
			t.Errorf("call %d, %s, has %d images", i, r.Class, len(user(r).Images))
		}
		if quoted := strings.Contains(user(r).Text, "finding "+strings.Repeat("!", max(i, 1))); quoted != (i > 0) {
			t.Errorf("call %d quotes the one before: %v", i, quoted)
		}
		if r.Model != "vlm" || r.MaxTokens != 64 || r.Messages[0].Role != "system" || len(strings.Fields(r.Messages[0].Text)) != 40 {
			t.Errorf("call %d: %+v", i, r)
		}
	}
	if got := strings.Join(stages, " "); got != "decompose inspect inspect inspect decide" {
		t.Errorf("stages %s", got)
	}
	if again := play(w, 9, 4); !reflect.DeepEqual(calls, again) {
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
			for _, r := range play(w, 9, n) {
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
		with := func(nonce string) []*loadgen.Request { return play(w.(loadgen.Nonced).WithNonce(nonce), 9, 3) }
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

func TestQuoteIsBounded(t *testing.T) {
	if got := quote("x" + strings.Repeat("é", quoteMax)); len(got) != quoteMax-1 || strings.Trim(got[1:], "é") != "" {
		t.Errorf("quote gives %d bytes ending in %q", len(got), got[len(got)-3:])
	}
}

func TestNewRefuses(t *testing.T) {
	c := Config{Stages: []string{"dream"}, Images: Default.Images, SharedPrefix: -1}
	if _, err := New(c); err == nil || strings.Count(err.Error(), "\n") != 4 {
		t.Errorf("five faults gave %v", err)
	}
}
