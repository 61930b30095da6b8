package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"net/http"
	"strings"

	"github.com/evabench/evabench/sim/parameters"
)

// A chatRequest is what of vLLM's chat request the simulated engine
// understands; the rest has no effect, as most of it has none on time. "stop"
// is among the rest: the words of a simulated answer mean nothing.
type chatRequest struct {
	Model               string        `json:"model"`
	Messages            []chatMessage `json:"messages"`
	MaxTokens           *int          `json:"max_tokens"`
	MaxCompletionTokens *int          `json:"max_completion_tokens"`
	MinTokens           int           `json:"min_tokens"`
	N                   *int          `json:"n"`
	IgnoreEOS           bool          `json:"ignore_eos"`
	Stream              bool          `json:"stream"`
	StreamOptions       *struct {
		IncludeUsage bool `json:"include_usage"`
		Continuous   bool `json:"continuous_usage_stats"`
	} `json:"stream_options"`
}

type chatMessage struct {
	Role    string      `json:"role"`
	Content chatContent `json:"content"`
}

// chatContent is a text or a list of parts.
type chatContent []chatPart

type chatPart struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	ImageURL struct {
		URL string `json:"url"`
	} `json:"image_url"`
}

// UnmarshalJSON takes both forms, and null.
func (c *chatContent) UnmarshalJSON(data []byte) error {
	switch data[0] {
	case 'n':
		*c = nil
		return nil
	case '"':
		var text string
		err := json.Unmarshal(data, &text)
		*c = chatContent{{Type: "text", Text: text}}
		return err
	}
	return json.Unmarshal(data, (*[]chatPart)(c))
}

// A chatFault is a refusal, in vLLM's words.
type chatFault struct {
	code          int
	kind, message string
}

func badRequest(format string, args ...any) *chatFault {
	return &chatFault{http.StatusBadRequest, "BadRequestError", fmt.Sprintf(format, args...)}
}

// parseChat reads a body. What does not fit the schema has the type "Bad
// Request", as FastAPI's validation has in vLLM, not "BadRequestError".
func parseChat(contentType string, body []byte) (r chatRequest, fault *chatFault) {
	refuse := func(format string, args ...any) (chatRequest, *chatFault) {
		return r, &chatFault{http.StatusBadRequest, "Bad Request", fmt.Sprintf(format, args...)}
	}
	if kind, _, _ := strings.Cut(contentType, ";"); !strings.EqualFold(kind, "application/json") {
		return refuse("Unsupported Media Type: Only 'application/json' is allowed")
	}
	body, images := takeImages(body)
	if err := json.Unmarshal(body, &r); err != nil {
		return refuse("%v", err)
	}
	r.putBack(images)
	if len(r.Messages) == 0 {
		return refuse("messages: at least one is needed")
	}
	if r.StreamOptions != nil && !r.Stream {
		return refuse("Stream options can only be defined when `stream=True`.")
	}
	return r, nil
}

// A prompt is what a request costs.
type prompt struct {
	seed                        uint64
	tokens, imageTokens, images int // tokens hold imageTokens
	minOutput, maxOutput        int
	prefix                      []uint64 // chained content hash of each whole block
	imageKeys                   []uint64 // content hash of each image
}

// measure counts a request's tokens and checks it against the context length;
// block is the tokens of a block of the KV cache.
func (r *chatRequest) measure(context, block int) (p prompt, fault *chatFault) {
	if r.N != nil && *r.N != 1 {
		return p, badRequest("n is %d: a simulated engine gives exactly one choice", *r.N)
	}
	h := tokenHash{block: block}
	for _, m := range r.Messages {
		role := contentHash([]byte(m.Role))
		for range parameters.TurnTokens { // the template's words around a turn
			h.add(role)
		}
		for _, part := range m.Content {
			switch part.Type {
			case "text":
				h.text(part.Text)
			case "image_url":
				key, n, err := imageTokens(part.ImageURL.URL)
				if err != nil {
					return p, badRequest("%v", err)
				}
				for i := range n {
					h.add(key + uint64(i))
				}
				p.imageKeys = append(p.imageKeys, key)
				p.imageTokens += n
			default:
				return p, badRequest("Unknown part type: %s", part.Type)
			}
		}
	}
	p.images = len(p.imageKeys)
	p.tokens, p.seed, p.prefix = h.tokens, h.sum, h.blocks
	return p, p.limit(r, context)
}

// limit sets how long the answer may be.
func (p *prompt) limit(r *chatRequest, context int) *chatFault {
	p.maxOutput = context - p.tokens
	for _, given := range []*int{r.MaxTokens, r.MaxCompletionTokens} { // the newer name wins
		if given != nil {
			p.maxOutput = *given
		}
	}
	asked := r.MaxTokens != nil || r.MaxCompletionTokens != nil
	if asked && p.maxOutput < 1 {
		return badRequest("max_tokens must be at least 1, got %d.", p.maxOutput)
	}
	if p.maxOutput < 1 || p.tokens+p.maxOutput > context {
		return badRequest("This model's maximum context length is %d tokens. However, you requested %d output tokens "+
			"and your prompt contains %d input tokens, for a total of %d tokens. Please reduce the length of the input "+
			"prompt or the number of requested output tokens.",
			context, max(1, p.maxOutput), p.tokens, p.tokens+max(1, p.maxOutput))
	}
	p.minOutput = r.MinTokens
	if p.minOutput < 0 || p.minOutput > p.maxOutput {
		return badRequest("min_tokens must be between 0 and max_tokens=%d, got %d.", p.maxOutput, p.minOutput)
	}
	return nil
}

// imageTokens reads a data URL: the image's content hash, and its tokens.
func imageTokens(url string) (key uint64, tokens int, err error) {
	encoded, ok := strings.CutPrefix(url, imageURL)
	if !ok {
		return 0, 0, errors.New("image_url: a simulated server takes data:image/jpeg;base64 URLs only")
	}
	frame, err := decodeBase64(encoded)
	if err != nil {
		return 0, 0, fmt.Errorf("image_url: %w", err)
	}
	width, height, err := jpegSize(frame)
	if err != nil {
		return 0, 0, fmt.Errorf("image_url: cannot identify image: %w", err)
	}
	return contentHash(frame), parameters.ImageTokens(width, height), nil
}

// A tokenHash is the chained hash of a prompt's tokens, of which the hash at
// the end of each whole block is kept: two prompts with the same block hash
// are the same up to there.
type tokenHash struct {
	block, tokens int
	sum           uint64
	blocks        []uint64
}

func (h *tokenHash) add(token uint64) {
	// The folded multiplication of wyhash; its constants are primes.
	hi, lo := bits.Mul64(h.sum^token^0xa0761d6478bd642f, 0xe7037ed1a0b428db^uint64(h.tokens))
	h.sum = hi ^ lo
	h.tokens++
	if h.tokens%h.block == 0 {
		h.blocks = append(h.blocks, h.sum)
	}
}

// text adds a text's tokens: four bytes each, and the last one the rest, so
// that texts that begin alike have tokens that begin alike.
func (h *tokenHash) text(s string) {
	n := parameters.TextTokens(len(s))
	for i := range n {
		piece := s[min(4*i, len(s)):]
		if i < n-1 {
			piece = piece[:min(4, len(piece))]
		}
		var token uint64
		for _, c := range []byte(piece) {
			token = token<<8 ^ uint64(c) ^ token>>56
		}
		h.add(token)
	}
}
