package sim

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/sim/model"
)

// A prompt that begins as an earlier one costs less, by whole blocks, never
// all of it; it is told in the usage only when vLLM is told to.
func TestPrefixCache(t *testing.T) {
	for _, caching := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			v := virtualVLLM(t, 1, vllmOptions{tokenDetails: true}, func(c *model.EngineConfig) { c.PrefixCache = caching })
			long := strings.Repeat("word", 59) // 59 tokens and 4 of the turn: 3 whole blocks of 16
			first := v.ask(long, 1, "").Body.String()
			again := v.ask(long, 1, "").Body.String()
			stream := v.ask(long+" and more", 1, `,"stream":true,"stream_options":{"include_usage":true}`).Body.String()
			other := v.ask("other"+long, 1, "").Body.String()
			const cached = `"prompt_tokens_details":{"cached_tokens":48}`
			if strings.Contains(first, "cached_tokens") || strings.Contains(other, "cached_tokens") ||
				strings.Contains(again, cached) != caching || strings.Contains(stream, cached) != caching {
				t.Errorf("caching %v: first %s again %s longer %s other %s", caching, first, again, stream, other)
			}
			if caching {
				checkPage(t, v.handler(), map[string]float64{
					"vllm:prefix_cache_hits_total" + labels: 96, "vllm:prompt_tokens_cached_total" + labels: 96,
					"vllm:prompt_tokens_by_source_total{engine=0,model_name=m,source=local_cache_hit}": 96,
					"vllm:prompt_tokens_total" + labels:                                                63 + 63 + 66 + 65,
					"vllm:prefix_cache_queries_total" + labels:                                         63 + 63 + 66 + 65,
					"vllm:request_prefill_kv_computed_tokens_sum" + labels:                             63 + 15 + 18 + 65,
				})
			}
			v.options.tokenDetails = false
			if got := v.ask(long, 1, "").Body.String(); !strings.Contains(got, `"prompt_tokens_details":null`) {
				t.Errorf("without the flag: %s", got)
			}
		})
	}
}

// An image that was seen costs the frontend nothing.
func TestImageCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtualVLLM(t, 1, vllmOptions{}, func(c *model.EngineConfig) { c.ImageFrontend = 100 * time.Millisecond })
		v.name = "qwen3-vl-8b"
		var took []time.Duration
		for _, n := range []int{1, 1, 2} {
			begin := time.Now()
			call(v.handler(), "POST", chatPath, "application/json", chatJSON(jpegFrame(t, 64, 64, n), `,"max_tokens":1`))
			took = append(took, time.Since(begin))
		}
		const ms = time.Millisecond
		if want := []time.Duration{110 * ms, 10 * ms, 110 * ms}; !slices.Equal(took, want) {
			t.Errorf("took %v, want %v", took, want)
		}
		const of = "{engine=0,model_name=qwen3-vl-8b}"
		checkPage(t, v.handler(), map[string]float64{"vllm:mm_cache_queries_total" + of: 3, "vllm:mm_cache_hits_total" + of: 1})
	})
}

// A full KV cache takes the latest call back; it comes again and ends.
func TestPreemptionIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtualVLLM(t, 1, vllmOptions{}, func(c *model.EngineConfig) { c.KVBlocks, c.PrefixCache = 8, false })
		codes := make(chan int)
		for range 2 { // of 5 + 100 tokens each, where 128 have room
			go func() { codes <- v.ask("hi", 100, "").Code }()
		}
		if a, b := <-codes, <-codes; a != 200 || b != 200 {
			t.Errorf("status %d and %d", a, b)
		}
		got := readPage(t, v.handler())
		if n := got["vllm:num_preemptions_total"+labels]; n < 1 {
			t.Errorf("%v preemptions", n)
		}
		// Tokens are counted once, and the queue's time is that before the first
		// step: one of them waited for the other's.
		checkPage(t, v.handler(), map[string]float64{
			"vllm:generation_tokens_total" + labels: 200, "vllm:prompt_tokens_total" + labels: 10,
			"vllm:request_queue_time_seconds_sum" + labels: 0.01,
		})
	})
}

// Blocks are told apart by text, role and image.
func TestPromptHash(t *testing.T) {
	image := func(n int) string {
		return "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(jpegFrame(t, 128, 128, n))
	}
	request := func(role, text, url string) chatRequest {
		r := chatRequest{Messages: []chatMessage{{Role: role, Content: chatContent{{Type: "text", Text: text}, {Type: "image_url"}}}}}
		r.Messages[0].Content[1].ImageURL.URL = url
		return r
	}
	base := request("user", strings.Repeat("abcd", 30), image(1))
	seen := make(map[uint64]string)
	for name, r := range map[string]chatRequest{
		"base": base, "role": request("system", strings.Repeat("abcd", 30), image(1)),
		"first": request("user", "abce"+strings.Repeat("abcd", 29), image(1)),
		"text":  request("user", strings.Repeat("abcd", 29)+"abce", image(1)),
		"image": request("user", strings.Repeat("abcd", 30), image(2)),
	} {
		p, fault := r.measure(1000, 16)
		// 4 of the turn, 30 of text, 16 of the image: 3 whole blocks.
		if fault != nil || p.tokens != 50 || p.imageTokens != 16 || len(p.prefix) != 3 || len(p.imageKeys) != 1 {
			t.Fatalf("%s: %+v, %v", name, p, fault)
		}
		if other, dup := seen[p.seed]; dup {
			t.Errorf("%s is %s", name, other)
		}
		seen[p.seed] = name
	}
	p, _ := base.measure(1000, 16)
	changed := request("user", strings.Repeat("abcd", 30), image(2))
	q, _ := changed.measure(1000, 16)
	// The image begins at token 34, in the third block.
	if p.prefix[0] != q.prefix[0] || p.prefix[1] != q.prefix[1] || p.prefix[2] == q.prefix[2] {
		t.Errorf("blocks %x, with another image %x", p.prefix, q.prefix)
	}
}
