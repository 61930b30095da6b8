package detecthttp

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/jsonscan"
)

// The places that a template has for parts of a request, as they are written.
const (
	placeImage  = "{image}"
	placeModel  = "{model}"
	placeLabels = "{labels}"   // joined, in a string
	placeList   = `"{labels}"` // a list instead of a string
)

// place is what may be meant as a place: in JSON text a brace outside strings is
// never followed by a letter.
var place = regexp.MustCompile(`\{[A-Za-z_]+\}`)

// unknownPlace gives the first place in text that is not among known.
func unknownPlace(text string, known ...string) string {
	for _, p := range place.FindAllString(text, -1) {
		if !slices.Contains(known, p) {
			return p
		}
	}
	return ""
}

// A template is JSON text, cut at its places: literal text and places by turns.
type template []string

// newTemplate writes the body as JSON, its members sorted, and cuts it.
func newTemplate(body any) (template, error) {
	if body == nil {
		return nil, errors.New("there is none; the form base64-json needs one with {image} in it")
	}
	var b bytes.Buffer
	w := json.NewEncoder(&b)
	w.SetEscapeHTML(false)
	if err := w.Encode(body); err != nil {
		return nil, err
	}
	text := strings.TrimSpace(b.String())
	if unknown := unknownPlace(text, placeImage, placeModel, placeLabels); unknown != "" {
		return nil, fmt.Errorf("it holds %s; only {image}, {model} and {labels} are known", unknown)
	}
	if !strings.Contains(text, placeImage) {
		return nil, errors.New("it has no place for the image: {image}")
	}
	t := cut(text)
	if !jsonscan.Valid(t.fill(&loadgen.Request{Image: []byte("x"), Model: "m", Labels: []string{"a"}}, ",")) {
		return nil, errors.New("it is no JSON once it is filled; a member's name cannot be {labels}")
	}
	return t, nil
}

// cut cuts JSON text at its places.
func cut(text string) (t template) {
	for {
		at, found := len(text), ""
		for _, p := range []string{placeImage, placeModel, placeList, placeLabels} {
			if i := strings.Index(text, p); i >= 0 && i < at {
				at, found = i, p
			}
		}
		if t = append(t, text[:at]); found == "" {
			return t
		}
		t = append(t, found)
		text = text[at+len(found):]
	}
}

// has reports whether the template has a place.
func (t template) has(place string) bool {
	for i := 1; i < len(t); i += 2 {
		if t[i] == place {
			return true
		}
	}
	return false
}

// fill writes the body of a request, into one buffer.
func (t template) fill(r *loadgen.Request, separator string) []byte {
	size := 256
	for i, part := range t {
		size += len(part)
		if i%2 == 1 && part == placeImage {
			size += base64.StdEncoding.EncodedLen(len(r.Image))
		}
	}
	b := make([]byte, 0, size)
	for i, part := range t {
		switch {
		case i%2 == 0:
			b = append(b, part...)
		case part == placeImage:
			b = base64.StdEncoding.AppendEncode(b, r.Image)
		case part == placeModel:
			b = appendInside(b, r.Model)
		case part == placeLabels:
			b = appendInside(b, strings.Join(r.Labels, separator))
		default:
			b = append(b, '[')
			for i, label := range r.Labels {
				if i > 0 {
					b = append(b, ',')
				}
				b = jsonscan.AppendQuoted(b, label)
			}
			b = append(b, ']')
		}
	}
	return b
}

// appendInside writes text as a part of a JSON string.
func appendInside(b []byte, text string) []byte {
	start := len(b)
	b = jsonscan.AppendQuoted(b, text)
	copy(b[start:], b[start+1:len(b)-1]) // without its quotes
	return b[:len(b)-2]
}
