package results

import "time"

// A SelfTest is what the load generator can do on its machine, measured against
// a server of its own over the loopback: no network card is in it. A part that
// was not measured is null or empty.
type SelfTest struct {
	Measured time.Time `json:"measured"` // UTC
	// BinarySHA256, CPUModel and Boot tell what it holds for.
	BinarySHA256 string `json:"binary_sha256"`
	CPUModel     string `json:"cpu_model,omitempty"`
	Boot         string `json:"boot_id,omitempty"`
	// Quick is whether phases were short: figures of under a second each, good
	// within some ten percent.
	Quick bool `json:"quick"`
	// ClientCPUs and ServerCPU are where the two ran; ServerCPU is null if both
	// had to share one.
	ClientCPUs []int `json:"client_cpus"`
	ServerCPU  *int  `json:"server_cpu"`
	// Others is the processor time that the rest of the machine used meanwhile, as
	// a share of all processors, 0 to 1; null if unknown.
	Others *float64 `json:"others_share"`
	// Stolen is the same for what the host of a virtual machine took meanwhile; the
	// processor times below may hold a part of it.
	Stolen *float64 `json:"stolen_share"`

	Images *Throughput    `json:"images,omitempty"` // a closed loop of 64, 100 KB each
	Small  *Throughput    `json:"small,omitempty"`  // a closed loop of 64, some bytes each
	Rates  []RateLateness `json:"rates,omitempty"`  // open loops of evenly spaced small requests
	// Streams is a closed loop of token streams.
	Streams  *StreamRoof `json:"streams,omitempty"`
	Warnings []Warning   `json:"warnings,omitempty"`
}

// A Throughput is a closed loop's, over its window.
type Throughput struct {
	Requests       int64   `json:"requests"`
	BodyBytes      int64   `json:"body_bytes"` // of one request
	PerSecond      float64 `json:"requests_per_second"`
	BytesPerSecond float64 `json:"bytes_per_second"` // of bodies
	// CPUPerRequest is the whole process's processor time a request.
	CPUPerRequest time.Duration `json:"cpu_per_request_ns"`
	Failed        int64         `json:"failed"`
}

// A RateLateness is how late requests of an open loop began to arrive: the
// kernel's stamp of a request's first bytes at the server minus its due time.
type RateLateness struct {
	Rate     float64       `json:"rate_per_second"`     // asked for
	Achieved float64       `json:"achieved_per_second"` // arrivals at the server, between the first and the last
	N        int64         `json:"n"`
	P50      time.Duration `json:"p50_ns"`
	P99      time.Duration `json:"p99_ns"`
	Max      time.Duration `json:"max_ns"`
	Failed   int64         `json:"failed"`
	// Lost is requests sent but not seen by the server. If it is not 0, no
	// lateness was told.
	Lost int64 `json:"lost"`
}

// A StreamRoof is how the client fared with streams of tokens. A token's error is
// the client's stamp of it minus when it was sent, on one clock.
type StreamRoof struct {
	Streams int   `json:"streams"` // at once
	Tokens  int64 `json:"tokens"`  // counted by the client
	Lost    int64 `json:"lost"`    // sent by the server and not counted
	// PerSecond is tokens in the window, Cores the processor time that the client
	// used meanwhile, as a share of one core.
	PerSecond float64 `json:"tokens_per_second"`
	Cores     float64 `json:"cores"`
	// PerSecondAt85 is PerSecond in proportion to 85 % of a core; a busier client
	// spends less on each token, so it may do more.
	PerSecondAt85 float64       `json:"tokens_per_second_at_85_percent"`
	ErrorP50      time.Duration `json:"error_p50_ns"`
	ErrorP99      time.Duration `json:"error_p99_ns"`
	ErrorMax      time.Duration `json:"error_max_ns"`
	// Early counts the stamps before the token was sent, by a step of the wall
	// clock; they count as 0.
	Early     int64 `json:"early"`
	PeakBytes int64 `json:"peak_resident_bytes"` // of the process, so far
	Failed    int64 `json:"failed"`              // answers that were not ok
}
