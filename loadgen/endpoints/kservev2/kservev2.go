// Package kservev2 asks a server of the Open Inference Protocol over HTTP with
// binary tensors, as Triton speaks it
// (https://github.com/kserve/open-inference-protocol, and Triton's binary tensor
// data extension).
package kservev2

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/boxes"
	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/loadgen/internal/wholebody"
)

// Config is the arguments of the kind.
type Config struct {
	// Version is the model's; empty leaves it to the server.
	Version string `yaml:"version" json:"version,omitempty"`
	// Input is the tensor that holds the image.
	Input Input `yaml:"input" json:"input"`
	// LabelsInput names a BYTES tensor [1, n] for the labels of open-vocabulary
	// requests; without one such a request is an error.
	LabelsInput string `yaml:"labels_input" json:"labels_input,omitempty"`
	// Outputs names the tensors to ask for, each of which the answer must hold;
	// empty asks for what the server gives.
	Outputs []string `yaml:"outputs" json:"outputs,omitempty"`
	// Binary asks for outputs as binary data rather than as JSON.
	Binary bool `yaml:"binary" json:"binary"`
	// Check is what answers are held to besides that their tensors have the sizes
	// that their shapes say, and Boxes which tensors hold the boxes.
	Check boxes.Check `yaml:"check" json:"check,omitzero"`
	Boxes Boxes       `yaml:"boxes" json:"boxes,omitzero"`
	// Key is the server's, if it asks for one.
	trust.Key `yaml:",inline"`
	// Transport says how requests travel. The first byte of a compressed answer has
	// the time of the first compressed one, which is before it could be read.
	Transport httpx.Transport `yaml:"transport" json:"transport,omitzero"`
}

// Boxes names the outputs that hold detections, one beside the other.
type Boxes struct {
	// Boxes holds four numbers a detection, in its last dimension or flat.
	Boxes string `yaml:"boxes" json:"boxes,omitempty"`
	// Labels and Scores hold one label (a number or text) and one score a
	// detection; empty means that there is none.
	Labels string `yaml:"labels" json:"labels,omitempty"`
	Scores string `yaml:"scores" json:"scores,omitempty"`
	// Count holds the number of detections where the others are filled up to a
	// fixed size; empty means that all count.
	Count string `yaml:"count" json:"count,omitempty"`
	// Form is what the four numbers are: "xyxy" or "xywh".
	Form string `yaml:"form" json:"form,omitempty"`
}

// Default is the arguments that a scenario's are written over.
var Default = Config{
	Input: Input{Name: "IMAGE", Datatype: "BYTES", Shape: []int64{1}, Layout: "chw", Scale: 1. / 255}, Binary: true,
	Boxes: Boxes{Boxes: "boxes", Labels: "labels", Scores: "scores", Form: "xyxy"},
}

// Kind is kserve-v2 for the family's list.
var Kind = kind.New("kserve-v2", "Open Inference Protocol over HTTP with binary tensors: Triton",
	Default, func(c Config) (loadgen.Dialer, error) { return New(c, nil) })

