package sim

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"strconv"
	"strings"
)

const imageURL = "data:image/jpeg;base64,"

// takenImages are the texts of the images that were taken out of a body.
type takenImages struct {
	// mark, with the number of an image, stands in the place of its text. It is
	// drawn for each body, so that nothing in a body can look like it.
	mark  string
	texts []string
}

// takeImages gives a body without its images' texts, and those apart, for
// [chatRequest.putBack]. Package json looks at every byte some five times: a
// frame of 100 KB took it 2 ms, which are 120 ms of a server at 60 times the
// clock's speed. What is not plainly `"url":"data:image/jpeg;base64,…"` stays.
func takeImages(body []byte) (rest []byte, images takenImages) {
	images.mark = rand.Text() + "#"
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
		rest = append(rest, `"`+imageURL+images.mark+strconv.Itoa(len(images.texts))...)
		images.texts = append(images.texts, string(text[:end]))
		body = text[end:]
	}
}

// plain reports whether JSON's reader takes what stands in a string as it is:
// whether it is ASCII without control characters and backslashes.
func plain(text []byte) bool {
	const each = 0x0101010101010101 // times a byte is that byte eight times
	for ; len(text) >= 8; text = text[8:] {
		// A top bit that is set at the end is that of a byte above 0x7f, below
		// 0x20, or equal to '\\': Anderson, Bit Twiddling Hacks, "hasless".
		eight := binary.LittleEndian.Uint64(text)
		if (eight|(eight-each*' ')|((eight^each*'\\')-each))&(each*0x80) != 0 {
			return false
		}
	}
	for _, c := range text {
		if c < ' ' || c >= 0x80 || c == '\\' {
			return false
		}
	}
	return true
}

// putBack gives the images of a request their texts again.
func (r *chatRequest) putBack(images takenImages) {
	for _, m := range r.Messages {
		for i := range m.Content {
			url := &m.Content[i].ImageURL.URL
			number, ok := strings.CutPrefix(*url, imageURL+images.mark)
			if n, err := strconv.Atoi(number); ok && err == nil && n >= 0 && n < len(images.texts) {
				*url = imageURL + images.texts[n]
			}
		}
	}
}
