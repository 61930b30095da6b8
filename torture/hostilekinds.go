package main

import (
	"fmt"
	"slices"

	"github.com/evabench/evabench/internal/hostile"
	"github.com/evabench/evabench/results"
)

// A protocol is one kind of endpoint as hostile servers speak it, in one of its forms.
type protocol struct {
	name     string
	endpoint string // in a scenario
	workload string
	texts    hostile.Texts
	good     string // a good answer, whole
	streams  bool
	// makes is what the kind makes of a case where it is not what the case says, which
	// is about bare HTTP.
	makes map[string]results.Outcome
}

const (
	visionWorkload = "{kind: vision, images: {width: 320, height: 240, kilobytes: 20, count: 2}, classes: [{model: m}]}"
	agentWorkload  = "{kind: agent, model: m, stages: [inspect], inspect: 1, images: {width: 320, height: 240, kilobytes: 20, count: 2}}"

	box        = `{"label":"person","score":0.9,"box":[1,2,3,4]}`
	inferred   = `{"model_name":"m","outputs":[{"name":"boxes","datatype":"FP32","shape":[1,4],"data":[1,2,3,4]}]}`
	completion = `{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"two people"},"finish_reason":"stop"}],` +
		`"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}`
	token = `data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"two "},"finish_reason":null}]}` + "\n\n"
	done  = "data: [DONE]\n\n"
)

// whole is what readers of one JSON document make of a case, unless it is said.
func whole(more map[string]results.Outcome) map[string]results.Outcome {
	all := map[string]results.Outcome{
		"a line of 10 MB": results.Malformed, // a text is no answer, nor an event
		"503 queue":       results.HTTP5xx,   // of no form in which this server says so
	}
	for name, o := range more {
		all[name] = o
	}
	return all
}

// protocols are all kinds of endpoint.
func protocols() []protocol {
	document := func(name, endpoint, workload, body string, makes map[string]results.Outcome) protocol {
		return protocol{
			name: name, endpoint: endpoint, workload: workload, texts: hostile.Texts{Good: body, Event: hostile.Event, Done: hostile.Done}, makes: makes,
			good: fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body),
		}
	}
	return []protocol{
		document("detect-http", "detect-http", visionWorkload, `{"predictions":[`+box+`]}`, whole(map[string]results.Outcome{"503 queue": results.Shed})),
		document("kserve-v2", "kserve-v2", visionWorkload, inferred, whole(nil)),
		document("openai-chat", "{kind: openai-chat, stream: false, keep_alive: true}", agentWorkload, completion, whole(nil)),
		{
			name: "openai-chat, streaming", endpoint: "{kind: openai-chat, keep_alive: true}", workload: agentWorkload, streams: true,
			texts: hostile.Texts{Good: token + done, Event: token, Done: done},
			good: "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" +
				fmt.Sprintf("%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", len(token), token, len(done), done),
			makes: whole(map[string]results.Outcome{
				// A stream is whole with its last event, whatever follows.
				"until an end that does not come": results.OK,
				"closed before the last chunk":    results.OK,
				"closed in the trailer":           results.OK,
				"an endless trailer":              results.OK,
				// And it is cut off without it, however well HTTP ends it.
				"half of a JSON text": results.Reset,
				"204":                 results.Reset,
			}),
		},
		document("torchserve", "torchserve", visionWorkload, "["+box+"]", whole(nil)),
	}
}

// answerMax is the most of an answer that evabench reads, in bytes: httpx.MaxAnswer.
const answerMax = 64 << 20

// cases are what is played to a protocol: all but what a scenario does not ask for,
// as other methods, compressed answers, and streams where there are none.
func (p protocol) cases() []hostile.Case {
	all := slices.DeleteFunc(hostile.Cases(p.texts, 1<<10), func(c hostile.Case) bool {
		return c.Ask.Method != "" || c.Ask.Gzip || c.Ask.Close || c.Ask.Stream && !p.streams
	})
	for i, c := range all {
		if o, ok := p.makes[c.Name]; ok {
			all[i].Want = []results.Outcome{o}
		}
	}
	return all
}

// every is how many requests there are to one that begins a case, so that one in m.every is
// answered in a hostile way at the least: some cases are good answers of an odd form.
func (p protocol) every(m mixture) int {
	cases := p.cases()
	bad := slices.DeleteFunc(slices.Clone(cases), func(c hostile.Case) bool { return c.Want[0] == results.OK })
	return m.every * len(bad) / len(cases)
}
