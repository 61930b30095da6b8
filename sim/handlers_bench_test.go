package sim

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/sim/model"
)

// benchFrame is a frame of about 50 KB, which 1280 x 720 pixels of a camera
// have.
func benchFrame(b *testing.B) []byte {
	m := image.NewGray(image.Rect(0, 0, 1280, 720))
	for i := range m.Pix {
		m.Pix[i] = uint8(i*i>>9) & 0x1f
		if i%4 == 0 {
			m.SetGray(i%1280, i/1280, color.Gray{Y: uint8(i >> 6)})
		}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, m, &jpeg.Options{Quality: 10}); err != nil {
		b.Fatal(err)
	}
	return append(out.Bytes(), make([]byte, max(0, 50_000-out.Len()))...)[:50_000]
}

// benchDriver is a driver so fast that the model takes no time of the clock.
func benchDriver(b *testing.B) *driver {
	ctx, cancel := context.WithCancel(context.Background())
	d := newScaledDriver(1e6, newTimerAlarm())
	ended := make(chan struct{})
	go func() {
		d.run(ctx)
		close(ended)
	}()
	b.Cleanup(func() {
		cancel()
		<-ended
	})
	return d
}

// BenchmarkPrediction is a Vision request of 50 KB over a socket, client with it.
func BenchmarkPrediction(b *testing.B) {
	d := benchDriver(b)
	m := &torchModel{name: "m"}
	ts := &torchServe{driver: d, options: defaultTorchServe(), gone: make(chan struct{}), models: []*torchModel{m}}
	d.do(func(w *model.World) {
		m.detector = model.NewDetector(w, model.NewHost(w, 8), w.AddDevice(testGPU), model.Client{Share: 1},
			model.DetectorConfig{Workers: 8, Queue: 1000, Job: model.Job{Work: 1, Parallel: 100}})
	})
	server := httptest.NewServer(ts.inference())
	b.Cleanup(server.Close)
	frame := benchFrame(b)
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp, err := http.Post(server.URL+"/predictions/m", "image/jpeg", bytes.NewReader(frame))
			if err != nil {
				b.Error(err)
				return
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				b.Error(resp.Status)
			}
		}
	})
}

// BenchmarkChatStream is 64 answers of 256 tokens at once over sockets, each
// with a frame of 50 KB; an operation is one token.
func BenchmarkChatStream(b *testing.B) {
	d := benchDriver(b)
	d.scale = 60
	v := &vllmServer{driver: d, name: "m", maxTokens: 4000, answer: 10, gone: make(chan struct{}), metrics: newVLLMMetrics(4000)}
	cfg := model.EngineConfig{MaxSeqs: 64, MaxTokens: 4096, KVBlocks: 64000, BlockTokens: 16, Base: 1, Parallel: 100, PrefixCache: true}
	v.use(cfg, 0.9)
	d.do(func(w *model.World) {
		v.engine = model.NewEngine(w, model.NewHost(w, 8), w.AddDevice(testGPU), model.Client{Share: 1}, cfg)
	})
	server := httptest.NewServer(v.handler())
	b.Cleanup(server.Close)
	body := fmt.Sprintf(`{"messages":[{"role":"user","content":[{"type":"text","text":"What is to be seen?"},{"type":"image_url",
		"image_url":{"url":"data:image/jpeg;base64,%s"}}]}],"max_tokens":256,"ignore_eos":true,"stream":true,"stream_options":{"include_usage":true}}`,
		base64.StdEncoding.EncodeToString(benchFrame(b)))
	b.ReportAllocs()
	begin := time.Now()
	answers := make(chan error)
	calls, running := (b.N+255)/256, 0
	for sent := 0; sent < calls || running > 0; {
		if sent < calls && running < 64 {
			sent++
			running++
			go func() { answers <- streamOnce(server.URL, body) }()
			continue
		}
		if err := <-answers; err != nil {
			b.Error(err)
		}
		running--
	}
	b.ReportMetric(float64(calls*256)/time.Since(begin).Seconds(), "tokens/s")
}

func streamOnce(url, body string) error {
	resp, err := http.Post(url+chatPath, "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK || n < 256*100 {
		return fmt.Errorf("%s, %d bytes, %w", resp.Status, n, err)
	}
	return nil
}

// BenchmarkMeasure is what a chat request of 50 KB costs before the engine.
func BenchmarkMeasure(b *testing.B) {
	body := []byte(fmt.Sprintf(`{"messages":[{"role":"user","content":[{"type":"text","text":%q},{"type":"image_url",
		"image_url":{"url":"data:image/jpeg;base64,%s"}}]}]}`, strings.Repeat("What is to be seen? ", 20), base64.StdEncoding.EncodeToString(benchFrame(b))))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		r, fault := parseChat("application/json", body)
		if fault == nil {
			_, fault = r.measure(4000, 16)
		}
		if fault != nil {
			b.Fatal(fault.message)
		}
	}
}