// New makes a dialer. A nil dial means TCP.
func New(c Config, dial httpx.DialFunc) (loadgen.Dialer, error) {
	d := &dialer{config: c, dial: dial, fields: []httpx.Field{
		{Name: "Content-Type", Value: "application/octet-stream"}, {Name: "User-Agent", Value: "evabench"},
	}}
	var err error
	faults := []error{c.Input.validate()}
	key, field, err := c.Key.Read()
	if err != nil {
		faults = append(faults, err)
	}
	if d.key = key; key != "" {
		d.fields = append(d.fields, httpx.Field(field))
	}
	faults = append(faults, d.request("m", 0).Check())
	if d.rules, err = boxes.NewRead(c.Check); err != nil {
		faults = append(faults, err)
	}
	if d.rules != nil || c.Boxes != Default.Boxes && c.Boxes != (Boxes{}) {
		faults = append(faults, c.Boxes.validate(c.Outputs))
	}
	if slices.Contains(c.Outputs, "") || c.LabelsInput != "" && c.LabelsInput == c.Input.Name {
		faults = append(faults, errors.New("outputs and labels_input need names of their own"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("endpoint kserve-v2: %w", err)
	}
	return d, nil
}

func (b Boxes) validate(outputs []string) error {
	var all []error
	if b.Boxes == "" {
		all = append(all, errors.New("boxes: no output is named for the boxes, which check needs"))
	}
	if b.Form != "xyxy" && b.Form != "xywh" {
		all = append(all, fmt.Errorf("boxes: form %q is neither xyxy nor xywh", b.Form))
	}
	for _, name := range []string{b.Boxes, b.Labels, b.Scores, b.Count} {
		if name != "" && len(outputs) > 0 && !slices.Contains(outputs, name) {
			all = append(all, fmt.Errorf("boxes: %q is not among the outputs asked for", name))
		}
	}
	return errors.Join(all...)
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
		return nil, fmt.Errorf("endpoint kserve-v2: %w", err)
	}
	client, err := httpx.New(httpx.Config{
		Base: u, Transport: d.config.Transport, Sheds: sheds, Secret: d.key, Dial: d.dial,
		NewReader: func() httpx.Reader { return wholebody.New(&judge{dialer: d}) },
	})
	if err != nil {
		return nil, fmt.Errorf("endpoint kserve-v2: %w", err)
	}
	return endpoint{client, d}, nil
}

type endpoint struct {
	*httpx.Client
	dialer *dialer
}

// Page is the health page (Open Inference Protocol, Server Ready).
func (e endpoint) Page() string { return e.URL("/v2/health/ready") }

// Prepare takes a request with an image and a model, and labels where there is a
// tensor for them. An image that must become a raw tensor is decoded here, each
// time: a millisecond or more of the client's processor.
func (e endpoint) Prepare(r *loadgen.Request) (loadgen.Prepared, error) {
	d := e.dialer
	switch {
	case len(r.Image) == 0:
		return nil, errors.New("endpoint kserve-v2: the request has no image")
	case r.Model == "":
		return nil, errors.New("endpoint kserve-v2: the request has no model")
	case len(r.Labels) > 0 && d.config.LabelsInput == "":
		return nil, errors.New("endpoint kserve-v2: the request has labels, and labels_input is not set")
	}
	body, header, err := d.config.body(r)
	if err != nil {
		return nil, fmt.Errorf("endpoint kserve-v2: %w", err)
	}
	request := d.request(r.Model, header)
	request.Body = body
	request.Tag = d.rules.Key(r.Image, r.Model, r.Labels)
	return request, nil
}

// request makes all but the body, whose JSON has the length of header.
func (d *dialer) request(model string, header int) *httpx.Request {
	path := "/v2/models/" + url.PathEscape(model)
	if d.config.Version != "" {
		path += "/versions/" + url.PathEscape(d.config.Version)
	}
	return &httpx.Request{
		Method: http.MethodPost, Path: path + "/infer",
		Fields: append(slices.Clip(d.fields), httpx.Field{Name: headerLength, Value: strconv.Itoa(header)}),
	}
}

// headerLength is the header field with the length of the JSON before binary
// data, of requests and answers.
const headerLength = "Inference-Header-Content-Length"

// maxFault bounds what is looked at for an error, in bytes: to decode ten megabytes holds
// up all else of the step for 40 ms.
const maxFault = 1 << 20

// errorOf gives the error that a body of at most maxFault tells, empty if it tells none.
func errorOf(body []byte) string {
	if len(body) > maxFault {
		return ""
	}
	var fault struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &fault) != nil {
		return ""
	}
	return fault.Error
}

// sheds knows the words of Triton's dynamic batcher, of a queue that is full and
// of a request that waited in it for too long; a model that is not ready is 503
// too. (Servers older than their HTTP status for UNAVAILABLE answer 400.)
func sheds(body []byte) bool {
	text := bytes.ToLower([]byte(errorOf(body)))
	return bytes.Contains(text, []byte("exceeds maximum queue size")) || bytes.Contains(text, []byte("request timeout expired"))
}
