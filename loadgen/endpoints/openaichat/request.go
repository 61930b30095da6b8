package openaichat

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/loadgen/internal/jsonscan"
)

// Prepare writes the request's body. Images are by far the most of it, and are
// encoded straight into its one buffer.
func (e endpoint) Prepare(r *loadgen.Request) (loadgen.Prepared, error) {
	if len(r.Messages) == 0 {
		return nil, errors.New("endpoint openai-chat: the request has no messages")
	}
	return e.dialer.request(e.dialer.body(r)), nil
}

// request puts a body into an HTTP request.
func (d *dialer) request(body []byte) *httpx.Request {
	return &httpx.Request{
		Method: http.MethodPost, Path: d.config.Path, Fields: d.fields, Body: body,
		Close: !d.config.KeepAlive && d.config.Transport.HTTP != "2", Stream: d.config.Stream,
	}
}

const dataURL = "data:image/jpeg;base64,"

// perPart is more than what stands around a message or a part of one.
const perPart = 96

func (d *dialer) body(r *loadgen.Request) []byte {
	model := r.Model
	if d.config.Model != "" {
		model = d.config.Model
	}
	size := len(model) + len(d.extra) + perPart
	for _, m := range r.Messages {
		size += len(m.Role) + len(m.Text) + len(m.Text)/8 + perPart // an eighth for escapes
		for _, jpeg := range m.Images {
			size += base64.StdEncoding.EncodedLen(len(jpeg)) + perPart
		}
	}
	b := append(make([]byte, 0, size), `{"model":`...)
	b = jsonscan.AppendQuoted(b, model)
	if r.MaxTokens > 0 {
		b = strconv.AppendInt(append(b, `,"max_tokens":`...), int64(r.MaxTokens), 10)
	}
	b = append(append(b, d.extra...), `,"messages":[`...)
	for i := range r.Messages {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendMessage(b, &r.Messages[i])
	}
	return append(b, "]}"...)
}

// appendMessage writes one message: its content is a string, or parts where it
// has images.
func appendMessage(b []byte, m *loadgen.Message) []byte {
	b = jsonscan.AppendQuoted(append(b, `{"role":`...), m.Role)
	b = append(b, `,"content":`...)
	if len(m.Images) == 0 {
		return append(jsonscan.AppendQuoted(b, m.Text), '}')
	}
	b = append(b, '[')
	if m.Text != "" {
		b = jsonscan.AppendQuoted(append(b, `{"type":"text","text":`...), m.Text)
		b = append(b, "},"...)
	}
	for i, jpeg := range m.Images {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"type":"image_url","image_url":{"url":"`+dataURL...)
		b = base64.StdEncoding.AppendEncode(b, jpeg)
		b = append(b, `"}}`...)
	}
	return append(b, "]}"...)
}
