// Package detecthttp asks a detector in the HTTP form that a scenario describes:
// where the image, the model and the labels go, and where the boxes are in the
// answer. It is for proxies and servers that have no kind of their own.
package detecthttp

import (
	"errors"
	"fmt"
	"maps"
	"net/textproto"
	"slices"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/boxes"
	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/loadgen/internal/wholebody"
)

// Config is the arguments of the kind.
type Config struct {
	// Method is the request's, POST unless it is told.
	Method string `yaml:"method" json:"method"`
	// Path is put after the service's URL, with a query if it has one; {model} in
	// it is the model's name.
	Path string `yaml:"path" json:"path"`
	// Form is what the body is: "raw", the image as it is; "multipart", a form
	// with the image as a file; "base64-json", Body with the image in it; "none",
	// no body and so no image, as for a health page.
	Form string `yaml:"form" json:"form"`
	// ContentType is the image's, told with it in the forms raw and multipart.
	ContentType string `yaml:"content_type" json:"content_type,omitempty"`
	// FileField and FileName are the image's in a multipart form, and FormFields
	// what else the form holds; {model} in a value is the model's name.
	FileField  string            `yaml:"file_field" json:"file_field,omitempty"`
	FileName   string            `yaml:"file_name" json:"file_name,omitempty"`
	FormFields map[string]string `yaml:"form_fields" json:"form_fields,omitempty"`
	// Body is the JSON body of the form base64-json. In its strings, {image} is
	// the image in base64, {model} the model's name and {labels} the labels, joined
	// by the separator; a string that is just "{labels}" is a list of them.
	Body any `yaml:"body" json:"body,omitempty"`
	// Labels says where the labels of open-vocabulary requests go besides Body.
	// With no place for them such a request is an error.
	Labels Labels `yaml:"labels" json:"labels,omitzero"`
	// Headers are more header fields, but no secrets: these are written down. A key
	// is for Key, a Content-Type for ContentType.
	Headers map[string]string `yaml:"headers" json:"headers,omitempty"`
	// Key is the server's, if it asks for one.
	trust.Key `yaml:",inline"`
	// Answer is "json", an object or list that tells no error, or "any", a body of
	// any bytes or none.
	Answer string `yaml:"answer" json:"answer"`
	// Check is what answers are held to, and Boxes where it finds the boxes.
	Check boxes.Check `yaml:"check" json:"check,omitzero"`
	Boxes boxes.Where `yaml:"boxes" json:"boxes,omitzero"`
	// Transport says how requests travel. The first byte of a compressed answer has
	// the time of the first compressed one, which is before it could be read.
	Transport httpx.Transport `yaml:"transport" json:"transport,omitzero"`
}

// Labels says where labels go.
type Labels struct {
	// Query names a parameter of the query, Field one of a multipart form.
	Query string `yaml:"query" json:"query,omitempty"`
	Field string `yaml:"field" json:"field,omitempty"`
	// Separator stands between labels; empty means that each label has a
	// parameter or field of its own.
	Separator string `yaml:"separator" json:"separator,omitempty"`
}

// The forms of a body.
const (
	raw        = "raw"
	multiform  = "multipart"
	base64JSON = "base64-json"
	none       = "none"
)

// The answers.
const (
	anyAnswer  = "any"
	jsonAnswer = "json"
)

// Default is the arguments that a scenario's are written over.
var Default = Config{
	Method: "POST", Path: "/predict/{model}", Form: raw, ContentType: "image/jpeg",
	FileField: "file", FileName: "image.jpg", Labels: Labels{Separator: ","}, Answer: jsonAnswer,
	Boxes: boxes.Where{Path: "predictions[].box", Label: "label", Score: "score", Form: "xyxy"},
}

// Kind is detect-http for the family's list.
var Kind = kind.New("detect-http", "detectors behind any HTTP form: raw image, multipart or JSON",
	Default, func(c Config) (loadgen.Dialer, error) { return New(c, nil) })

