// Package torchserve asks a TorchServe inference API to detect things in one
// image: POST /predictions/{model} with the JPEG as the body
// (https://pytorch.org/serve/inference_api.html).
package torchserve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/results"
)

// Config is the arguments of the kind.
type Config struct {
	// ContentType is told with every image. It must be explicit: TorchServe
	// answers a form's content type on JPEG bytes with a very fast 500.
	ContentType string `yaml:"content_type" json:"content_type"`
}

// Kind is torchserve for the family's list.
var Kind = kind.New("torchserve", "TorchServe inference API, one JPEG a request",
	Config{ContentType: "image/jpeg"},
	func(c Config) (loadgen.Dialer, error) { return New(c, nil) })

// New makes a dialer. A nil dial means TCP.
func New(c Config, dial httpx.DialFunc) (loadgen.Dialer, error) {
	if c.ContentType == "" {
		return nil, errors.New("endpoint torchserve: content_type is empty")
	}
	return dialer{c, dial}, nil
}

type dialer struct {
	config Config
	dial   httpx.DialFunc
}

func (d dialer) Dial(base string) (loadgen.Endpoint, error) {
	u, err := httpx.ParseBase(base)
	if err != nil {
		return nil, fmt.Errorf("endpoint torchserve: %w", err)
	}
	header := http.Header{"Content-Type": {d.config.ContentType}, "User-Agent": {"evabench"}}
	return &endpoint{u, header, httpx.NewClient(d.dial)}, nil
}

type endpoint struct {
	base   *url.URL
	header http.Header
	client *httpx.Client
}

func (e *endpoint) Close() { e.client.Close() }

// Prepare takes a request with an image and a model. Labels cannot be told in
// this form and are an error rather than dropped.
func (e *endpoint) Prepare(r *loadgen.Request) (loadgen.Prepared, error) {
	switch {
	case len(r.Image) == 0:
		return nil, errors.New("endpoint torchserve: the request has no image")
	case r.Model == "":
		return nil, errors.New("endpoint torchserve: the request has no model")
	case len(r.Labels) > 0:
		return nil, errors.New("endpoint torchserve: a raw JPEG body cannot carry labels")
	}
	return prepared{e, httpx.Call{URL: e.base.JoinPath("predictions", url.PathEscape(r.Model)), Header: e.header, Body: r.Image}}, nil
}

type prepared struct {
	endpoint *endpoint
	call     httpx.Call
}

func (p prepared) Do(ctx context.Context, first func()) loadgen.Answer {
	return p.endpoint.client.Send(ctx, &p.call, first, read, sheds)
}

// read takes a JSON object or list as an answer; TorchServe sets no content
// type on lists, so none is asked for.
func read(body io.Reader, first func(), a *loadgen.Answer) error {
	text, err := httpx.ReadAll(body, first)
	if err != nil {
		return err
	}
	a.Chunks = 1
	if !isAnswer(text) {
		a.Outcome, a.Detail = results.Malformed, "the body is no JSON object or list: "+string(text[:min(len(text), 256)])
	}
	return nil
}

// isAnswer reports whether text is a JSON object or list.
func isAnswer(text []byte) bool {
	trimmed := bytes.TrimLeft(text, " \t\r\n")
	return len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') && json.Valid(trimmed)
}

// sheds tells a full queue from a handler that broke: TorchServe answers both
// with 503, and only the type differs.
func sheds(body []byte) bool {
	var fault struct {
		Type string `json:"type"`
	}
	return json.Unmarshal(body, &fault) == nil && fault.Type == "ServiceUnavailableException"
}
