package stub

import (
	"fmt"
	"strconv"
	"time"
)

// defaultAnswer is a detector's answer: two boxes.
const defaultAnswer = `[{"person":[168.125,224.5,305.75,391.25],"score":0.9981},{"person":[12.5,30.0,96.25,180.5],"score":0.8724}]`

// answers are the bytes that go out, made once.
type answers struct {
	kept, old, closing, head []byte // ordinary ones: HTTP/1.1, HTTP/1.0 that is kept, the last one, to HEAD
	chat                     []byte // not streamed
	begin, end               []byte // of a stream
	// token is the chunk of one token; its stamp stands at stampAt.
	token   []byte
	stampAt int
}

// stampDigits is the length of a stamp: nanoseconds of the wall clock in base 36,
// which have twelve digits from 1974 to 2120. In decimals the texts of thousands of
// streams were most of what a client under test kept.
const (
	stampDigits = 12
	stampBase   = 36
)

var (
	continues = []byte("HTTP/1.1 100 Continue\r\n\r\n")
	refusal   = []byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
)

func makeAnswers(o Options) *answers {
	body := o.Answer
	if body == nil {
		body = []byte(defaultAnswer)
	}
	ordinary := func(more string, body []byte) []byte {
		return append(fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n", len(body), more), body...)
	}
	kept := ordinary("", body)
	a := &answers{
		kept: kept, old: ordinary("Connection: keep-alive\r\n", body), closing: ordinary("Connection: close\r\n", body),
		head: kept[:len(kept)-len(body)],
		chat: ordinary("", fmt.Appendf(nil, `{"id":"chatcmpl-stub","object":"chat.completion","created":0,"model":"stub","choices":[{"index":0,`+
			`"message":{"role":"assistant","content":"two people"},"logprobs":null,"finish_reason":"stop"}],`+
			`"usage":{"prompt_tokens":1,"total_tokens":%d,"completion_tokens":%d}}`, o.Tokens+1, o.Tokens)),
	}
	a.begin = append([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"),
		chunk(choice(`{"role":"assistant","content":""}`, "null"))...)
	const token = `{"content":"`
	a.token = chunk(choice(token+fmt.Sprintf("%0*d ", stampDigits, 0)+`"}`, "null"))
	a.stampAt = index(a.token, token) + len(token)
	a.end = append(a.end, chunk(choice(`{}`, `"stop"`))...)
	a.end = append(a.end, chunk(fmt.Sprintf(`{"id":"chatcmpl-stub","object":"chat.completion.chunk","created":0,"model":"stub","choices":[],`+
		`"usage":{"prompt_tokens":1,"total_tokens":%d,"completion_tokens":%d}}`, o.Tokens+1, o.Tokens))...)
	a.end = append(a.end, chunk("[DONE]")...)
	a.end = append(a.end, "0\r\n\r\n"...)
	return a
}

func choice(delta, finish string) string {
	return `{"id":"chatcmpl-stub","object":"chat.completion.chunk","created":0,"model":"stub","choices":[{"index":0,"delta":` +
		delta + `,"logprobs":null,"finish_reason":` + finish + `}]}`
}

// chunk is an event of a stream as a chunk of the body.
func chunk(data string) []byte {
	return fmt.Appendf(nil, "%x\r\ndata: %s\n\n\r\n", len(data)+len("data: \n\n"), data)
}

func index(p []byte, text string) int {
	for i := range p {
		if i+len(text) <= len(p) && string(p[i:i+len(text)]) == text {
			return i
		}
	}
	panic("stub: the pattern of a token lacks its beginning")
}

// stamped writes the present time into the token and gives it.
func (a *answers) stamped(now time.Time) []byte {
	strconv.AppendInt(a.token[a.stampAt:a.stampAt], now.UnixNano(), stampBase)
	return a.token
}

// Stamps reads the stamps of a streamed answer's text, in nanoseconds of the
// wall clock, and reports false if it is not this server's.
func Stamps(text string, into []int64) ([]int64, bool) {
	into = into[:0]
	for len(text) > 0 {
		if len(text) < stampDigits+1 || text[stampDigits] != ' ' {
			return into, false
		}
		at, err := strconv.ParseInt(text[:stampDigits], stampBase, 64)
		if err != nil {
			return into, false
		}
		into = append(into, at)
		text = text[stampDigits+1:]
	}
	return into, true
}
