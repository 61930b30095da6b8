// Package prefixhash sends requests that begin alike to one instance, whose
// prefix cache then holds their beginning.
package prefixhash

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/loadgen"
)

// Config is the arguments of the kind.
type Config struct {
	// Chars is how many characters of the prompt's beginning must be alike, 1 to
	// 1000000.
	Chars int `yaml:"chars" json:"chars"`
	// Load bounds an instance's requests in flight, that to be sent included, at so
	// many times the mean; what is above goes to the next instance of its prefix.
	// It is 1 or more; 0 means no bound.
	Load float64 `yaml:"load" json:"load"`
	// System counts the system prompt to the beginning, as a server's prefix cache
	// does. Without it the first message of another role begins the prompt.
	System bool `yaml:"system" json:"system"`
}

// Default is the arguments that a scenario's are written over.
//
// Note: routers that know nothing of the servers' caches do the same with other
// numbers. KubeAI's PrefixHash takes 100 characters and a bound of 1.25 of the
// mean load; the prefix_hash of SGLang's gateway is bounded likewise; vLLM's
// production stack hashes the whole prompt in pieces of 128 characters, and
// takes the instance with the longest match. The cache-aware routers of SGLang
// and NVIDIA Dynamo mirror the caches themselves and are compared by a service
// whose URL is theirs.
var Default = Config{Chars: 256, Load: 1.25, System: true}

// Kind is prefix-hash for the family's list.
var Kind = kind.New("prefix-hash", "requests that begin alike to one instance, with bounded load", Default, New)

// New makes a router that keeps nothing: each prefix has an order of instances
// of its own (rendezvous hashing, Thaler and Ravishankar, 1998), and takes the
// first that is within the bound (Mirrokni, Thorup and Zadimoghaddam, Consistent
// Hashing with Bounded Loads, 2018). A request without text takes its session for
// its prefix.
func New(c Config) (loadgen.Router, error) {
	var faults []error
	if c.Chars < 1 || c.Chars > 1_000_000 {
		faults = append(faults, fmt.Errorf("router prefix-hash: chars %d is not within 1 to 1000000", c.Chars))
	}
	if c.Load != 0 && !(c.Load >= 1 && c.Load <= 1000) {
		faults = append(faults, fmt.Errorf("router prefix-hash: load %v is neither 0 nor within 1 to 1000", c.Load))
	}
	return router{c}, errors.Join(faults...)
}

type router struct{ Config }

func (r router) Pick(session int64, q *loadgen.Request, outstanding []int64) int {
	bound := r.bound(outstanding)
	key, told := r.prefix(q)
	if !told {
		key = mix(uint64(session) + 1)
	}
	best, most := -1, uint64(0)
	for i, n := range outstanding {
		if score := mix(key + uint64(i)); n != loadgen.Out && n < bound && (best < 0 || score > most) {
			best, most = i, score
		}
	}
	return best
}

// bound is how many in flight an instance has not to reach. At least one has
// fewer: the mean with one more request is above the least.
func (r router) bound(outstanding []int64) int64 {
	if r.Load == 0 {
		return math.MaxInt64
	}
	total, in := int64(1), 0
	for _, n := range outstanding {
		if n != loadgen.Out {
			total += n
			in++
		}
	}
	return int64(math.Ceil(r.Load * float64(total) / float64(in)))
}

// prefix hashes the prompt's beginning, with 64-bit FNV-1a; false without text.
func (r router) prefix(q *loadgen.Request) (uint64, bool) {
	h, left := uint64(14695981039346656037), r.Chars
	begun := false
	for _, m := range q.Messages {
		if m.Role == "system" && !r.System && !begun {
			continue
		}
		begun = true
		for i := 0; i < len(m.Text) && left > 0; left-- {
			_, size := utf8.DecodeRuneInString(m.Text[i:])
			for _, b := range []byte(m.Text[i : i+size]) {
				h = (h ^ uint64(b)) * 1099511628211
			}
			i += size
		}
		if left == 0 {
			break
		}
		h = (h ^ 0xff) * 1099511628211 // no text has this byte: one message or two
	}
	return mix(h), left < r.Chars
}

// mix is SplitMix64's output function (Steele, Lea and Flood, OOPSLA 2014).
func mix(z uint64) uint64 {
	z *= 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
