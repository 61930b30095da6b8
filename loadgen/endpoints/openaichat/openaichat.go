// Package openaichat asks a server of OpenAI's chat completions API, such as
// vLLM, its router or llama-server, streaming or not.
package openaichat

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/httpx"
)

// Config is the arguments of the kind.
type Config struct {
	// Stream asks for tokens as they come; without it there is no time to
	// first token.
	Stream bool `yaml:"stream" json:"stream"`
	// Path is put after the service's URL.
	Path string `yaml:"path" json:"path"`
	// Model overrides the model's name in requests; empty leaves it.
	Model string `yaml:"model" json:"model,omitempty"`
	// Extra is put into every request's body, such as cache_prompt: false or
	// ignore_eos: true.
	Extra map[string]any `yaml:"extra" json:"extra,omitempty"`
	// KeepAlive uses a connection for more than one request. Without it, the
	// default, every request has its own.
	//
	// Note: calls of an Agent follow each other at once, and servers may close
	// a connection just when the next request is on its way (llama-server does
	// after every stream, uvicorn after 5 s). Such a request is a reset that
	// is nobody's fault, and sending it again could make the server answer
	// twice. A connection costs a fraction of a millisecond; a call, seconds.
	KeepAlive bool `yaml:"keep_alive" json:"keep_alive,omitempty"`
	// APIKeyEnv names the environment variable that holds the API key; the key
	// itself is never written anywhere.
	APIKeyEnv string `yaml:"api_key_env" json:"api_key_env,omitempty"`
}

// Default is the arguments that a scenario's are written over.
var Default = Config{Stream: true, Path: "/v1/chat/completions"}

// Kind is openai-chat for the family's list.
var Kind = kind.New("openai-chat", "OpenAI chat completions: vLLM, its router, llama-server",
	Default, func(c Config) (loadgen.Dialer, error) { return New(c, nil) })

// reserved are the fields of the body that are ours.
var reserved = []string{"messages", "model", "max_tokens", "stream", "stream_options"}

// New makes a dialer. A nil dial means TCP. The API key is read here.
func New(c Config, dial httpx.DialFunc) (loadgen.Dialer, error) {
	d := &dialer{config: c, dial: dial, header: http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"evabench"},
	}}
	if !strings.HasPrefix(c.Path, "/") {
		return nil, fmt.Errorf("endpoint openai-chat: path %q does not begin with a slash", c.Path)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Extra)) {
		if slices.Contains(reserved, name) {
			return nil, fmt.Errorf("endpoint openai-chat: extra may not set %q", name)
		}
	}
	if _, err := json.Marshal(c.Extra); err != nil {
		return nil, fmt.Errorf("endpoint openai-chat: extra: %w", err)
	}
	if c.APIKeyEnv != "" {
		key := os.Getenv(c.APIKeyEnv)
		if key == "" {
			return nil, fmt.Errorf("endpoint openai-chat: the environment variable %s of api_key_env is not set", c.APIKeyEnv)
		}
		d.header.Set("Authorization", "Bearer "+key)
	}
	return d, nil
}

type dialer struct {
	config Config
	dial   httpx.DialFunc
	header http.Header
}

func (d *dialer) Dial(base string) (loadgen.Endpoint, error) {
	u, err := httpx.ParseBase(base)
	if err != nil {
		return nil, fmt.Errorf("endpoint openai-chat: %w", err)
	}
	return &endpoint{d, u.JoinPath(d.config.Path), httpx.NewClient(d.dial)}, nil
}

type endpoint struct {
	*dialer
	url    *url.URL
	client *httpx.Client
}

func (e *endpoint) Close() { e.client.Close() }

// Prepare writes the request's body.
func (e *endpoint) Prepare(r *loadgen.Request) (loadgen.Prepared, error) {
	if len(r.Messages) == 0 {
		return nil, errors.New("endpoint openai-chat: the request has no messages")
	}
	body := map[string]any{"messages": messages(r.Messages), "model": r.Model}
	maps.Copy(body, e.config.Extra)
	if e.config.Model != "" {
		body["model"] = e.config.Model
	}
	if r.MaxTokens > 0 {
		body["max_tokens"] = r.MaxTokens
	}
	if e.config.Stream {
		body["stream"] = true
		body["stream_options"] = map[string]bool{"include_usage": true}
	}
	var b bytes.Buffer
	w := json.NewEncoder(&b)
	w.SetEscapeHTML(false)
	if err := w.Encode(body); err != nil {
		return nil, fmt.Errorf("endpoint openai-chat: write the request: %w", err)
	}
	return prepared{e, httpx.Call{URL: e.url, Header: e.header, Body: b.Bytes(), Close: !e.config.KeepAlive}}, nil
}

type message struct {
	Role    string `json:"role"`
	Content any    `json:"content"` // a string, or parts
}

type part struct {
	Type     string    `json:"type"`
	Text     string    `json:"text,omitempty"`
	ImageURL *imageURL `json:"image_url,omitempty"`
}

type imageURL struct {
	URL string `json:"url"`
}

func messages(in []loadgen.Message) []message {
	out := make([]message, len(in))
	for i, m := range in {
		out[i] = message{m.Role, m.Text}
		if len(m.Images) == 0 {
			continue
		}
		parts := []part{{Type: "text", Text: m.Text}}
		for _, jpeg := range m.Images {
			parts = append(parts, part{Type: "image_url", ImageURL: &imageURL{
				"data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(jpeg),
			}})
		}
		out[i].Content = parts
	}
	return out
}

type prepared struct {
	endpoint *endpoint
	call     httpx.Call
}

// Aim gives the same request for another endpoint of the same dialer.
func (p prepared) Aim(to loadgen.Endpoint) (loadgen.Prepared, bool) {
	e, ok := to.(*endpoint)
	if !ok || e.dialer != p.endpoint.dialer {
		return nil, false
	}
	p.endpoint, p.call.URL = e, e.url
	return p, true
}

func (p prepared) Do(ctx context.Context, first func()) loadgen.Answer {
	var read httpx.Reader = readBody
	if p.endpoint.config.Stream {
		read = readStream(p.endpoint.config.KeepAlive)
	}
	return p.endpoint.client.Send(ctx, &p.call, first, read, sheds)
}

// sheds reports whether a 503 speaks of a full queue or of admission.
func sheds(body []byte) bool {
	f, _ := faultOf(body)
	text := strings.ToLower(f.Type + " " + f.Message)
	return strings.Contains(text, "queue") || strings.Contains(text, "admission")
}
