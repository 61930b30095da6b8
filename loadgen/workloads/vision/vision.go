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
	"github.com/evabench/evabench/results"
)

// Config is the arguments of the kind.
type Config struct {
	Images  images.Config `yaml:"images" json:"images"`
	Classes []Class       `yaml:"classes" json:"classes"` // at least one
}

// A Class is one sort of request.
type Class struct {
	// Name is kept in the samples, and SLO clauses can name it; empty means Model.
	Name  string `yaml:"name" json:"name"`
	Model string `yaml:"model" json:"model"` // as the server knows it
	// Weight is the class's share of all requests, against the sum of all
	// weights; 0 means 1.
	Weight float64 `yaml:"weight" json:"weight,omitempty"`
	// Labels is what to look for, for models of open vocabulary.
	Labels []string `yaml:"labels" json:"labels,omitempty"`
	// Heavy makes a share of the class's requests heavier; nil makes none.
	Heavy *Heavy `yaml:"heavy" json:"heavy,omitempty"`
}

// Heavy is a variant of a class with other images. Its samples' class is the
// class's name with "/heavy" after it.
type Heavy struct {
	// Share is of the class's requests, within [0, 1); 0 makes none but in steps
	// that are heavy as a whole.
	Share float64 `yaml:"share" json:"share"`
	// Images are the variant's; what they do not tell is as in the workload's,
	// but for a folder.
	Images images.Config `yaml:"images" json:"images"`
}

// Kind is vision for the family's list.
var Kind = kind.New("vision", "one camera frame a request, classes by weight", Config{Images: images.Default}, New)

// New draws or reads the frames and makes the workload, which is
// [loadgen.Quick]: it has one request for each class and frame.
func New(c Config) (loadgen.Workload, error) {
	classes, err := check(c)
	if err != nil {
		return nil, err
	}
	frames, err := images.Open(c.Images)
	if err != nil {
		return nil, fmt.Errorf("workload vision: %w", err)
	}
	w := &workload{}
	for _, class := range classes {
		o := option{weight: class.Weight, plain: sessions(class, class.Name, frames)}
		if h := class.Heavy; h != nil {
			heavy, err := images.Open(h.Images.Over(c.Images))
			if err != nil {
				return nil, fmt.Errorf("workload vision: class %q: heavy: %w", class.Name, err)
			}
			o.share, o.heavy = h.Share, sessions(class, class.Name+results.HeavySuffix, heavy)
		}
		w.options = append(w.options, o)
		w.total += class.Weight
	}
	return w, nil
}

// check gives the classes with their defaults.
func check(c Config) ([]Class, error) {
	var faults []error
	bad := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("workload vision: "+format, args...))
	}
	if len(c.Classes) == 0 {
		bad("there is no class; give one for each model: classes: [{model: NAME}]")
	}
	names := map[string]bool{}
	named := func(name string) {
		if names[name] {
			bad("class %q stands twice", name)
		}
		names[name] = true
	}
	classes := slices.Clone(c.Classes)
	for i := range classes {
		class := &classes[i]
		if class.Model == "" {
			bad("class %d names no model; give its model: NAME, one of the service's models", i+1)
		}
		if class.Name == "" {
			class.Name = class.Model
		}
		named(class.Name)
		if class.Weight == 0 {
			class.Weight = 1
		}
		if !(class.Weight > 0) || math.IsInf(class.Weight, 1) {
			bad("the weight %v of class %q is not positive", class.Weight, class.Name)
		}
		if h := class.Heavy; h != nil {
			named(class.Name + results.HeavySuffix)
			if !(h.Share >= 0 && h.Share < 1) {
				bad("the share %v of class %q's heavy requests is not 0 or between 0 and 1", h.Share, class.Name)
			}
			if h.Images.Over(c.Images) == c.Images {
				bad("class %q's heavy requests have the images of the others", class.Name)
			}
		}
	}
	return classes, errors.Join(faults...)
}

// sessions makes the session of each frame.
func sessions(c Class, name string, frames *images.Set) []*session {
	all := make([]*session, frames.Count())
	for i := range all {
		all[i] = &session{{Class: name, Model: c.Model, Labels: slices.Clone(c.Labels), Image: frames.At(uint64(i))}}
	}
	return all
}

// An option is a class with its sessions.
type option struct {
	weight, share float64
	plain, heavy  []*session // one for each frame; heavy may be empty
}

type workload struct {
	options []option
	total   float64 // of weights
}

// Requests gives the request of each class, variant and frame that sessions have.
func (w *workload) Requests() (all []*loadgen.Request) {
	for _, o := range w.options {
		for _, s := range o.plain {
			all = append(all, s[0])
		}
		if o.share == 0 {
			continue
		}
		for _, s := range o.heavy {
			all = append(all, s[0])
		}
	}
	return all
}

// Session gives a session of one request; class, variant and frame depend on
// seed and n alone.
func (w *workload) Session(seed uint64, n int64) loadgen.Session {
	var r rand.PCG
	r.Seed(seed, uint64(n))
	at := fraction(&r) * w.total
	o := &w.options[len(w.options)-1] // if rounding leaves a rest
	for i := range w.options {
		if at -= w.options[i].weight; at < 0 {
			o = &w.options[i]
			break
		}
	}
	of, frame := o.plain, r.Uint64()
	if o.share > 0 && fraction(&r) < o.share {
		of = o.heavy
	}
	return of[frame%uint64(len(of))]
}

// Heavy gives the workload whose requests are all of the variants, where a class has
// one: the same classes and frames in the same order.
func (w *workload) Heavy() (loadgen.Workload, bool) {
	h, some := &workload{options: slices.Clone(w.options), total: w.total}, false
	for i := range h.options {
		if o := &h.options[i]; len(o.heavy) > 0 {
			o.plain, o.heavy, o.share, some = o.heavy, nil, 0, true
		}
	}
	return h, some
}

// fraction draws from [0, 1), as rand.Rand.Float64 does, which would need memory
// of its own.
func fraction(r *rand.PCG) float64 { return float64(r.Uint64()<<11>>11) / (1 << 53) }

// Classes tells the names of all classes and variants.
func (w *workload) Classes() []string {
	var names []string
	for _, o := range w.options {
		names = append(names, o.plain[0][0].Class)
		if o.share > 0 {
			names = append(names, o.heavy[0][0].Class)
		}
	}
	return names
}

// Asks tells the classes of Classes, and their models.
func (w *workload) Asks() (classes, models []string) {
	for _, o := range w.options {
		if model := o.plain[0][0].Model; !slices.Contains(models, model) {
			models = append(models, model)
		}
	}
	return w.Classes(), models
}

// A session is its one request. It keeps nothing and is used by all sessions of
// its class and frame at once.
type session [1]*loadgen.Request

func (s *session) Next(call int, _ *loadgen.Answer) []*loadgen.Request {
	if call >= 0 {
		return nil
	}
	return s[:]
}
