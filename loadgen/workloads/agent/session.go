package agent

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/images"
)

// quoteMax bounds how much of an answer the next call quotes, in bytes, so that
// a session's prompts stay within the model's context.
const quoteMax = 4000

// A workload holds what all sessions share.
type workload struct {
	config Config
	calls  []string // the stage of each call
	frames *images.Set
	nonce  string
}

// WithNonce mixes the nonce into what Unique makes unlike: the number of the
// case and the pattern over the image.
func (w *workload) WithNonce(nonce string) loadgen.Workload {
	with := *w
	with.nonce = nonce
	return &with
}

// Session draws everything of a session but what it will quote, images
// included, before its first call is due.
func (w *workload) Session(seed uint64, n int64) loadgen.Session {
	s := &session{workload: w}
	if !w.config.Unique {
		n = 0
	}
	if w.config.SharedPrefix > 0 {
		s.system = words(rand.New(rand.NewPCG(seed, 0)), w.config.SharedPrefix)
	}
	r := rand.New(rand.NewPCG(seed, uint64(n)+1))
	u := r
	if w.config.Unique {
		u = w.unlike(seed, n)
	}
	for i, stage := range w.calls {
		c := call{stage: stage}
		c.text = fmt.Sprintf("Case %016x-%d-%d: %s. %s", u.Uint64(), n, i, words(r, 12), tasks[stage])
		if stage == inspect {
			c.image = w.image(r.Uint64(), u.Uint64())
		}
		s.calls = append(s.calls, c)
	}
	return s
}

// Classes tells the first stage, with which every session begins.
func (w *workload) Classes() []string { return w.calls[:1] }

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

type session struct {
	*workload
	system string
	calls  []call // those to come
}

// Next gives the next call, which quotes the answer to the one before.
func (s *session) Next(prev *loadgen.Answer) (*loadgen.Request, bool) {
	if len(s.calls) == 0 {
		return nil, false
	}
	c := s.calls[0]
	s.calls = s.calls[1:]
	text := c.text
	if prev != nil {
		text += "\nThe step before found: " + quote(prev.Text)
	}
	var messages []loadgen.Message
	if s.system != "" {
		messages = append(messages, loadgen.Message{Role: "system", Text: s.system})
	}
	user := loadgen.Message{Role: "user", Text: text}
	if c.image != nil {
		user.Images = [][]byte{c.image}
	}
	return &loadgen.Request{
		Class: c.stage, Model: s.config.Model, Messages: append(messages, user), MaxTokens: s.config.MaxTokens,
	}, true
}

// quote cuts an answer at quoteMax bytes, and to whole characters.
func quote(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), quoteMax)], "")
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
