package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
)

// pretty is Gson's pretty form with the line end that TorchServe adds.
func pretty(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("sim: answer: %v", err)) // our own types always encode
	}
	return b.Bytes()
}

// requestFrame takes the image out of a body, as InferenceRequestHandler.java
// and the usual handlers do: a form's field "data" or "body", or else all of
// it. A form without these has no image, which the handler finds out; a body
// that is no form is an error here, before the queue.
func requestFrame(contentType string, body []byte) ([]byte, error) {
	if isForm(contentType) {
		return formFrame(body)
	}
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return body, nil
	}
	fields := make(map[string][]byte)
	for r := multipart.NewReader(bytes.NewReader(body), params["boundary"]); ; {
		p, err := r.NextPart()
		if err == io.EOF {
			return first(fields["data"], fields["body"]), nil
		}
		if err != nil {
			return nil, fmt.Errorf("read multipart body: %w", err)
		}
		if fields[p.FormName()], err = io.ReadAll(p); err != nil {
			return nil, fmt.Errorf("read multipart body: %w", err)
		}
	}
}

// formFrame reads a form-urlencoded body. What curl's --data sends of a JPEG
// is none: it has a percent sign that begins no escape, or a carriage return
// that begins no line end.
func formFrame(body []byte) ([]byte, error) {
	for i, c := range body {
		switch {
		case c == '\r' && (i+1 == len(body) || body[i+1] != '\n'):
			return nil, errors.New("bad end of line")
		case c == '%' && (i+2 >= len(body) || !isHex(body[i+1]) || !isHex(body[i+2])):
			return nil, fmt.Errorf("bad string: %q", body[i:min(len(body), i+3)])
		}
	}
	fields := make(map[string][]byte)
	for field := range bytes.SplitSeq(body, []byte("&")) {
		name, value, _ := bytes.Cut(field, []byte("="))
		text, err := url.QueryUnescape(string(value))
		if err != nil {
			return nil, fmt.Errorf("bad string: %w", err)
		}
		fields[string(name)] = []byte(text)
	}
	return first(fields["data"], fields["body"]), nil
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// first is the first that is not empty.
func first(list ...[]byte) []byte {
	for _, b := range list {
		if len(b) > 0 {
			return b
		}
	}
	return nil
}
