// Package agent asks a vision language model as EVA's agent does: a session of
// dependent calls, one after the other or some side by side, that takes a
// question apart, looks at images, and decides.
package agent

import (
	"errors"
	"fmt"
	"slices"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/images"
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
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	frames, err := images.Open(c.Images)
	if err != nil {
		return nil, fmt.Errorf("workload agent: %w", err)
	}
	w := &workload{config: c, frames: frames, prompts: new(prompts)}
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
