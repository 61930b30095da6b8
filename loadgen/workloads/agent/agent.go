// Package agent asks a vision language model as EVA's agent does: a session of
// dependent calls, one after the other or some side by side, that takes a
// question apart, looks at images, and decides.
package agent

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/images"
	"github.com/evabench/evabench/results"
)

// Config is the arguments of the kind.
type Config struct {
	// Model is the name in requests, as the server knows it.
	Model string `yaml:"model" json:"model"`
	// Stages are the calls of a session in their order: decompose (text),
	// inspect (an image each, as often as Inspect says) and decide (text).
	// Empty means all three.
	Stages []string `yaml:"stages" json:"stages,omitempty"`
	// Inspect is how many calls the stage inspect makes.
	Inspect int `yaml:"inspect" json:"inspect"`
	// Parallel sends the calls of a stage inspect side by side, each with what the
	// stage before found; the stage after it quotes all that they found. Without
	// it every call waits for the one before and quotes that, as in the multi-step
	// inference that is told of EVA's agent.
	Parallel bool `yaml:"parallel" json:"parallel,omitempty"`
	// MaxTokens bounds each answer's length.
	MaxTokens int           `yaml:"max_tokens" json:"max_tokens"`
	Images    images.Config `yaml:"images" json:"images"`
	// Unique makes the text and the image's pixels of every call unlike those
	// of any other, so that caches of prefixes and images do not make the
	// server look faster than cameras would find it. A run's nonce is mixed
	// into them, so that not even an earlier run with the same seed has shown
	// them to the server. False repeats them, in every run.
	Unique bool `yaml:"unique" json:"unique"`
	// SharedPrefix is the length, in words, of a system prompt that is the same
	// in every call.
	SharedPrefix int `yaml:"shared_prefix" json:"shared_prefix"`
	// Prefixes is how many system prompts there are, 1 to 10000: a session has one
	// of them in all its calls, drawn evenly. 0 means 1.
	Prefixes int `yaml:"prefixes" json:"prefixes,omitempty"`
	// Heavy makes a share of the sessions heavier; nil makes none.
	Heavy *Heavy `yaml:"heavy" json:"heavy,omitempty"`
}

// Heavy is a variant of the sessions with other images, more of them, or longer
// answers. Its samples' classes are the stages with "/heavy" after them.
type Heavy struct {
	// Share is of the sessions, within [0, 1); 0 makes none but in steps that are
	// heavy as a whole.
	Share float64 `yaml:"share" json:"share"`
	// What is not told is as in the other sessions: numbers that are 0, and Images
	// as a whole or, but for a folder, each of theirs.
	Images    images.Config `yaml:"images" json:"images"`
	Inspect   int           `yaml:"inspect" json:"inspect,omitempty"`
	MaxTokens int           `yaml:"max_tokens" json:"max_tokens,omitempty"`
}

// Default is the arguments that a scenario's are written over.
var Default = Config{Inspect: 2, MaxTokens: 64, Images: images.Default, Unique: true}

// Kind is agent for the family's list.
var Kind = kind.New("agent", "sessions of dependent calls with images: decompose, inspect, decide", Default, New)

// The stages, which are the classes of the samples.
const (
	decompose = "decompose"
	inspect   = "inspect"
	decide    = "decide"
)

// New draws or reads the frames and makes the workload.
func New(c Config) (loadgen.Workload, error) {
	if len(c.Stages) == 0 {
		c.Stages = []string{decompose, inspect, decide}
	}
	c.Stages = slices.Clone(c.Stages)
	if err := check(c); err != nil {
		return nil, err
	}
	return assemble(c)
}

// check tells all that is wrong with the arguments.
func check(c Config) error {
	var faults []error
	bad := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("workload agent: "+format, args...))
	}
	if c.Model == "" {
		bad("there is no model")
	}
	for _, s := range c.Stages {
		if s != decompose && s != inspect && s != decide {
			bad("unknown stage %q; known: %s, %s, %s", s, decompose, inspect, decide)
		}
	}
	if c.Inspect < 1 || c.Inspect > 1000 {
		bad("inspect %d is not within 1 to 1000", c.Inspect)
	}
	if c.MaxTokens < 1 {
		bad("max_tokens %d is not positive", c.MaxTokens)
	}
	if c.SharedPrefix < 0 || c.SharedPrefix > 1_000_000 {
		bad("shared_prefix %d is not within 0 to 1000000", c.SharedPrefix)
	}
	if c.Prefixes < 0 || c.Prefixes > 10_000 {
		bad("prefixes %d is not within 1 to 10000", c.Prefixes)
	}
	if c.Prefixes > 1 && c.SharedPrefix == 0 {
		bad("prefixes %d without shared_prefix, their length", c.Prefixes)
	}
	if c.SharedPrefix*c.Prefixes > 10_000_000 {
		bad("%d prefixes of %d words are more than 10000000 words", c.Prefixes, c.SharedPrefix)
	}
	if h := c.Heavy; h != nil {
		if !(h.Share >= 0 && h.Share < 1) {
			bad("the share %v of heavy sessions is not 0 or between 0 and 1", h.Share)
		}
		if h.over(c) == (Heavy{Share: h.Share, Images: c.Images, Inspect: c.Inspect, MaxTokens: c.MaxTokens}) {
			bad("heavy sessions have the images, calls and answers of the others")
		}
	}
	return errors.Join(faults...)
}

// over gives the variant as it is told, and what is not told from c.
func (h Heavy) over(c Config) Heavy {
	if h.Images == (images.Config{}) {
		h.Images = c.Images // a folder's, too
	}
	h.Images = h.Images.Over(c.Images)
	h.Inspect, h.MaxTokens = cmp.Or(h.Inspect, c.Inspect), cmp.Or(h.MaxTokens, c.MaxTokens)
	return h
}

// assemble makes the workload of arguments that are good, and that of its variant.
func assemble(c Config) (*workload, error) {
	frames, err := images.Open(c.Images)
	if err != nil {
		return nil, fmt.Errorf("workload agent: %w", err)
	}
	w := &workload{config: c, frames: frames, prompts: new(prompts)}
	if c.Heavy != nil {
		h, of := c.Heavy.over(c), c
		of.Heavy, of.Images, of.Inspect, of.MaxTokens = nil, h.Images, h.Inspect, h.MaxTokens
		if err := check(of); err != nil {
			return nil, fmt.Errorf("heavy: %w", err)
		}
		if w.heavy, err = assemble(of); err != nil {
			return nil, fmt.Errorf("heavy: %w", err)
		}
		w.heavy.variant = results.HeavySuffix
	}
	for _, stage := range c.Stages {
		for i := range repeats(stage, c.Inspect) {
			if i == 0 || !c.Parallel {
				w.steps = append(w.steps, nil)
			}
			at := len(w.steps) - 1
			w.steps[at] = append(w.steps[at], stage)
		}
	}
	return w, nil
}

func repeats(stage string, inspects int) int {
	if stage == inspect {
		return inspects
	}
	return 1
}
