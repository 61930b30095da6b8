package sim

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"image"
	"net/http"
	"strings"
)

// A chatRequest is what of OpenAI's request the simulated engine understands;
// the rest has no effect, as most of it has none on time.
type chatRequest struct {
	Model               string        `json:"model"`
	Messages            []chatMessage `json:"messages"`
	MaxTokens           *int          `json:"max_tokens"`
	MaxCompletionTokens *int          `json:"max_completion_tokens"`
	IgnoreEOS           bool          `json:"ignore_eos"`
	Stream              bool          `json:"stream"`
	StreamOptions       struct {
		IncludeUsage bool `json:"include_usage"`
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

// UnmarshalJSON takes both forms.
func (c *chatContent) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		var text string
		err := json.Unmarshal(data, &text)
		*c = chatContent{{Type: "text", Text: text}}
		return err
	}
	return json.Unmarshal(data, (*[]chatPart)(c))
}

// A prompt is what a request costs.
type prompt struct {
	seed                        uint64
	tokens, imageTokens, images int // tokens hold imageTokens
	maxOutput                   int
}

// measure counts a request's tokens and checks it against the context length.
func (r chatRequest) measure(context int) (p prompt, err error) {
	if len(r.Messages) == 0 {
		return p, errors.New("messages: at least one is needed")
	}
	hash := fnv.New64a()
	for _, m := range r.Messages {
		p.tokens += 4 // the template's words around a turn
		for _, part := range m.Content {
			switch part.Type {
			case "text":
				// About four characters make a token of English text.
				p.tokens += (len(part.Text) + 3) / 4
				fmt.Fprintf(hash, "%s:%s", m.Role, part.Text)
			case "image_url":
				frame, n, err := imageTokens(part.ImageURL.URL)
				if err != nil {
					return p, err
				}
				hash.Write(frame)
				p.images++
				p.imageTokens += n
			default:
				return p, fmt.Errorf("unknown part type: %q", part.Type)
			}
		}
	}
	p.tokens += p.imageTokens
	p.seed = hash.Sum64()
	p.maxOutput = context - p.tokens
	for _, given := range []*int{r.MaxTokens, r.MaxCompletionTokens} { // the newer name wins
		if given == nil {
			continue
		}
		if *given < 1 {
			return p, fmt.Errorf("max_tokens must be at least 1, got %d", *given)
		}
		p.maxOutput = *given
	}
	if p.maxOutput < 1 || p.tokens+p.maxOutput > context {
		return p, fmt.Errorf("this model's maximum context length is %d tokens, but the request has %d input tokens and asks for %d",
			context, p.tokens, max(1, p.maxOutput))
	}
	return p, nil
}

// imageTokens reads a data URL; each 32 x 32 pixels make a token, as in Qwen3-VL.
func imageTokens(url string) (frame []byte, tokens int, err error) {
	encoded, ok := strings.CutPrefix(url, "data:image/jpeg;base64,")
	if !ok {
		return nil, 0, errors.New("image_url: a simulated server takes data:image/jpeg;base64 URLs only")
	}
	frame, err = base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, 0, fmt.Errorf("image_url: %w", err)
	}
	size, _, err := image.DecodeConfig(bytes.NewReader(frame))
	if err != nil {
		return nil, 0, fmt.Errorf("image_url: cannot identify image: %w", err)
	}
	return frame, ((size.Width + 31) / 32) * ((size.Height + 31) / 32), nil
}

type usage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
}

func (a *answer) usage() usage {
	return usage{a.prompt.tokens, len(a.words), a.prompt.tokens + len(a.words)}
}

// whole answers when all tokens are there.
func (v *vllmServer) whole(w http.ResponseWriter, r *http.Request, a *answer) {
	for range a.words {
		if !v.next(r, a) {
			return
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"id": a.id, "object": "chat.completion", "created": a.created, "model": v.name,
		"choices": []any{map[string]any{
			"index": 0, "finish_reason": a.reason, "logprobs": nil,
			"message": map[string]any{"role": "assistant", "content": strings.Join(a.words, "")},
		}},
		"usage": a.usage(),
	})
}

// A chunk is one event of a stream. Usage is absent unless asked for, then
// null in all events but the last.
type chatChunk struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"`
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []chatChoice `json:"choices"`
	Usage   any          `json:"usage,omitempty"`
}

type chatChoice struct {
	Index  int       `json:"index"`
	Delta  chatDelta `json:"delta"`
	Finish *string   `json:"finish_reason"`
}

type chatDelta struct {
	Role    string `json:"role,omitempty"`
	Content string `json:"content"`
}

// stream answers token by token. As in vLLM, nothing is sent before the first
// token; then the role's event comes just before it.
func (v *vllmServer) stream(w http.ResponseWriter, r *http.Request, a *answer, withUsage bool) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	control := http.NewResponseController(w)
	send := func(choices []chatChoice, u any) {
		c := chatChunk{a.id, "chat.completion.chunk", a.created, v.name, choices, nil}
		if withUsage {
			c.Usage = u
		}
		data, err := json.Marshal(c)
		if err != nil {
			panic(fmt.Sprintf("sim: stream: %v", err)) // our own types always encode
		}
		fmt.Fprintf(w, "data: %s\n\n", data)
	}
	null := json.RawMessage("null")
	for i, word := range a.words {
		if !v.next(r, a) {
			return
		}
		if i == 0 {
			send([]chatChoice{{Delta: chatDelta{Role: "assistant"}}}, null)
		}
		choice := chatChoice{Delta: chatDelta{Content: word}}
		if i == len(a.words)-1 {
			choice.Finish = &a.reason
		}
		send([]chatChoice{choice}, null)
		control.Flush()
	}
	if withUsage {
		send([]chatChoice{}, a.usage())
	}
	fmt.Fprint(w, "data: [DONE]\n\n")
}
