package sim

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// bodiesWithImages are bodies that chance makes seldom.
func bodiesWithImages() (bodies []string) {
	frame := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1, 2, 3}, 50))
	part := `{"type":"image_url","image_url":{"url":"` + imageURL + frame + `"}}`
	list := func(parts ...string) string {
		return `{"model":"m","messages":[{"role":"user","content":[` + strings.Join(parts, ",") + `]}]}`
	}
	// written puts a text in the place of a frame's beginning.
	written := func(with string) string { return strings.Replace(part, "AQID", with, 1) }
	bodies = []string{
		list(part), list(part, `{"type":"text","text":"x"}`, part), list(), `null`, `{"messages":null}`,
		list(strings.Replace(part, `:"data`, `: "data`, 1)), list(strings.Replace(part, `:"data`, ":\n\"data", 1)),
		list(written(`AQI\u0044`)), list(written(imageURL + "#0")), list(written("\x01")), list(written("\x7f")), list(written("\xff")), list(written("é")),
		list(`{"type":"text","text":"say \"url\":\"` + imageURL + `AA`), list(part, `{"\"url":"`+imageURL+`AA"}`),
		`{"x":{"url":"` + imageURL + "AAAAAAAA\tAAA" + `"},` + list(part)[1:], list(part) + "x", list(part)[:60],
		`{"messages":[{"role":"user","content":{"url":"` + imageURL + `AAAA"}}]}`,
	}
	for _, number := range []string{"#0", "#-1", "#1", "#+0", "#", "#00"} {
		for _, url := range []string{imageURL, strings.Replace(imageURL, "/", `\/`, 1)} {
			bodies = append(bodies, list(part, `{"type":"image_url","image_url":{"url":"`+url+number+`"}}`))
		}
	}
	return bodies
}

// A body read with its images taken out is the body read as it is, whatever
// stands in it, and what is no JSON is none.
func FuzzParseChat(f *testing.F) {
	for _, body := range bodiesWithImages() {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var want chatRequest
		plain := json.Unmarshal(body, &want)
		before := bytes.Clone(body)
		got, fault := parseChat("application/json", body)
		if !bytes.Equal(body, before) {
			t.Fatalf("the body was changed: %q", before)
		}
		switch refused := len(want.Messages) == 0 || want.StreamOptions != nil && !want.Stream; {
		case plain != nil || refused:
			if fault == nil || fault.code != http.StatusBadRequest {
				t.Fatalf("%q\n got %+v, %+v\nwant a refusal for %v", body, got, fault, plain)
			}
		case fault != nil || !reflect.DeepEqual(got, want):
			t.Fatalf("%q\n got %+v, %+v\nwant %+v", body, got, fault, want)
		}
	})
}

// Frames are taken out before package json looks at them, each once.
func TestTakeImages(t *testing.T) {
	frame := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1, 2, 3}, 50))
	part := `{"type":"image_url","image_url":{"url":"` + imageURL + frame + `"}}`
	rest, images := takeImages([]byte(part + part))
	if !reflect.DeepEqual(images.texts, []string{frame, frame}) || bytes.Contains(rest, []byte(frame)) {
		t.Errorf("took %q of %s", images.texts, part)
	}
	if _, again := takeImages([]byte(part)); again.mark == images.mark {
		t.Errorf("two bodies have the mark %q", again.mark)
	}
}

// plain tells in steps of eight bytes what it would tell of each byte.
func TestPlain(t *testing.T) {
	for c := range 256 {
		want := c >= ' ' && c < 0x80 && c != '\\'
		for n := range 17 {
			for at := range n {
				text := bytes.Repeat([]byte("A"), n)
				text[at] = byte(c)
				if got := plain(text); got != want {
					t.Fatalf("plain(%q) is %v", text, got)
				}
			}
		}
	}
	if !plain(nil) {
		t.Error("no text is not plain")
	}
}
