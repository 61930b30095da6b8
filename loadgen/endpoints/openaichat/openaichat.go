// Package openaichat asks a server of OpenAI's chat completions API, such as
// vLLM, its router or llama-server, streaming or not.
package openaichat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/loadgen/internal/jsonscan"
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
	// default, every request has its own; but in HTTP/2 all share one.
	//
	// Note: calls of an Agent follow each other at once, and servers may close
	// a connection just when the next request is on its way (llama-server does
	// after every stream, uvicorn after 5 s). Such a request is a reset that
	// is nobody's fault, and sending it again could make the server answer
	// twice. A connection costs a fraction of a millisecond; a call, seconds.
	KeepAlive bool `yaml:"keep_alive" json:"keep_alive,omitempty"`
	// Key is the server's, if it asks for one.
	trust.Key `yaml:",inline"`
	Check     Check `yaml:"check" json:"check,omitzero"`
	// Transport says how requests travel. Streams are never compressed; a whole
	// answer has no first token that unpacking it could hold up.
	Transport httpx.Transport `yaml:"transport" json:"transport,omitzero"`
}

// A Check says what answers are held to, besides that they must say something:
// some text, a tool call or tokens that the server counted.
type Check struct {
	// Nonempty asks for text.
	Nonempty bool `yaml:"nonempty" json:"nonempty,omitempty"`
	// MinTokens bounds the tokens of the answer as the server counts them, or the
	// chunks of a stream where it tells no tokens.
	MinTokens int64 `yaml:"min_tokens" json:"min_tokens,omitempty"`
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
	d := &dialer{config: c, dial: dial, fields: []httpx.Field{
		{Name: "Content-Type", Value: "application/json"}, {Name: "User-Agent", Value: "evabench"},
	}}
	var faults []error
	var err error
	if d.extra, err = extra(c); err != nil {
		faults = append(faults, err)
	}
	if c.Check.MinTokens < 0 {
		faults = append(faults, fmt.Errorf("check: min_tokens is %d", c.Check.MinTokens))
	}
	if c.Stream && c.Transport.Gzip {
		faults = append(faults, errors.New("transport: gzip does nothing with stream: true, which is never asked for compressed"))
	}
	key, field, err := c.Key.Read()
	if err != nil {
		faults = append(faults, err)
	}
	if d.key = key; key != "" {
		d.fields = append(d.fields, httpx.Field(field))
	}
	if err := d.request(nil).Check(); err != nil {
		faults = append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("endpoint openai-chat: %w", err)
	}
	return d, nil
}

// extra writes what is the same in every body and stands before the messages,
// in an order that stays.
func extra(c Config) ([]byte, error) {
	var text []byte
	for _, name := range slices.Sorted(maps.Keys(c.Extra)) {
		if slices.Contains(reserved, name) {
			return nil, fmt.Errorf("extra may not set %q", name)
		}
		var b bytes.Buffer
		w := json.NewEncoder(&b)
		w.SetEscapeHTML(false)
		if err := w.Encode(c.Extra[name]); err != nil {
			return nil, fmt.Errorf("extra: %w", err)
		}
		text = jsonscan.AppendQuoted(append(text, ','), name)
		text = append(append(text, ':'), bytes.TrimSpace(b.Bytes())...)
	}
	if c.Stream {
		text = append(text, `,"stream":true,"stream_options":{"include_usage":true}`...)
	}
	return text, nil
}

type dialer struct {
	config Config
	dial   httpx.DialFunc
	fields []httpx.Field
	key    string // the API key, or empty
	extra  []byte
}

// Tells reports a first token of streams. Servers count an answer's tokens either way.
func (d *dialer) Tells() (first, tokens bool) { return d.config.Stream, true }

func (d *dialer) Dial(base string) (loadgen.Endpoint, error) {
	u, err := httpx.ParseBase(base)
	if err != nil {
		return nil, fmt.Errorf("endpoint openai-chat: %w", err)
	}
	client, err := httpx.New(httpx.Config{
		Base: u, Transport: d.config.Transport, Sheds: sheds, Secret: d.key, Dial: d.dial,
		NewReader: func() httpx.Reader { return &reader{config: d.config} },
	})
	if err != nil {
		return nil, fmt.Errorf("endpoint openai-chat: %w", err)
	}
	return endpoint{client, d}, nil
}

type endpoint struct {
	*httpx.Client
	dialer *dialer
}
