package loadgen_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/arrivals"
	"github.com/evabench/evabench/loadgen/endpoints/torchserve"
	"github.com/evabench/evabench/loadgen/images"
	"github.com/evabench/evabench/loadgen/routers"
	"github.com/evabench/evabench/loadgen/workloads/vision"
	"github.com/evabench/evabench/results"
)

// Ten cameras of four frames a second ask a detector for half a second.
func Example() {
	detector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `[{"label": "person", "score": 0.9}]`)
	}))
	defer detector.Close()

	workload, err := vision.New(vision.Config{
		Images:  images.Config{Width: 320, Height: 180, Kilobytes: 10, Count: 2},
		Classes: []vision.Class{{Model: "rt-detrv2"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	dialer, err := torchserve.New(torchserve.Config{ContentType: "image/jpeg"}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	endpoint, err := dialer.Dial(detector.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer endpoint.Close()
	router, err := routers.Kinds.Build(kind.Spec{Name: "round-robin"})
	if err != nil {
		fmt.Println(err)
		return
	}
	cameras, err := arrivals.New(arrivals.Config{Kind: "cameras", Value: 10, FPS: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	var samples sink
	step, err := loadgen.Drive(context.Background(), results.NewOrigin(time.Now()), loadgen.Step{
		Plan: results.StepPlan{
			Name:   "10 cameras",
			Levels: []results.Level{{Service: "vision", Arrivals: "cameras", Value: 10, Unit: "cameras"}},
			Window: 500 * time.Millisecond,
		},
		Loads: []loadgen.Load{{
			Service: "vision", Arrivals: cameras, Workload: workload, Router: router,
			Targets: []loadgen.Target{{Name: "vision-0", Endpoint: endpoint}}, Timeout: 10 * time.Second,
		}},
		Seed: 1,
	}, &samples)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("due:", step.Services[0].Due, "samples:", len(samples.all), "of", samples.all[0].Class)
	// Output: due: 20 samples: 20 of rt-detrv2
}
