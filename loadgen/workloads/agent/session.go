package agent

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/images"
	"github.com/evabench/evabench/results"
)

// quoteMax bounds how much a call quotes, in bytes, so that a session's prompts
// stay within the model's context. Several answers have equal parts of it.
const quoteMax = 4000

// A workload holds what all sessions share.
type workload struct {
	config  Config
	steps   [][]string // the stages of the calls that are sent at once
	frames  *images.Set
	prompts *prompts
	nonce   string
	heavy   *workload // the sessions' variant; nil if there is none
	variant string    // "" or results.HeavySuffix
}

// prompts keeps the system prompts of the last seed: one for all the sessions of
// a step.
type prompts struct{ last atomic.Pointer[drawnPrompts] }

type drawnPrompts struct {
	seed  uint64
	texts []string
}

// of gives the n-th session's system prompt.
func (p *prompts) of(c Config, seed uint64, n int64) string {
	if c.SharedPrefix == 0 {
		return ""
	}
	all := p.last.Load()
	if all == nil || all.seed != seed {
		all = &drawnPrompts{seed: seed}
		r := rand.New(rand.NewPCG(seed, 0))
		for range max(1, c.Prefixes) {
			all.texts = append(all.texts, words(r, c.SharedPrefix))
		}
		p.last.Store(all)
	}
	return all.texts[rand.New(rand.NewPCG(seed, ^uint64(n))).IntN(len(all.texts))]
}

// WithNonce mixes the nonce into what Unique makes unlike: the number of the
// case and the pattern over the image. It makes the frames ready for that, which
// takes some 25 ms of CPU a frame the first time, so that no session waits for it.
func (w *workload) WithNonce(nonce string) loadgen.Workload {
	with := *w
	with.nonce = nonce
	if w.heavy != nil {
		with.heavy = w.heavy.WithNonce(nonce).(*workload)
	}
	if w.config.Unique && slices.Contains(w.config.Stages, inspect) {
		w.frames.Warm()
	}
	return &with
}

// Session draws everything of a session but what it will quote, images
// included, before its first call is due.
func (w *workload) Session(seed uint64, n int64) loadgen.Session {
	if w.heavy != nil && rand.New(rand.NewPCG(seed^heavySeed, uint64(n))).Float64() < w.config.Heavy.Share {
		return w.heavy.Session(seed, n)
	}
	s := &session{config: &w.config, variant: w.variant, system: w.prompts.of(w.config, seed, n)}
	if !w.config.Unique {
		n = 0
	}
	r := rand.New(rand.NewPCG(seed, uint64(n)+1))
	u := r
	if w.config.Unique {
		u = w.unlike(seed, n)
	}
	i := 0
	for _, stages := range w.steps {
		var together []call
		for _, stage := range stages {
			c := call{stage: stage}
			c.text = fmt.Sprintf("Case %016x-%d-%d: %s. %s", u.Uint64(), n, i, words(r, 12), tasks[stage])
			if stage == inspect {
				c.image = w.image(r.Uint64(), u.Uint64())
			}
			together = append(together, c)
			i++
		}
		s.steps = append(s.steps, together)
	}
	return s
}

// heavySeed keeps the draw of the variant apart from all that sessions draw.
const heavySeed = 0x6865617679

// Classes tells the first stage, with which every session begins, and its variant
// if some do with that.
func (w *workload) Classes() []string {
	first := []string{w.steps[0][0] + w.variant}
	if w.heavy != nil && w.config.Heavy.Share > 0 {
		first = append(first, w.heavy.Classes()...)
	}
	return first
}

// Asks tells the stages and, if some sessions are of the variant, its stages, and
// the one model.
func (w *workload) Asks() (classes, models []string) {
	for _, stage := range w.config.Stages {
		classes = append(classes, stage+w.variant)
	}
	if w.heavy != nil && w.config.Heavy.Share > 0 {
		heavy, _ := w.heavy.Asks()
		classes = append(classes, heavy...)
	}
	return slices.Compact(slices.Sorted(slices.Values(classes))), []string{w.config.Model}
}

// Heavy gives the workload whose sessions are all of the variant.
func (w *workload) Heavy() (loadgen.Workload, bool) { return w.heavy, w.heavy != nil }

// unlike draws what no other session of this or any other run draws.
func (w *workload) unlike(seed uint64, n int64) *rand.Rand {
	h := sha256.Sum256(fmt.Appendf(nil, "%d\x00%d\x00%s", seed, n, w.nonce))
	return rand.New(rand.NewChaCha8(h))
}

// image gives a frame, with the pattern over it where images are unique.
func (w *workload) image(frame, pattern uint64) []byte {
	if !w.config.Unique {
		return w.frames.At(frame)
	}
	return w.frames.Unique(frame, pattern)
}

// tasks are what the stages ask.
var tasks = map[string]string{
	decompose: "List what must be seen in the camera's images to answer this.",
	inspect:   "Describe what in this image bears on it.",
	decide:    "Decide whether an alarm must be raised, and say why.",
}

// A call is one request but for the quotation.
type call struct {
	stage, text string
	image       []byte
}

// A session sends the calls of a step together when all of the step before were
// answered.
type session struct {
	config  *Config
	variant string
	system  string
	steps   [][]call           // those to come
	begun   int                // number of the first call on its way
	found   []string           // what the calls on their way were answered
	left    int                // of them, not answered
	next    []*loadgen.Request // given away
}

// Next gives the next step's calls, which quote the answers of the one before.
// After a failed answer there is none.
func (s *session) Next(number int, answer *loadgen.Answer) []*loadgen.Request {
	if number >= 0 {
		if s.left--; answer.Outcome != results.OK {
			s.steps = nil
		}
		s.found[number-s.begun] = answer.Text
	}
	if s.left > 0 || len(s.steps) == 0 {
		return nil
	}
	quoted := findings(s.found)
	s.begun += len(s.found)
	calls := s.steps[0]
	s.steps, s.left, s.found, s.next = s.steps[1:], len(calls), make([]string, len(calls)), s.next[:0]
	for _, c := range calls {
		s.next = append(s.next, s.request(c, quoted))
	}
	return s.next
}

func (s *session) request(c call, quoted string) *loadgen.Request {
	var messages []loadgen.Message
	if s.system != "" {
		messages = append(messages, loadgen.Message{Role: "system", Text: s.system})
	}
	user := loadgen.Message{Role: "user", Text: c.text + quoted}
	if c.image != nil {
		user.Images = [][]byte{c.image}
	}
	return &loadgen.Request{
		Class: c.stage + s.variant, Model: s.config.Model, Messages: append(messages, user), MaxTokens: s.config.MaxTokens,
	}
}

// findings quotes answers in their calls' order; none before the first call.
func findings(texts []string) string {
	var b strings.Builder
	for _, text := range texts {
		b.WriteString("\nThe step before found: " + quote(text, quoteMax/len(texts)))
	}
	return b.String()
}

// quote cuts an answer at so many bytes, and to whole characters.
func quote(text string, most int) string {
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}

// vocabulary is plain words, so that a tokenizer gives about one token each.
var vocabulary = strings.Fields(`camera gate person truck smoke door helmet line floor night yard box
	ladder fire red blue left right near far two three open closed moving still wet dark bright worker
	machine belt road fence window roof cable pipe light shadow hand face car bag dog tree wall corner`)

func words(r *rand.Rand, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(vocabulary[r.IntN(len(vocabulary))])
	}
	return b.String()
}
