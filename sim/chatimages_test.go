package sim

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A body read with its images taken out is the body read as it is, whatever
// stands in it, and what is no JSON is none.
func TestTakeImagesChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SampledFrom([]string{
			`{"messages":[`, `{"role":"user","content":[`, `{"type":"image_url","image_url":{"url":"`, `{"type":"image_url","image_url":{"url":  "`,
			imageURL, imageURL + takenOut + "0", "AAAA", `"}}`, `,`, `]}`, `]`, `}`, `"`, `\`, "\n", "https://x/y.jpg",
			`{"type":"text","text":"say \"url\":\"` + imageURL + `AA`, `{"role":"user","content":"a \"url\":`, `"url":`, `null`, " ",
		})
		body := []byte(strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, "pieces"), ""))
		same(t, body)
	})
	// Real ones, which chance makes seldom.
	frame := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1, 2, 3}, 50))
	part := `{"type":"image_url","image_url":{"url":"` + imageURL + frame + `"}}`
	for _, body := range []string{
		`{"messages":[{"role":"user","content":[` + part + `,{"type":"text","text":"x"},` + part + `]},{"role":"user","content":"y"}]}`,
		`{"messages":[{"role":"user","content":[` + strings.Replace(part, `:"data`, `: "data`, 1) + `]}]}`,
		`{"messages":[{"role":"user","content":[` + strings.Replace(part, "AQID", `AQI\u0044`, 1) + `]}]}`,
		`{"messages":[{"role":"user","content":[` + strings.Replace(part, "AQID", imageURL+takenOut+"0", 1) + `]}]}`,
	} {
		same(t, []byte(body))
	}
	rest, images := takeImages([]byte(part))
	if len(images) != 1 || images[0] != frame || bytes.Contains(rest, []byte(frame)) {
		t.Errorf("took %q of %s", images, part)
	}
}

func same(t rapid.TB, body []byte) {
	var want, got chatRequest
	plain := json.Unmarshal(body, &want)
	before := bytes.Clone(body)
	rest, images := takeImages(body)
	err := json.Unmarshal(rest, &got)
	got.putBack(images)
	if (err == nil) != (plain == nil) || err == nil && !reflect.DeepEqual(got, want) {
		t.Fatalf("%s\n got %+v, %v\nwant %+v, %v", body, got, err, want, plain)
	}
	if !bytes.Equal(body, before) {
		t.Fatalf("the body was changed: %s", body)
	}
}