// New makes a dialer. A nil dial means TCP. The API key is read here.
func New(c Config, dial httpx.DialFunc) (loadgen.Dialer, error) {
	d := &dialer{config: c, dial: dial, fields: []httpx.Field{{Name: "User-Agent", Value: "evabench"}}}
	faults := c.faults()
	var err error
	if d.rules, err = boxes.New(c.Check, c.Boxes); err != nil {
		faults = append(faults, err)
	}
	if c.Form == base64JSON {
		if d.body, err = newTemplate(c.Body); err != nil {
			faults = append(faults, fmt.Errorf("body: %w", err))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		if why := whoseField(name); why != "" {
			faults = append(faults, fmt.Errorf("headers: %q is %s", name, why))
		}
		d.fields = append(d.fields, httpx.Field{Name: name, Value: c.Headers[name]})
	}
	key, field, err := c.Key.Read()
	if err != nil {
		faults = append(faults, err)
	}
	if d.key = key; key != "" {
		d.fields = append(d.fields, httpx.Field(field))
	}
	switch c.Form {
	case raw:
		d.fields = append(d.fields, httpx.Field{Name: "Content-Type", Value: c.ContentType})
	case base64JSON:
		d.fields = append(d.fields, httpx.Field{Name: "Content-Type", Value: "application/json"})
	}
	if len(faults) == 0 {
		if err := d.request(&loadgen.Request{Model: "m"}).Check(); err != nil {
			faults = append(faults, err)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("endpoint detect-http: %w", err)
	}
	return d, nil
}

// whoseField says why a header field is not for Headers; empty if it is.
func whoseField(name string) string {
	switch name = textproto.CanonicalMIMEHeaderKey(name); {
	case name == "Content-Type":
		return "for content_type, or the form's own"
	case name == "User-Agent":
		return "the program's own"
	case trust.SecretField(name):
		return "for a secret, which would stand in the results: say api_key_env or api_key_file, and api_key_header where the field is not Authorization"
	}
	return ""
}

// faults tells what cannot be meant.
func (c Config) faults() (all []error) {
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			all = append(all, fmt.Errorf(format, args...))
		}
	}
	fault(!slices.Contains([]string{raw, multiform, base64JSON, none}, c.Form),
		"form %q is none of %s, %s, %s, %s", c.Form, raw, multiform, base64JSON, none)
	fault(c.Answer != jsonAnswer && c.Answer != anyAnswer, "answer %q is neither %s nor %s", c.Answer, jsonAnswer, anyAnswer)
	fault(c.Answer == anyAnswer && !c.Check.Zero(), "check looks for boxes, so answer must be %s", jsonAnswer)
	if unknown := unknownPlace(c.Path, placeModel); unknown != "" {
		fault(true, "path %q holds %s; only {model} is known there", c.Path, unknown)
	}
	for _, name := range slices.Sorted(maps.Keys(c.FormFields)) {
		unknown := unknownPlace(c.FormFields[name], placeModel)
		fault(unknown != "", "form_fields: %q holds %s; only {model} is known there", name, unknown)
	}
	fault((c.Form == raw || c.Form == multiform) && c.ContentType == "", "content_type is empty")
	fault((c.Form == base64JSON || c.Form == none) && c.ContentType != "" && c.ContentType != Default.ContentType,
		"content_type is for the forms %s and %s, not %s", raw, multiform, c.Form)
	fault(c.Form != multiform && (c.FileField != "" && c.FileField != Default.FileField || c.FileName != "" && c.FileName != Default.FileName),
		"file_field and file_name are for the form %s, not %s", multiform, c.Form)
	fault(c.Form == multiform && (c.FileField == "" || c.FileName == ""), "file_field or file_name is empty")
	fault(c.Form != multiform && (len(c.FormFields) > 0 || c.Labels.Field != ""), "form_fields and labels.field are for the form %s, not %s", multiform, c.Form)
	fault(c.Form != base64JSON && c.Body != nil, "body is for the form %s, not %s", base64JSON, c.Form)
	return all
}

type dialer struct {
	config Config
	dial   httpx.DialFunc
	fields []httpx.Field
	key    string // not to be told
	body   template
	rules  *boxes.Rules // nil for none
}

func (d *dialer) Dial(base string) (loadgen.Endpoint, error) {
	u, err := httpx.ParseBase(base)
	if err != nil {
		return nil, fmt.Errorf("endpoint detect-http: %w", err)
	}
	client, err := httpx.New(httpx.Config{
		Base: u, Transport: d.config.Transport, Sheds: sheds, Secret: d.key, Dial: d.dial,
		NewReader: func() httpx.Reader { return wholebody.New(&judge{dialer: d}) },
	})
	if err != nil {
		return nil, fmt.Errorf("endpoint detect-http: %w", err)
	}
	return endpoint{client, d}, nil
}

type endpoint struct {
	*httpx.Client
	dialer *dialer
}

// Page is the server's root, as no form has a page for all: any answer shows a server.
func (e endpoint) Page() string { return e.URL("/") }

// A judge looks at answers.
type judge struct {
	dialer  *dialer
	scratch boxes.Scratch
}

func (j *judge) Head(httpx.Header) {}

func (j *judge) Body(tag any, body []byte, a *loadgen.Answer) {
	if j.dialer.config.Answer == anyAnswer {
		return
	}
	a.Outcome, a.Detail = boxes.Inspect(body)
	if a.Outcome == 0 && j.dialer.rules != nil {
		a.Outcome, a.Detail = j.dialer.rules.Judge(body, tag.(uint64), &j.scratch)
	}
}
