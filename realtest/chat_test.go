//go:build real

package realtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
)

// The client here is as plain as can be and shares nothing with evabench's: it
// shows what the server does, whatever evabench makes of it.

type chatRequest struct {
	text      string
	image     []byte // JPEG; none if nil
	maxTokens int
}

// A chatAnswer is a whole stream.
type chatAnswer struct {
	roleChunks    int // without content
	contentChunks int
	text          string
	reason        string
	fingerprint   string // of the server's build
	usage         *usage
	afterUsage    int // chunks after the usage
	done          bool
}

type usage struct {
	Prompt  int `json:"prompt_tokens"`
	Output  int `json:"completion_tokens"`
	Details *struct {
		Cached int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

type chunk struct {
	Choices []struct {
		Delta struct {
			Content *string `json:"content"`
		} `json:"delta"`
		Reason *string `json:"finish_reason"`
	} `json:"choices"`
	Fingerprint string `json:"system_fingerprint"`
	Usage       *usage `json:"usage"`
}

// A statusError is an answer that is no stream.
type statusError struct {
	code int
	body string
}

func (e *statusError) Error() string { return fmt.Sprintf("HTTP %d: %s", e.code, e.body) }

func (r chatRequest) body() ([]byte, error) {
	type object = map[string]any
	parts := []any{object{"type": "text", "text": r.text}}
	if r.image != nil {
		url := "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(r.image)
		parts = append(parts, object{"type": "image_url", "image_url": object{"url": url}})
	}
	return json.Marshal(object{
		"model": modelName, "max_tokens": r.maxTokens,
		"stream": true, "stream_options": object{"include_usage": true},
		"messages": []any{object{"role": "user", "content": parts}},
	})
}

// chat sends one request and reads its stream. firstContent, if not nil, is
// called at the first chunk with content.
func (s *llamaServer) chat(ctx context.Context, r chatRequest, firstContent func()) (chatAnswer, error) {
	body, err := r.body()
	if err != nil {
		return chatAnswer{}, err
	}
	return s.post(ctx, body, firstContent)
}

func (s *llamaServer) post(ctx context.Context, body []byte, firstContent func()) (a chatAnswer, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return a, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(answer.Body)
		return a, &statusError{answer.StatusCode, string(text)}
	}
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		switch {
		case !ok:
		case data == "[DONE]":
			a.done = true
		default:
			had := a.contentChunks
			if err := a.take(data); err != nil {
				return a, err
			}
			if firstContent != nil && had == 0 && a.contentChunks == 1 {
				firstContent()
			}
		}
	}
	return a, lines.Err()
}

func (a *chatAnswer) take(data string) error {
	var c chunk
	if err := json.Unmarshal([]byte(data), &c); err != nil {
		return fmt.Errorf("chunk %.200q: %w", data, err)
	}
	a.fingerprint = c.Fingerprint
	if a.usage != nil {
		a.afterUsage++
	}
	if c.Usage != nil {
		a.usage = c.Usage
	}
	for _, choice := range c.Choices {
		if choice.Reason != nil {
			a.reason = *choice.Reason
		}
		switch content := choice.Delta.Content; {
		case content != nil && *content != "":
			a.contentChunks++
			a.text += *content
		case choice.Reason == nil:
			a.roleChunks++
		}
	}
	return nil
}

// frame draws a JPEG of noise that no other seed gives, so that no cache has
// seen it.
func frame(seed uint64) ([]byte, error) {
	random := rand.New(rand.NewPCG(seed, seed))
	picture := image.NewGray(image.Rect(0, 0, 320, 180))
	for i := range picture.Pix {
		picture.Pix[i] = byte(random.Uint32())
	}
	var b bytes.Buffer
	err := jpeg.Encode(&b, picture, &jpeg.Options{Quality: 60})
	return b.Bytes(), err
}
