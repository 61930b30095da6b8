package httpx

import (
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/loadgen/stub"
	"github.com/evabench/evabench/results"
)

// Exchanges with a server on another thread, over sockets, 64 at a time. The
// allocations are of the whole process.
func BenchmarkSockets(b *testing.B) {
	for _, c := range []struct {
		name    string
		request Request
		guesses bool
	}{
		{"GET", Request{Method: "GET", Path: "/"}, false},
		{"POST 100 KB", Request{Method: "POST", Path: "/", Body: make([]byte, 100<<10)}, false},
		{"POST 100 KB, new connections", Request{Method: "POST", Path: "/", Body: make([]byte, 100<<10), Close: true}, false},
		{"POST 100 KB, net-http", Request{Method: "POST", Path: "/", Body: make([]byte, 100<<10)}, true},
	} {
		b.Run(c.name, func(b *testing.B) { sockets(b, &c.request, c.guesses) })
	}
}

func sockets(b *testing.B, request *Request, guesses bool) {
	server, err := stub.Start(stub.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	base, err := ParseBase(server.URL())
	if err != nil {
		b.Fatal(err)
	}
	client, err := New(Config{Base: base, NewReader: func() Reader { return new(counts) }})
	if err != nil {
		b.Fatal(err)
	}
	loop, err := pace.New(results.NewOrigin(time.Now()))
	if err != nil {
		b.Fatal(err)
	}
	defer loop.Close()
	line, err := client.Open(loop)
	if guesses {
		to := &place{client: client, addr: client.addr()}
		to.lookUp()
		line = openNet(client, loop, to)
	}
	if err != nil {
		b.Fatal(err)
	}
	defer line.Close()
	b.SetBytes(int64(len(request.Body)))
	b.ReportAllocs()
	left, open := b.N, 0
	again := func(x *loadgen.Exchange) {
		if x.Answer.Outcome != results.OK {
			b.Errorf("%+v", x.Answer)
			left = 0
		}
		if left > 0 {
			left--
			line.Send(request, x)
		} else if open--; open == 0 {
			loop.Quit()
		}
	}
	loop.Post(func() {
		for range min(64, b.N) {
			left--
			open++
			line.Send(request, &loadgen.Exchange{Done: again})
		}
	})
	b.ResetTimer()
	loop.Run()
}
