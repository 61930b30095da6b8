package sim

import (
	"bytes"
	"strconv"
	"strings"
)

const (
	imageURL = "data:image/jpeg;base64,"
	// takenOut follows imageURL in place of an image's text. No base64 has it.
	takenOut = "#"
)

// takeImages gives a body without its images' texts, and those apart, for
// [chatRequest.putBack]. Package json looks at every byte some five times: a
// frame of 100 KB took it 2 ms, which are 120 ms of a server at 60 times the
// clock's speed. What is not plainly `"url":"data:image/jpeg;base64,…"` stays.
func takeImages(body []byte) (rest []byte, images []string) {
	if bytes.Contains(body, []byte(imageURL+takenOut)) {
		return body, nil // it would look like one of ours
	}
	for {
		key := bytes.Index(body, []byte(`"url":`))
		if key < 0 {
			return append(rest, body...), images
		}
		rest, body = append(rest, body[:key+len(`"url":`)]...), body[key+len(`"url":`):]
		value := bytes.TrimLeft(body, " ")
		text, ok := bytes.CutPrefix(value, []byte(`"`+imageURL))
		end := bytes.IndexByte(text, '"')
		if !ok || end < 0 || !plain(text[:end]) {
			continue
		}
		rest = append(rest, `"`+imageURL+takenOut+strconv.Itoa(len(images))...)
		images = append(images, string(text[:end]))
		body = text[end:]
	}
}

// plain reports whether JSON's reader takes a text of base64 as it is. What
// else it would refuse, base64's refuses.
func plain(text []byte) bool {
	return bytes.IndexByte(text, '\\') < 0 && bytes.IndexByte(text, '\r') < 0 && bytes.IndexByte(text, '\n') < 0
}

// putBack gives the images of a request their texts again.
func (r *chatRequest) putBack(images []string) {
	for _, m := range r.Messages {
		for i := range m.Content {
			url := &m.Content[i].ImageURL.URL
			number, ok := strings.CutPrefix(*url, imageURL+takenOut)
			if n, err := strconv.Atoi(number); ok && err == nil && n < len(images) {
				*url = imageURL + images[n]
			}
		}
	}
}
