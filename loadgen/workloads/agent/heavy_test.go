package agent

import (
	"bytes"
	"image/jpeg"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/images"
	"github.com/evabench/evabench/results"
)

// A share of the sessions is of the variant, as a whole; the others are what they
// are without one, and the heavy workload has the variant alone.
func TestHeavySessions(t *testing.T) {
	plain := build(t, func(*Config) {})
	with := func(share float64) loadgen.Workload {
		return build(t, func(c *Config) {
			c.Heavy = &Heavy{Share: share, Images: images.Config{Width: 320}, Inspect: 4, MaxTokens: 200}
		})
	}
	mixed := with(0.25)
	all, ok := mixed.(loadgen.Weighted).Heavy()
	if !ok {
		t.Fatal("there is no heavy workload")
	}
	const n = 400
	heavy := 0
	for i := range int64(n) {
		calls := play(t, mixed, 9, i)
		if !strings.HasSuffix(calls[0].Class, results.HeavySuffix) {
			if want := play(t, plain, 9, i); !reflect.DeepEqual(calls, want) {
				t.Fatalf("session %d differs from what it is without heavy ones", i)
			}
			continue
		}
		heavy++
		if want := play(t, all, 9, i); !reflect.DeepEqual(calls, want) {
			t.Fatalf("heavy session %d is another in the heavy workload", i)
		}
		if len(calls) != 6 { // decompose, four times inspect, decide
			t.Fatalf("heavy session %d has %d calls", i, len(calls))
		}
		for _, r := range calls {
			if !strings.HasSuffix(r.Class, results.HeavySuffix) || r.MaxTokens != 200 {
				t.Fatalf("heavy session %d: %s with %d tokens", i, r.Class, r.MaxTokens)
			}
			for _, m := range user(r).Images {
				if size, err := jpeg.DecodeConfig(bytes.NewReader(m)); err != nil || size.Width != 320 || size.Height != 96 {
					t.Fatalf("heavy session %d: an image of %v, %v", i, size, err)
				}
			}
		}
	}
	// The standard deviation is the root of 0.25·0.75/400, 0.022.
	if share := float64(heavy) / n; math.Abs(share-0.25) > 0.09 {
		t.Errorf("heavy sessions have a share of %.3f, want 0.25", share)
	}
	for _, c := range []struct {
		of   loadgen.Workload
		want []string
	}{{plain, []string{"decompose"}}, {mixed, []string{"decompose", "decompose/heavy"}}, {with(0), []string{"decompose"}}, {all, []string{"decompose/heavy"}}} {
		if got := c.of.(loadgen.Classed).Classes(); !slices.Equal(got, c.want) {
			t.Errorf("sessions begin with %v, want %v", got, c.want)
		}
	}
	if _, ok := plain.(loadgen.Weighted).Heavy(); ok {
		t.Error("a workload without variant has a heavy one")
	}
	// The nonce reaches the variant.
	a, b := mixed.(loadgen.Nonced).WithNonce("a").(loadgen.Weighted), mixed.(loadgen.Nonced).WithNonce("b").(loadgen.Weighted)
	x, _ := a.Heavy()
	y, _ := b.Heavy()
	if user(play(t, x, 9, 1)[0]).Text == user(play(t, y, 9, 1)[0]).Text {
		t.Error("heavy sessions do not know the nonce")
	}
}

func TestHeavyRefuses(t *testing.T) {
	for want, h := range map[string]Heavy{
		"the share 1 of heavy sessions":                                   {Share: 1, MaxTokens: 100},
		"the share -0.1 of heavy sessions":                                {Share: -0.1, MaxTokens: 100},
		"heavy sessions have the images, calls and answers of the others": {Share: 0.5, MaxTokens: 64},
		"heavy: workload agent: inspect 1001 is not within 1 to 1000":     {Share: 0.5, Inspect: 1001},
		"heavy: workload agent: max_tokens -5 is not positive":            {Share: 0.5, MaxTokens: -5},
	} {
		c := Default
		c.Model, c.Images, c.Heavy = "m", images.Config{Width: 160, Height: 96, Kilobytes: 8, Count: 2, Seed: 1}, &h
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v, want %s", h, err, want)
		}
	}
}
