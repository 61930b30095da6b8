// Package vision asks detectors to look at camera frames: each session is one
// request, of a class drawn by weight, with one image.
package vision

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/images"
)

// Config is the arguments of the kind.
type Config struct {
	Images  images.Config `yaml:"images" json:"images"`
	Classes []Class       `yaml:"classes" json:"classes"` // at least one
}

// A Class is one sort of request.
type Class struct {
	Name  string `yaml:"name" json:"name"`   // kept in the samples; empty means Model
	Model string `yaml:"model" json:"model"` // as the server knows it
	// Weight is the class's share of all requests, against the sum of all
	// weights; 0 means 1.
	Weight float64 `yaml:"weight" json:"weight,omitempty"`
	// Labels is what to look for, for models of open vocabulary.
	Labels []string `yaml:"labels" json:"labels,omitempty"`
}

// Kind is vision for the family's list.
var Kind = kind.New("vision", "one camera frame a request, classes by weight", Config{Images: images.Default}, New)

// New draws or reads the frames and makes the workload.
func New(c Config) (loadgen.Workload, error) {
	w := &workload{}
	var faults []error
	if len(c.Classes) == 0 {
		faults = append(faults, errors.New("workload vision: there is no class"))
	}
	names := map[string]bool{}
	for i, class := range c.Classes {
		if class.Model == "" {
			faults = append(faults, fmt.Errorf("workload vision: class %d names no model", i+1))
		}
		if class.Name == "" {
			class.Name = class.Model
		}
		if names[class.Name] {
			faults = append(faults, fmt.Errorf("workload vision: class %q stands twice", class.Name))
		}
		names[class.Name] = true
		if class.Weight == 0 {
			class.Weight = 1
		}
		if !(class.Weight > 0) || math.IsInf(class.Weight, 1) {
			faults = append(faults, fmt.Errorf("workload vision: the weight %v of class %q is not positive", class.Weight, class.Name))
		}
		class.Labels = slices.Clone(class.Labels)
		w.classes = append(w.classes, class)
		w.total += class.Weight
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	var err error
	if w.frames, err = images.Open(c.Images); err != nil {
		return nil, fmt.Errorf("workload vision: %w", err)
	}
	return w, nil
}

type workload struct {
	classes []Class
	total   float64
	frames  *images.Set
}

// Session makes a session of one request; class and frame depend on seed and n
// alone.
func (w *workload) Session(seed uint64, n int64) loadgen.Session {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	at := r.Float64() * w.total
	class := w.classes[len(w.classes)-1] // if rounding leaves a rest
	for _, c := range w.classes {
		if at -= c.Weight; at < 0 {
			class = c
			break
		}
	}
	return &session{&loadgen.Request{
		Class: class.Name, Model: class.Model, Labels: class.Labels, Image: w.frames.At(r.Uint64()),
	}}
}

// Classes tells the names of all classes.
func (w *workload) Classes() []string {
	names := make([]string, len(w.classes))
	for i, c := range w.classes {
		names[i] = c.Name
	}
	return names
}

type session struct{ request *loadgen.Request }

func (s *session) Next(prev *loadgen.Answer) (*loadgen.Request, bool) {
	if prev != nil {
		return nil, false
	}
	return s.request, true
}
