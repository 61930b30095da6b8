// Package torchserve asks a TorchServe inference API to detect things in one
// image: POST /predictions/{model} with the JPEG as the body
// (https://pytorch.org/serve/inference_api.html).
package torchserve

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/boxes"
	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/loadgen/internal/wholebody"
)

// Config is the arguments of the kind.
type Config struct {
	// ContentType is told with every image. It must be explicit: TorchServe
	// answers a form's content type on JPEG bytes with a very fast 500.
	ContentType string `yaml:"content_type" json:"content_type"`
	// Check is what answers are held to besides being a JSON object or list that
	// tells no error, and Boxes where it finds the boxes.
	Check boxes.Check `yaml:"check" json:"check,omitzero"`
	Boxes boxes.Where `yaml:"boxes" json:"boxes,omitzero"`
	// Key is the server's inference key, if it asks for one: TorchServe makes one
	// at start unless it is told not to.
	trust.Key `yaml:",inline"`
	// Transport says how requests travel. The first byte of a compressed answer has
	// the time of the first compressed one, which is before it could be read.
	Transport httpx.Transport `yaml:"transport" json:"transport,omitzero"`
}

// Default is the arguments that a scenario's are written over.
var Default = Config{
	ContentType: "image/jpeg",
	Boxes:       boxes.Where{Path: "[].box", Label: "label", Score: "score", Form: "xyxy"},
}

// Kind is torchserve for the family's list.
var Kind = kind.New("torchserve", "TorchServe inference API, one JPEG a request",
	Default, func(c Config) (loadgen.Dialer, error) { return New(c, nil) })

// New makes a dialer. A nil dial means TCP.
func New(c Config, dial httpx.DialFunc) (loadgen.Dialer, error) {
	d := &dialer{config: c, dial: dial, fields: []httpx.Field{
		{Name: "Content-Type", Value: c.ContentType}, {Name: "User-Agent", Value: "evabench"},
	}}
	var faults []error
	if c.ContentType == "" {
		faults = append(faults, errors.New("content_type is empty"))
	}
	var err error
	if d.rules, err = boxes.New(c.Check, c.Boxes); err != nil {
		faults = append(faults, err)
	}
	key, field, err := c.Key.Read()
	if err != nil {
		faults = append(faults, err)
	}
	if d.key = key; key != "" {
		d.fields = append(d.fields, httpx.Field(field))
	}
	if err := d.request("model").Check(); err != nil {
		faults = append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("endpoint torchserve: %w", err)
	}
	return d, nil
}

type dialer struct {
	config Config
	dial   httpx.DialFunc
	fields []httpx.Field
	key    string       // not to be told
	rules  *boxes.Rules // nil for none
}

func (d *dialer) Dial(base string) (loadgen.Endpoint, error) {
	u, err := httpx.ParseBase(base)
	if err != nil {
		return nil, fmt.Errorf("endpoint torchserve: %w", err)
	}
	client, err := httpx.New(httpx.Config{
		Base: u, Transport: d.config.Transport, Sheds: sheds, Secret: d.key, Dial: d.dial,
		NewReader: func() httpx.Reader { return wholebody.New(&judge{rules: d.rules}) },
	})
	if err != nil {
		return nil, fmt.Errorf("endpoint torchserve: %w", err)
	}
	return endpoint{client, d}, nil
}

type endpoint struct {
	*httpx.Client
	dialer *dialer
}

// Prepare takes a request with an image and a model. Labels cannot be told in
// this form and are an error rather than dropped. The image is the body as it is.
func (e endpoint) Prepare(r *loadgen.Request) (loadgen.Prepared, error) {
	switch {
	case len(r.Image) == 0:
		return nil, errors.New("endpoint torchserve: the request has no image")
	case r.Model == "":
		return nil, errors.New("endpoint torchserve: the request has no model")
	case len(r.Labels) > 0:
		return nil, errors.New("endpoint torchserve: a raw JPEG body cannot carry labels")
	}
	request := e.dialer.request(r.Model)
	request.Body = r.Image
	request.Tag = e.dialer.rules.Key(r.Image, r.Model, nil)
	return request, nil
}

func (d *dialer) request(model string) *httpx.Request {
	return &httpx.Request{Method: http.MethodPost, Path: "/predictions/" + url.PathEscape(model), Fields: d.fields}
}

// A judge takes a JSON object or list that tells no error as an answer; TorchServe
// sets no content type on lists, so none is asked for.
type judge struct {
	rules   *boxes.Rules
	scratch boxes.Scratch
}

func (j *judge) Head(httpx.Header) {}

func (j *judge) Body(tag any, body []byte, a *loadgen.Answer) {
	a.Outcome, a.Detail = boxes.Inspect(body)
	if a.Outcome == 0 && j.rules != nil {
		a.Outcome, a.Detail = j.rules.Judge(body, tag.(uint64), &j.scratch)
	}
}

// sheds tells a full queue from a handler that broke: TorchServe answers both
// with 503, and only the type differs; the text of a full queue says that the
// model "has no worker". A worker that died is a 503 or 500 of the handler's
// type, or 507 if signal 9 ended it, which TorchServe takes for want of memory.
func sheds(body []byte) bool {
	var fault struct {
		Type string `json:"type"`
	}
	return json.Unmarshal(body, &fault) == nil && fault.Type == "ServiceUnavailableException"
}
