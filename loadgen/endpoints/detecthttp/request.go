package detecthttp

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/httpx"
)

// Prepare takes a request with an image, unless the form has no body, and with a
// model where the form asks for it. Labels without a place are an error rather
// than dropped.
func (e endpoint) Prepare(r *loadgen.Request) (loadgen.Prepared, error) {
	d := e.dialer
	if err := d.fits(r); err != nil {
		return nil, fmt.Errorf("endpoint detect-http: %w", err)
	}
	request := d.request(r)
	switch d.config.Form {
	case raw:
		request.Body = r.Image
	case base64JSON:
		request.Body = d.body.fill(r, d.config.Labels.Separator)
	case multiform:
		body, contentType, err := d.multipart(r)
		if err != nil {
			return nil, fmt.Errorf("endpoint detect-http: write the form: %w", err)
		}
		request.Body = body
		request.Fields = append(slices.Clip(request.Fields), httpx.Field{Name: "Content-Type", Value: contentType})
	}
	request.Tag = d.rules.Key(r.Image, r.Model, r.Labels)
	return request, nil
}

// fits says why a request has no place in the form.
func (d *dialer) fits(r *loadgen.Request) error {
	c := d.config
	if len(r.Image) == 0 && c.Form != none {
		return errors.New("the request has no image")
	}
	if r.Model == "" && (strings.Contains(c.Path, placeModel) || d.body.has(placeModel)) {
		return errors.New("the request has no model")
	}
	if len(r.Labels) > 0 && c.Labels.Query == "" && c.Labels.Field == "" && !d.body.has(placeLabels) && !d.body.has(placeList) {
		return errors.New("the form has no place for labels: set labels.query or labels.field, or put {labels} into body")
	}
	return nil
}

// request makes all but the body.
func (d *dialer) request(r *loadgen.Request) *httpx.Request {
	path, query, asks := strings.Cut(d.config.Path, "?")
	path = strings.ReplaceAll(path, placeModel, url.PathEscape(r.Model))
	if asks {
		path += "?" + strings.ReplaceAll(query, placeModel, url.QueryEscape(r.Model))
	}
	if name := d.config.Labels.Query; name != "" {
		for _, text := range d.joined(r.Labels) {
			sign := "?"
			if strings.Contains(path, "?") {
				sign = "&"
			}
			path += sign + url.QueryEscape(name) + "=" + url.QueryEscape(text)
		}
	}
	return &httpx.Request{Method: d.config.Method, Path: path, Fields: d.fields}
}

// joined gives the values of the parameters or fields that hold the labels.
func (d *dialer) joined(labels []string) []string {
	if len(labels) == 0 || d.config.Labels.Separator == "" {
		return labels
	}
	return []string{strings.Join(labels, d.config.Labels.Separator)}
}

// multipart writes a form: the fields in the order of their names, the labels,
// and the image last.
func (d *dialer) multipart(r *loadgen.Request) (body []byte, contentType string, err error) {
	boundary := "evabench-form-0f5ad6c4e29b"
	for bytes.Contains(r.Image, []byte(boundary)) {
		boundary += "x"
	}
	var b bytes.Buffer
	b.Grow(len(r.Image) + 1024)
	w := multipart.NewWriter(&b)
	if err := w.SetBoundary(boundary); err != nil {
		return nil, "", err
	}
	for _, name := range slices.Sorted(maps.Keys(d.config.FormFields)) {
		if err := w.WriteField(name, strings.ReplaceAll(d.config.FormFields[name], placeModel, r.Model)); err != nil {
			return nil, "", err
		}
	}
	if d.config.Labels.Field != "" {
		for _, text := range d.joined(r.Labels) {
			if err := w.WriteField(d.config.Labels.Field, text); err != nil {
				return nil, "", err
			}
		}
	}
	header := textproto.MIMEHeader{
		"Content-Disposition": {multipart.FileContentDisposition(d.config.FileField, d.config.FileName)},
		"Content-Type":        {d.config.ContentType},
	}
	part, err := w.CreatePart(header)
	if err != nil {
		return nil, "", err
	}
	if _, err := part.Write(r.Image); err != nil {
		return nil, "", err
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	return b.Bytes(), w.FormDataContentType(), nil
}
